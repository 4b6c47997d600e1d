/* SPDX-License-Identifier: Apache-2.0 */
/* truth_test.c: is what an operator is told true?
 *
 * A host's call is 300 ms of CPU in a(), 500 ms asleep in b(), 200 ms waiting for a mutex in c(),
 * and the host measures each itself. The task listens from 100 ms on, every 10 ms. The analysis
 * that the API then gives must say the same: each function's total within the gap between the two
 * snapshots around each of its boundaries and 2 %; CPU, queueing and waiting likewise; all sums
 * exactly, in decimal; and in sentences what the call waited for. Through a library without frame
 * pointers, through a C++ host, out of a stripped program, and while others want both cores. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/integration/system/house.h"
#include "tests/support/crowd.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CAUGHT_MS = 20000, NAME_SIZE_MAX = 200 };

static struct house house;
static char debug_dir[64];

/* What the host measured ---------------------------------------------------------------------- */

struct part {
    uint64_t wall_ns, cpu_ns, queue_ns, offset;
};

struct truth {
    struct part parts[3]; /* of a(), b(), c() */
    uint64_t queue_ns;
};

static struct truth truth_parse(const char *line)
{
    struct truth truth = { .queue_ns = 0 };
    int used = 0, all = 0;

    for (int i = 0; i < 3; i++, all += used) {
        struct part *part = &truth.parts[i];

        if (sscanf(line + all, " %*c %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 "%n",
                   &part->wall_ns, &part->cpu_ns, &part->queue_ns, &part->offset, &used) != 4)
            fail_msg("the host says '%s'", line);
    }
    if (sscanf(line + all, " queue %" SCNu64, &truth.queue_ns) != 1)
        fail_msg("the host says '%s'", line);
    return truth;
}

/* What the API says --------------------------------------------------------------------------- */

/* Decimal milliseconds of at most six digits: exact in a double, back to nanoseconds. */
static uint64_t ns_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    double ms, ns;

    if (!json_is_number(value)) fail_msg("'%s' is no number", key);
    ms = json_number_value(value);
    ns = round(ms * 1e6);
    if (fabs(ms * 1e6 - ns) > 0.01) fail_msg("'%s' is no decimal of nanoseconds", key);
    return (uint64_t)ns;
}

struct cost {
    uint64_t total_ns, cpu_ns, queue_ns, wait_ns;
};

static struct cost cost_of(const json_t *object, const char *total)
{
    struct cost cost = { ns_of(object, total), ns_of(object, "cpu_ms"), ns_of(object, "queue_ms"),
                         ns_of(object, "wait_ms") };
    uint64_t waits_ns = 0;
    const char *kind;
    json_t *value;

    json_object_foreach(json_object_get(object, "waits_ms"), kind, value)
    {
        waits_ns += ns_of(json_object_get(object, "waits_ms"), kind);
    }
    assert_int_equal(cost.cpu_ns + cost.queue_ns + cost.wait_ns, cost.total_ns);
    assert_int_equal(waits_ns, cost.wait_ns);
    return cost;
}

static void cost_add(struct cost *to, const struct cost *cost)
{
    to->total_ns += cost->total_ns;
    to->cpu_ns += cost->cpu_ns;
    to->queue_ns += cost->queue_ns;
    to->wait_ns += cost->wait_ns;
}

/* A node is its self and its children, in every respect. */
static void assert_node_adds_up(const json_t *node)
{
    struct cost cost = cost_of(node, "total_ms");
    uint64_t parts_ns = ns_of(node, "self_ms");
    json_t *child;
    size_t i;

    json_array_foreach(json_object_get(node, "children"), i, child)
    {
        assert_node_adds_up(child);
        parts_ns += ns_of(child, "total_ms");
    }
    assert_int_equal(parts_ns, cost.total_ns);
}

