/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/hosts/performance.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "tests/integration/hosts/programs/act.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARMED_MS = 60000,
    HUNG_MS = 150000, /* without a word of the host */
    SETTLED_MS = 60000,
    FAREWELL_MS = 1000, /* that stakeout_stop() gives to it */
    UNTOLD_MAX = 3,     /* runs of a host; on a busy machine, some are */
    SAID_SIZE_MAX = 64 * 1024,
    FIRST_CODE = 200,
    SKIPPED = 77,
    CAP = 100,
};

/* ThreadSanitizer calls a signal's handler later, where it suits it, with the registers of the
 * moment when the signal came: so a stack need not be of its registers. And it is slow. It shows
 * whether a host is harmed, but not how well it is seen. */
#ifdef __SANITIZE_THREAD__
enum { STACKS_ARE_TRUE = 0, SAMPLES_SHARE = 4 };
#else
enum { STACKS_ARE_TRUE = 1, SAMPLES_SHARE = 1 };
#endif

/* ---- the host's two runs ---- */

struct run {
    struct host_process *host;
    struct buf said;
    int status;
    uint64_t leaves_ns[ACT_LEAVERS]; /* 0: it did not, or has left */
    uint64_t farewell_ns;            /* the longest */
    unsigned ended;                  /* calls, when the first process left */
};

struct performance {
    struct house *house;
    const struct awkward *awkward;
    char application[64];
    struct task_id task;
    struct run watched, alone;
    long calls; /* -1: it did not say */
};

static void start(struct performance *performance, struct run *run, const char *further)
{
    char server[64], application[96], mode[64], log[300];
    const char *wanted_log = getenv("STAKEOUT_LOG"); /* of who looks into a failure */
    /* The search for leaks reads /proc, which one host has not; ThreadSanitizer rests a second when
     * a process ends that has threads. */
    const char *variables[] = { server,
                                application,
                                mode,
                                log,
                                further,
                                "ASAN_OPTIONS=detect_leaks=0",
                                "TSAN_OPTIONS=atexit_sleep_ms=0",
                                NULL };

    snprintf(server, sizeof server, "STAKEOUT_SERVER=http://127.0.0.1:%u",
             (unsigned)performance->house->scheduler.port);
    snprintf(application, sizeof application, "STAKEOUT_APPLICATION=%s", performance->application);
    snprintf(mode, sizeof mode, "HOST_MODE=%s",
             performance->awkward->mode ? performance->awkward->mode : "");
    snprintf(log, sizeof log, "STAKEOUT_LOG=%s", wanted_log ? wanted_log : "");
    *run = (struct run){ .said = BUF_INIT(SAID_SIZE_MAX) };
    run->host = host_process_start(performance->awkward->program, variables);
}

static bool is_armed_or_over(void *context)
{
    struct performance *performance = context;

    return house_armed_count(performance->house, &performance->task) > 0 ||
           host_process_has_word(performance->watched.host);
}

static void hear_left(struct run *run, int who, uint64_t at_ns)
{
    uint64_t took_ns = at_ns - run->leaves_ns[who];

    if (run->leaves_ns[who] != 0 && took_ns > run->farewell_ns) run->farewell_ns = took_ns;
    run->leaves_ns[who] = 0;
}

/* What act_leave() and act_left() say is of time, and not compared. */
static bool is_of_farewell(struct run *run, const char *line)
{
    uint64_t at_ns;
    unsigned ended;
    int who;

    if (sscanf(line, "leaves %d %" SCNu64 " %u", &who, &at_ns, &ended) == 3) {
        assert_in_range(who, 0, ACT_LEAVERS - 1);
        run->leaves_ns[who] = at_ns;
        if (who == 0) run->ended = ended;
        return true;
    }
    if (sscanf(line, "left %d %" SCNu64, &who, &at_ns) != 2) return false;
    assert_in_range(who, 0, ACT_LEAVERS - 1);
    hear_left(run, who, at_ns);
    return true;
}

/* Everything it says, until it ends. */
static void hear_out(struct run *run)
{
    for (;;) {
        const char *line = host_process_hear_within(run->host, HUNG_MS);

        if (!line) {
            host_process_kill(run->host);
            fail_msg("the host hangs; it said:\n%s", buf_peek(&run->said).data);
        }
        if (!*line) break;
        if (!is_of_farewell(run, line)) buf_printf(&run->said, "%s\n", line);
    }
    hear_left(run, 0, clock_monotonic_ns());
    run->status = host_process_end(run->host);
}

