/* SPDX-License-Identifier: Apache-2.0 */
/* kills_test.c [KILLS]: kill -9 of Redis, of the scheduler and of both, ten times each, under load.
 *
 * Two hosts fill tasks of cap 100, one after the other; four fill small ones; and reporters of
 * the test itself send samples to a task of their own, each again and again until it is answered.
 * Then: nothing that was acknowledged is lost, nothing is there twice, every cap is exact.
 *
 * Who acknowledged what is known from two sides. The reporters saw the answers. Of the hosts, the
 * ledger says how many of their samples they were told to be taken (`sampled`), which must be as
 * many as are there: less would be a sample that nobody was told of, more one that is lost.
 *
 * That tasks end on time is shown by itself: the least duration is five minutes, so the end is
 * moved near, in Redis, and what is killed is dead while it passes. */
#include "common/base/check.h"
#include "tests/integration/system/ends.h"
#include "tests/integration/system/house.h"
#include "tests/integration/system/reporters.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KILLS = 10, /* of each part, where the command line says nothing */
    CAP = 100,
    TASKS_MAX = 1024,
    PROGRESS_MS = 30000,
    SETTLED_MS = 60000,
};

static struct house house;
static unsigned kills = KILLS;

static struct reporters reporters;

/* The hosts: tasks of one kind, one after the other ------------------------------------------ */

struct sequence {
    struct order order;
    struct task_id tasks[TASKS_MAX];
    size_t count, filled; /* the one behind the filled ones is under way */
};

static struct sequence sequences[] = {
    { .order = { .application = "shop", .interface = "GET /slow", .sample_cap = CAP } },
    { .order = { .application = "small", .interface = "GET /small", .sample_cap = 3 } },
};

static const struct {
    const char *application, *instance, *load;
} loads[] = {
    { "shop", "shop-1", "run 3 400 GET /slow" },    { "shop", "shop-2", "run 3 400 GET /slow" },
    { "small", "small-1", "run 1 200 GET /small" }, { "small", "small-2", "run 1 200 GET /small" },
    { "small", "small-3", "run 1 200 GET /small" }, { "small", "small-4", "run 1 200 GET /small" },
};

static struct host_process *hosts[ARRAY_COUNT(loads)];

static void hosts_start(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
        hosts[i] = house_host(&house, loads[i].application, loads[i].instance);
        assert_string_equal(host_process_ask(hosts[i], loads[i].load), "running");
    }
}

static void hosts_stop(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
        host_process_tell(hosts[i], "stop");
    }
    for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
        assert_true(strncmp(host_process_hear(hosts[i]), "calls=", 6) == 0);
        assert_int_equal(host_process_end(hosts[i]), 0);
    }
}

static bool is_filled(const struct task_id *task)
{
    json_t *json = house_get(&house, "/api/v1/tasks/%s", task->text);
    const char *state = json_string_value(json_object_get(json, "state"));
    bool filled = state && strcmp(state, "FILLED") == 0;

    json_decref(json);
    return filled;
}

/* Orders the next task as soon as the one under way is full. While nothing is killed. */
static void sequence_move(struct sequence *sequence)
{
    if (sequence->filled < sequence->count && !is_filled(&sequence->tasks[sequence->filled]))
        return;
    sequence->filled = sequence->count;
    CHECK(sequence->count < TASKS_MAX);
    house_order(&house, &sequence->order, &sequence->tasks[sequence->count++]);
}

/* The storm ---------------------------------------------------------------------------------- */

struct advance {
    size_t small_filled; /* how many small tasks must be full by now */
};

/* The load has come on since the last kill. */
static bool has_come_on(void *context)
{
    const struct advance *advance = context;

    for (size_t i = 0; i < ARRAY_COUNT(sequences); i++) {
        sequence_move(&sequences[i]);
    }
    return reporters_have_come_on(&reporters) && sequences[1].filled >= advance->small_filled;
}