static void assert_adds_up(const json_t *analysis)
{
    const json_t *tree = json_object_get(analysis, "tree");
    uint64_t listened_ns = ns_of(analysis, "listened_ms"), sum_ns = 0, at_ns;
    json_t *moment;
    size_t i;

    assert_node_adds_up(tree);
    assert_int_equal(ns_of(tree, "total_ms"), listened_ns);
    assert_int_equal(ns_of(analysis, "unobserved_ms") + listened_ns, ns_of(analysis, "elapsed_ms"));
    at_ns = ns_of(analysis, "unobserved_ms");
    json_array_foreach(json_object_get(analysis, "timeline"), i, moment)
    {
        assert_int_equal(ns_of(moment, "at_ms"), at_ns);
        at_ns += ns_of(moment, "for_ms");
        sum_ns += cost_of(moment, "for_ms").total_ns;
    }
    assert_int_equal(sum_ns, listened_ns);
}

static const char *function_of(const json_t *analysis, const json_t *frame)
{
    const json_t *found =
        json_array_get(json_object_get(analysis, "frames"), (size_t)json_integer_value(frame));
    const char *name = json_string_value(json_object_get(found, "function"));

    return json_is_integer(frame) && name ? name : "";
}

static bool stack_has(const json_t *analysis, const json_t *stack, const char *function)
{
    json_t *frame;
    size_t i;

    json_array_foreach((json_t *)stack, i, frame)
    {
        if (strcmp(function_of(analysis, frame), function) == 0) return true;
    }
    return false;
}

static bool stack_has_part(const json_t *analysis, const json_t *stack, const char *part)
{
    json_t *frame;
    size_t i;

    json_array_foreach((json_t *)stack, i, frame)
    {
        if (strstr(function_of(analysis, frame), part)) return true;
    }
    return false;
}

/* What the tree says of a function that does not call itself. */
static struct cost tree_cost(const json_t *analysis, const json_t *node, const char *function)
{
    struct cost cost = { 0 };
    json_t *child;
    size_t i;

    if (strcmp(function_of(analysis, json_object_get(node, "frame")), function) == 0)
        return cost_of(node, "total_ms");
    json_array_foreach(json_object_get(node, "children"), i, child)
    {
        struct cost below = tree_cost(analysis, child, function);

        cost_add(&cost, &below);
    }
    return cost;
}

struct share {
    struct cost cost;
    uint64_t gaps_ns; /* between the two snapshots around its begin, and around its end */
};

/* From the timeline; the tree must say the same. */
static struct share share_of(const json_t *analysis, const char *function)
{
    struct share share = { .gaps_ns = 0 };
    uint64_t before_ns = 0;
    struct cost tree = tree_cost(analysis, json_object_get(analysis, "tree"), function);
    bool was_in = false;
    json_t *moment;
    size_t i;

    json_array_foreach(json_object_get(analysis, "timeline"), i, moment)
    {
        struct cost cost = cost_of(moment, "for_ms");
        bool is_in = stack_has(analysis, json_object_get(moment, "stack"), function);

        if (is_in != was_in) share.gaps_ns += before_ns;
        if (is_in) cost_add(&share.cost, &cost);
        before_ns = cost.total_ns;
        was_in = is_in;
    }
    if (was_in) share.gaps_ns += before_ns;
    if (share.cost.total_ns == 0) fail_msg("%s() was not met", function);
    assert_memory_equal(&share.cost, &tree, sizeof tree);
    return share;
}

static void assert_near(const char *function, const char *what, uint64_t got_ns, uint64_t truth_ns,
                        uint64_t gaps_ns)
{
    uint64_t difference = got_ns > truth_ns ? got_ns - truth_ns : truth_ns - got_ns;
    uint64_t allowed = gaps_ns + truth_ns / 50;

    printf("    %-24s %-14s %8.1f ms, truth %8.1f ms, allowed +-%.1f\n", function, what,
           (double)got_ns / 1e6, (double)truth_ns / 1e6, (double)allowed / 1e6);
    if (difference > allowed) fail_msg("%s: %s is not true", function, what);
}