static void run_both(struct performance *performance)
{
    start(performance, &performance->alone, "STAKEOUT=off");
    start(performance, &performance->watched, "STAKEOUT_STATISTICS=on");
    host_process_tell(performance->alone.host, "go");
    if (!performance->awkward->is_unwatched &&
        !wait_until(is_armed_or_over, performance, ARMED_MS)) {
        host_process_kill(performance->watched.host);
        host_process_kill(performance->alone.host);
        fail_msg("it is not watched");
    }
    host_process_tell(performance->watched.host, "go");
    hear_out(&performance->watched);
    hear_out(&performance->alone);
}

static void check_results(struct performance *performance)
{
    const struct run *watched = &performance->watched, *alone = &performance->alone;
    const char *said = buf_peek(&watched->said).data, *said_alone = buf_peek(&alone->said).data;
    const char *calls = strstr(said, "calls ");

    if (watched->status == SKIPPED) {
        print_message("  %s", said);
        buf_done(&performance->watched.said);
        buf_done(&performance->alone.said);
        skip();
    }
    if (strcmp(said, said_alone) != 0)
        fail_msg("watched, it said:\n%salone:\n%s", said, said_alone);
    if (watched->status != alone->status || watched->status != performance->awkward->status)
        fail_msg("watched, it ended with %d; alone, with %d", watched->status, alone->status);
    performance->calls = calls ? strtol(calls + strlen("calls "), NULL, 10) : -1;
}

/* ---- what the scheduler has of it ---- */

static int64_t ledger(const struct performance *performance, const char *figure)
{
    return house_ledger_sum(performance->house, &performance->task, figure);
}

static bool is_told(void *context)
{
    struct performance *performance = context;
    const struct awkward *awkward = performance->awkward;
    int64_t seen_min = performance->calls;

    if (awkward->has_uncounted)
        seen_min = awkward->tells_all_ended ? performance->watched.ended : 0;

    return ledger(performance, "pending") == 0 && ledger(performance, "seen") >= seen_min;
}

/* A farewell ends when its second is over, whatever is left to say: the rest is lost. It was over
 * for one that took as long, as happens where others have the processors. */
static bool farewell_was_cut(const struct performance *performance)
{
    return performance->watched.farewell_ns >= ms_to_ns(FAREWELL_MS);
}

static int count_instances(const struct performance *performance)
{
    json_t *all = house_get(performance->house, "/api/v1/tasks/%s/ledger", performance->task.text);
    json_t *instance;
    int count = 0;
    size_t i;

    json_array_foreach(json_object_get(all, "instances"), i, instance)
    {
        count += json_integer_value(json_object_get(instance, "seen")) > 0;
    }
    json_decref(all);
    return count;
}

static void dump_ledger(const struct performance *performance)
{
    json_t *all = house_get(performance->house, "/api/v1/tasks/%s/ledger", performance->task.text);

    json_dumpf(all, stdout, JSON_INDENT(1));
    json_decref(all);
}

/* Whether all was told. Fails if it was not, and had the time. */
static bool await_told(struct performance *performance)
{
    bool was_cut = farewell_was_cut(performance);

    if (wait_until(is_told, performance, was_cut ? 0 : SETTLED_MS)) return true;
    if (!was_cut) {
        dump_ledger(performance);
        fail_msg("of %ld calls, %ld are seen, and %ld pend", performance->calls,
                 (long)ledger(performance, "seen"), (long)ledger(performance, "pending"));
    }
    print_message("  its farewell was cut: it took %llu ms\n",
                  (unsigned long long)ns_to_ms(performance->watched.farewell_ns));
    return false;
}

/* Returns whether all was told. */
static bool check_ledger(struct performance *performance)
{
    const struct awkward *awkward = performance->awkward;
    int64_t samples, samples_min = awkward->samples_min / SAMPLES_SHARE;
    bool is_told_of;

    if (awkward->is_unwatched) {
        assert_int_equal(count_instances(performance), 0);
        return true;
    }
    if (awkward->is_cut_off) {
        is_told_of = !awkward->tells_before_end || ledger(performance, "seen") > 0;
    } else {
        is_told_of = await_told(performance) && !farewell_was_cut(performance);
    }
    house_assert_ledger_adds_up(performance->house, &performance->task);
    samples = (int64_t)house_samples_count(performance->house, &performance->task);
    assert_in_range(ledger(performance, "sampled"), 0,
                    samples); /* none is said to be there, and is not */
    if (awkward->is_cut_off || !is_told_of) return is_told_of;
    if (ledger(performance, "sampled") != samples) dump_ledger(performance);
    assert_int_equal(ledger(performance, "sampled"), samples);
    if (!awkward->has_uncounted) assert_int_equal(ledger(performance, "seen"), performance->calls);
    if (!awkward->without_samples && samples < (samples_min > 0 ? samples_min : 1)) {
        dump_ledger(performance);
        fail_msg("only %ld samples", (long)samples);
    }
    assert_in_range(count_instances(performance),
                    awkward->instances_min ? awkward->instances_min : 1, 1000);
    return true;
}