static void kill_all_parts_in_turn(void)
{
    unsigned all = kills * HOUSE_PART_COUNT;

    for (unsigned kill = 0; kill < all; kill++) {
        /* A host that was told to come back later may rest for seconds: it is waited for once in
         * a round of parts, so that it, too, works between kills. */
        bool is_round = kill % HOUSE_PART_COUNT == 0;
        struct advance advance = { sequences[1].filled + is_round };

        reporters_allow(&reporters, (kill + 1) * CAP / (all + 1));
        if (!wait_until(has_come_on, &advance, PROGRESS_MS))
            fail_msg("kill %u: the load does not come on", kill);
        reporters_allow(&reporters, (kill + 1) * CAP / (all + 1) + 1); /* one is under way */
        house_kill(&house, (enum house_part)(kill % HOUSE_PART_COUNT));
        house_recover(&house);
    }
}

/* Those under way become full, too. */
static bool are_all_filled(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_COUNT(sequences); i++) {
        struct sequence *sequence = &sequences[i];

        if (sequence->filled < sequence->count && !is_filled(&sequence->tasks[sequence->filled]))
            return false;
        sequence->filled = sequence->count;
    }
    return reporters_are_refused(&reporters);
}

static bool is_settled(void *context)
{
    const struct task_id *task = context;

    house_assert_ledger_adds_up(&house, task);
    return house_ledger_sum(&house, task, "pending") == 0;
}

/* What the hosts were told to be taken is what is there, and is the cap. */
static void assert_exact(struct sequence *sequence)
{
    int64_t cap = sequence->order.sample_cap;

    for (size_t i = 0; i < sequence->count; i++) {
        struct task_id *task = &sequence->tasks[i];

        if (!wait_until(is_settled, task, SETTLED_MS)) fail_msg("calls of %s pend", task->text);
        assert_int_equal(house_ledger_sum(&house, task, "sampled"), cap);
        assert_int_equal(house_samples_count(&house, task), cap);
    }
}

static void what_was_acknowledged_survives_kills_once_and_within_the_cap(void **state)
{
    (void)state;
    house_open(&house);
    reporters_start(&reporters, &house, "reports");
    hosts_start();
    kill_all_parts_in_turn();
    reporters_allow(&reporters, REPORTERS_ALL);
    if (!wait_until(are_all_filled, NULL, PROGRESS_MS)) fail_msg("not all tasks became full");
    reporters_stop(&reporters);
    hosts_stop();

    reporters_assert_nothing_was_lost(&reporters);
    for (size_t i = 0; i < ARRAY_COUNT(sequences); i++) {
        assert_exact(&sequences[i]);
    }
    printf("%u kills: of Redis, of the scheduler and of both, %u each\n", kills * HOUSE_PART_COUNT,
           kills);
    printf("%d reports acknowledged to the test: 0 lost, 0 twice; sent again %u times\n",
           REPORTERS_CAP, reporters.again_count);
    printf("hosts filled %zu tasks of cap %d and %zu of cap %" PRId64 ": each to its cap, and told "
           "so\n",
           sequences[0].count, CAP, sequences[1].count, (int64_t)sequences[1].order.sample_cap);
    house_close(&house);
}

/* Ends --------------------------------------------------------------------------------------- */

/* The end passes while `part` is dead, or, of Redis alone, just after its death. */
static void ends_on_time_without(enum house_part part)
{
    struct task_id task;
    uint64_t ends_ms = ends_order(&house, &task);

    ends_await(ends_ms - 100);
    house_kill(&house, part);
    if (part != HOUSE_REDIS) ends_await(ends_ms + ENDS_LATE_MS_MAX);
    house_recover(&house);
    printf("the instance stopped %+" PRId64 " ms from the end\n",
           ends_assert_on_time(&house, &task, ends_ms));
}

static void tasks_end_on_time_while_everything_is_killed(void **state)
{
    struct host_process *host;

    (void)state;
    house_open(&house);
    host = house_host(&house, "shop", "host-1");
    assert_string_equal(host_process_ask(host, "run 2 20 GET /fast"), "running");
    for (int part = 0; part < HOUSE_PART_COUNT; part++) {
        ends_on_time_without((enum house_part)part);
    }
    host_process_ask(host, "stop");
    assert_int_equal(host_process_end(host), 0);
    house_close(&house);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_kills_once_and_within_the_cap),
        cmocka_unit_test(tasks_end_on_time_while_everything_is_killed),
    };

    if (argc > 1) kills = (unsigned)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