/* The head, in which nobody looked, is part of a(). */
static void assert_true_analysis(const json_t *analysis, const struct truth *truth,
                                 const char *const *functions)
{
    struct share a = share_of(analysis, functions[0]), b = share_of(analysis, functions[1]);
    struct share c = share_of(analysis, functions[2]);
    uint64_t head_ns = ns_of(analysis, "unobserved_ms");
    uint64_t a_wall_ns = truth->parts[0].wall_ns - head_ns;
    uint64_t queue_ns = ns_of(json_object_get(analysis, "tree"), "queue_ms");
    uint64_t slack_ns = truth->queue_ns / 50 + NS_PER_MS;
    /* What the host, which never waits in a(), itself counted as neither: a hypervisor took it. */
    uint64_t counted_ns = truth->parts[0].cpu_ns + truth->parts[0].queue_ns;
    uint64_t lost_ns =
        truth->parts[0].wall_ns > counted_ns ? truth->parts[0].wall_ns - counted_ns : 0;

    assert_near(functions[0], "total", a.cost.total_ns, a_wall_ns, a.gaps_ns);
    assert_near(functions[1], "total", b.cost.total_ns, truth->parts[1].wall_ns, b.gaps_ns);
    assert_near(functions[2], "total", c.cost.total_ns, truth->parts[2].wall_ns, c.gaps_ns);
    printf("    a() by the host: CPU %.1f ms, queue %.1f ms, lost %.1f ms\n",
           (double)truth->parts[0].cpu_ns / 1e6, (double)truth->parts[0].queue_ns / 1e6,
           (double)lost_ns / 1e6);
    assert_near(functions[0], "CPU and queue", a.cost.cpu_ns + a.cost.queue_ns, a_wall_ns,
                a.gaps_ns + lost_ns);
    for (int i = 1; i < 3; i++) {
        const struct part *part = &truth->parts[i];
        const struct share *share = i == 1 ? &b : &c;

        assert_near(functions[i], "waiting", share->cost.wait_ns,
                    part->wall_ns - part->cpu_ns - part->queue_ns, share->gaps_ns);
        assert_near(functions[i], "queue", share->cost.queue_ns, part->queue_ns, share->gaps_ns);
    }
    /* Of the head the host does not know how much of its CPU and queueing fell into it. */
    assert_in_range(a.cost.cpu_ns, 0, truth->parts[0].cpu_ns + a.gaps_ns);
    assert_in_range(a.cost.cpu_ns + head_ns + a.gaps_ns, truth->parts[0].cpu_ns, UINT64_MAX);
    assert_in_range(queue_ns, 0, truth->queue_ns + slack_ns);
    assert_in_range(queue_ns + head_ns + slack_ns, truth->queue_ns, UINT64_MAX);
    printf("    queued %.1f ms, of %.1f ms in the whole call\n", (double)queue_ns / 1e6,
           (double)truth->queue_ns / 1e6);
}

static bool has_finding(const json_t *analysis, const char *verb, const char *what,
                        const char *where)
{
    json_t *finding;
    size_t i;

    json_array_foreach(json_object_get(analysis, "findings"), i, finding)
    {
        const char *says = json_string_value(finding);

        if (strncmp(says, verb, strlen(verb)) == 0 && strstr(says, what) && strstr(says, where))
            return true;
    }
    return false;
}

/* One of the sentences says all three: how it was spent, on what, and where. Sentences are about a
 * twentieth of the call at least: on a crowded machine, 200 ms may be less. */
static void assert_finds(const json_t *analysis, const char *verb, const char *what,
                         const char *where)
{
    if (ns_of(analysis, "elapsed_ms") > 3500 * NS_PER_MS) return;
    if (has_finding(analysis, verb, what, where)) return;
    json_dumpf(json_object_get(analysis, "findings"), stdout, JSON_INDENT(4));
    fail_msg("no finding says '%s ... %s ... %s'", verb, what, where);
}

/* While c() waits, hold() has the lock, in a thread of its own. That is said of all but the last
 * look, and no stack is another's; on a crowded machine there may be none, of an owner that does
 * not get a CPU. */