/* ---- its samples ---- */

static bool has_function(const json_t *sample, const char *name)
{
    const json_t *raw = json_object_get(sample, "raw");
    json_t *frame;
    size_t i;

    json_array_foreach(json_object_get(raw, "frames"), i, frame)
    {
        const char *function = json_string_value(json_object_get(frame, "function"));

        if (function && strncmp(function, name, strlen(name)) == 0) return true;
    }
    return false;
}

/* Returns whether it lacks something, and says itself that it does not know all of its stacks. */
static bool check_sample(const struct performance *performance, const json_t *sample)
{
    json_int_t code = json_integer_value(json_object_get(sample, "response_code"));
    bool is_cut = has_function(sample, "(stack cut here)");

    if (performance->awkward->is_cut) assert_true(is_cut);
    for (int i = 0; i < AWKWARD_FUNCTIONS_MAX && performance->awkward->functions[i]; i++) {
        const char *function = performance->awkward->functions[i];
        bool is_its = code == FIRST_CODE + i;

        if (code < FIRST_CODE || has_function(sample, function) == is_its) continue;
        if (is_its && is_cut) return true;
        json_dumpf(sample, stdout, JSON_INDENT(1));
        fflush(stdout);
        fail_msg("%s() is %s in the sample of a call that ended with %lld", function,
                 is_its ? "missing" : "found", code);
    }
    return is_cut && performance->awkward->is_whole;
}

static void check_samples(const struct performance *performance)
{
    json_t *list = house_get(performance->house, "/api/v1/tasks/%s/samples?limit=1000",
                             performance->task.text);
    size_t i, cut_count = 0;
    json_t *row;

    json_array_foreach(json_object_get(list, "samples"), i, row)
    {
        json_t *sample = house_get(performance->house, "/api/v1/samples/%s",
                                   json_string_value(json_object_get(row, "id")));

        cut_count += check_sample(performance, sample);
        json_decref(sample);
    }
    assert_in_range(cut_count, 0, json_array_size(json_object_get(list, "samples")) / 4 + 1);
    json_decref(list);
}

/* Returns whether all was told. */
static bool perform(struct house *house, const struct awkward *awkward, int run)
{
    struct performance performance = { .house = house, .awkward = awkward };
    struct order order = { .application = performance.application,
                           .interface = "slow",
                           .threshold_ms = 50,
                           .frequency_ms = 5,
                           .sample_cap = CAP };
    bool is_told_of;

    snprintf(performance.application, sizeof performance.application, "%s-%d", awkward->name, run);
    house_order(house, &order, &performance.task);
    run_both(&performance);
    check_results(&performance);
    is_told_of = check_ledger(&performance);
    if (STACKS_ARE_TRUE) check_samples(&performance);
    print_message("  %s: %ld calls, %lld samples, %lld snapshots, %lld dropped; farewell %llu ms\n",
                  performance.application, performance.calls,
                  (long long)ledger(&performance, "sampled"),
                  (long long)ledger(&performance, "snapshots"),
                  (long long)ledger(&performance, "snapshot_drops"),
                  (unsigned long long)ns_to_ms(performance.watched.farewell_ns));
    house_cancel(house, &performance.task);
    buf_done(&performance.watched.said);
    buf_done(&performance.alone.said);
    return is_told_of;
}

/* What is never told is not late for others' sake. */
void performance_check(struct house *house, const struct awkward *awkward)
{
    int told = 0, runs = awkward->runs ? awkward->runs : 1;

    for (int run = 0; told < runs; run++) {
        if (run == runs + UNTOLD_MAX)
            fail_msg("it does not end, or the scheduler does not hear of its calls, in time");
        told += perform(house, awkward, run);
    }
}