static void assert_owner_is_told(const json_t *analysis, const char *function)
{
    size_t i, waits = 0, owners = 0, told = 0;
    json_t *moment;

    json_array_foreach(json_object_get(analysis, "timeline"), i, moment)
    {
        const json_t *owner = json_object_get(moment, "lock_owner");
        const char *wait = json_string_value(json_object_get(moment, "wait"));

        if (!wait || strcmp(wait, "lock") != 0) continue;
        waits++;
        if (!json_is_object(owner)) continue;
        owners++;
        if (!json_is_string(json_object_get(owner, "thread"))) fail_msg("an owner has no name");
        if (json_array_size(json_object_get(owner, "stack")) == 0) continue;
        told++;
        if (!stack_has_part(analysis, json_object_get(owner, "stack"), function))
            fail_msg("an owner is not in %s", function);
    }
    printf("    of %zu waits for the lock %zu name its owner, %zu its stack\n", waits, owners,
           told);
    assert_true(waits > 0 && owners + 1 >= waits);
    assert_true(told > 0 || ns_of(analysis, "elapsed_ms") > 1500 * NS_PER_MS);
}

/* Catching a call ----------------------------------------------------------------------------- */

struct caught {
    struct truth truth;
    struct sample_id sample;
};

struct sample_wait {
    struct task_id task;
    char id[64];
};

static bool has_sample(void *context)
{
    struct sample_wait *wait = context;
    json_t *list = house_get(&house, "/api/v1/tasks/%s/samples", wait->task.text);
    const json_t *sample = json_array_get(json_object_get(list, "samples"), 0);
    const char *id = json_string_value(json_object_get(sample, "id"));

    snprintf(wait->id, sizeof wait->id, "%s", id ? id : "");
    json_decref(list);
    return id != NULL;
}

/* Starts the program, orders a task of it, and lets it make its call. */
static struct caught catch_call(const char *program, const char *instance)
{
    struct host_process *host = house_program(&house, program, "truth", instance);
    struct sample_wait wait;
    struct caught caught;

    house_order(&house,
                &(struct order){ .application = "truth", .interface = "truth", .sample_cap = 1 },
                &wait.task);
    house_wait_armed(&house, &wait.task, 1);
    caught.truth = truth_parse(host_process_ask(host, "call"));
    if (!wait_until(has_sample, &wait, CAUGHT_MS)) fail_msg("%s: no sample came", program);
    assert_int_equal(sample_id_parse(text_of(wait.id), &caught.sample), 0);
    assert_int_equal(host_process_end(host), 0);
    return caught;
}

static json_t *analysis_of(const struct caught *caught)
{
    return house_get(&house, "/api/v1/samples/%s/analysis", caught->sample.text);
}

/* How a(), b() and c() are called there, and where the findings must say that it waited. */
struct names {
    const char *functions[3], *asleep_in, *locked_in, *held_in;
};

static void assert_told_truly(const struct caught *caught, const struct names *names)
{
    json_t *analysis = analysis_of(caught);

    assert_adds_up(analysis);
    assert_true_analysis(analysis, &caught->truth, names->functions);
    assert_finds(analysis, "Was asleep ", " in ", names->asleep_in);
    assert_finds(analysis, "Waited ", " for mutex ", names->locked_in);
    assert_owner_is_told(analysis, names->held_in);
    json_decref(analysis);
}

/* The claims ---------------------------------------------------------------------------------- */

static const struct names plain_names = { { "a", "b", "c" }, "in b()", "in c()", "hold" };

static void a_call_is_told_truly(void **state)
{
    struct caught caught = catch_call(TRUTH_PROGRAM, "plain");

    (void)state;
    assert_told_truly(&caught, &plain_names);
}

static void so_is_one_through_a_library_without_frame_pointers(void **state)
{
    struct caught caught = catch_call(TRUTH_OVER_LIBRARY, "library");

    (void)state;
    assert_told_truly(&caught, &plain_names);
}

static void so_is_one_of_a_cxx_host(void **state)
{
#ifdef TRUTH_PROGRAM_CXX
    static const struct names names = {
        { "void shop::Cart::a<unsigned long>(unsigned long)", "shop::Cart::b()",
          "shop::Cart::c()" },
        "in nap()",
        "in shop::Cart::c",
        "shop::Cart::hold()",
    };
    struct caught caught = catch_call(TRUTH_PROGRAM_CXX, "cxx");

    assert_told_truly(&caught, &names);
#endif
    (void)state;
}

static void so_is_one_while_others_want_both_cores(void **state)
{
    struct caught caught;
    struct crowd crowd;

    (void)state;
    crowd_start(&crowd);
    caught = catch_call(TRUTH_PROGRAM, "crowded");
    crowd_stop(&crowd);
    assert_told_truly(&caught, &plain_names);
}

/* The build-id that the analysis names for the program that has the function. */
static void build_id_of(const json_t *analysis, const char *function, char ret[NAME_SIZE_MAX])
{
    json_t *frame;
    size_t i;

    json_array_foreach(json_object_get(analysis, "frames"), i, frame)
    {
        const char *name = json_string_value(json_object_get(frame, "function"));
        const char *id = json_string_value(json_object_get(frame, "build_id"));

        if (!name || strcmp(name, function) != 0) continue;
        assert_non_null(id);
        snprintf(ret, NAME_SIZE_MAX, "%s", id);
        return;
    }
    fail_msg("no frame is of %s", function);
}

/* As a package of debug information would: DIR/.build-id/ab/cdef.debug. */
static void install_debug_file(const char *build_id)
{
    char path[512];

    snprintf(path, sizeof path, "%s/.build-id", debug_dir);
    CHECK(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/.build-id/%.2s", debug_dir, build_id);
    CHECK(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/.build-id/%.2s/%s.debug", debug_dir, build_id, build_id + 2);
    CHECK(symlink(TRUTH_STRIPPED ".debug", path) == 0);
}

static void remove_debug_file(const char *build_id)
{
    char path[512];

    snprintf(path, sizeof path, "%s/.build-id/%.2s/%s.debug", debug_dir, build_id, build_id + 2);
    unlink(path);
    snprintf(path, sizeof path, "%s/.build-id/%.2s", debug_dir, build_id);
    rmdir(path);
    snprintf(path, sizeof path, "%s/.build-id", debug_dir);
    rmdir(path);
}

/* A scheduler that starts anew has cached nothing: the same sample is named from what is there. */
static void a_stripped_program_is_told_apart_and_named_from_its_debug_file(void **state)
{
    struct caught caught = catch_call(TRUTH_STRIPPED, "stripped");
    char names[3][NAME_SIZE_MAX], build_id[NAME_SIZE_MAX];
    const struct names offsets = {
        { names[0], names[1], names[2] }, names[1], names[2], "truth_stripped+0x"
    };
    json_t *analysis;

    (void)state;
    for (int i = 0; i < 3; i++) {
        snprintf(names[i], sizeof names[i], "truth_stripped+0x%" PRIx64,
                 caught.truth.parts[i].offset);
    }
    assert_told_truly(&caught, &offsets);

    analysis = analysis_of(&caught);
    build_id_of(analysis, names[0], build_id);
    json_decref(analysis);
    install_debug_file(build_id);
    scheduler_process_stop(&house.scheduler);
    scheduler_process_start(&house.scheduler);
    assert_told_truly(&caught, &plain_names);
    remove_debug_file(build_id);
}

static int start(void **state)
{
    (void)state;
    snprintf(debug_dir, sizeof debug_dir, "/tmp/stakeout-debug-XXXXXX");
    CHECK(mkdtemp(debug_dir));
    house.scheduler.options[0] = "--debug-dir";
    house.scheduler.options[1] = debug_dir;
    house_open(&house);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    house_close(&house);
    rmdir(debug_dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_told_truly),
        cmocka_unit_test(so_is_one_through_a_library_without_frame_pointers),
        cmocka_unit_test(so_is_one_of_a_cxx_host),
        cmocka_unit_test(so_is_one_while_others_want_both_cores),
        cmocka_unit_test(a_stripped_program_is_told_apart_and_named_from_its_debug_file),
    };

    /* What is true of looks is asked here, not how many a budget affords on a busy machine. */
    setenv("STAKEOUT_BUDGET_CORE", "off", 1);
    setenv("STAKEOUT_BUDGET_THREAD", "off", 1);
    return cmocka_run_group_tests(tests, start, stop);
}
