/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "scheduler/intake/drop_counts.h"
#include "scheduler/metrics/metrics.h"

#include <stdio.h>

static struct metrics *metrics;
static struct drop_counts *counts;

static int open_counts(void **state)
{
    (void)state;
    metrics = metrics_new();
    counts = drop_counts_new(metrics);
    return 0;
}

static int close_counts(void **state)
{
    (void)state;
    drop_counts_free(counts);
    metrics_free(metrics);
    return 0;
}

static void say(uint64_t incarnation, uint64_t drops, uint64_t armed_ns, uint64_t known_for_ns)
{
    struct task_ledger ledger = { .task = { "0123456789abcdef0123" },
                                  .incarnation = incarnation,
                                  .counts = { .armed_ns = armed_ns } };

    ledger.counts.drops[CALL_DROP_QUEUE_FULL] = drops;
    ledger.counts.snapshot_drops[SNAPSHOT_DROP_MOVED] = 2 * drops;
    drop_counts_take(counts, &ledger, known_for_ns);
}

static uint64_t counted(void)
{
    return (uint64_t)metrics_value(metrics, METRIC_CALL_DROPS, "queue-full", NULL);
}

static void what_was_added_is_counted_once(void **state)
{
    (void)state;
    say(1, 3, NS_PER_S, 10 * NS_PER_S);
    say(1, 3, NS_PER_S, 10 * NS_PER_S);
    say(1, 5, 2 * NS_PER_S, 11 * NS_PER_S);
    say(1, 4, NS_PER_S, 11 * NS_PER_S); /* overtaken */
    say(1, 6, 3 * NS_PER_S, 12 * NS_PER_S);
    assert_int_equal(counted(), 6);
    assert_true(metrics_value(metrics, METRIC_SNAPSHOT_DROPS, "moved", NULL) == 12);
}

static void instances_add_up(void **state)
{
    (void)state;
    say(1, 3, 0, NS_PER_S);
    say(2, 4, 0, NS_PER_S);
    assert_int_equal(counted(), 7);
}

static void a_past_that_we_did_not_see_is_not_counted(void **state)
{
    (void)state;
    say(1, 1000, 60 * NS_PER_S, NS_PER_S);
    assert_int_equal(counted(), 0);
    say(1, 1002, 61 * NS_PER_S, 2 * NS_PER_S);
    assert_int_equal(counted(), 2);
}

static void beyond_the_bound_the_one_not_heard_of_for_longest_goes(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < DROP_LEDGERS_MAX; i++) {
        say(i, 1, 0, NS_PER_S);
    }
    say(0, 1, 0, NS_PER_S);                /* heard of again: 1 is the oldest now */
    say(DROP_LEDGERS_MAX, 1, 0, NS_PER_S); /* takes its place */
    assert_int_equal(counted(), DROP_LEDGERS_MAX + 1);
    say(0, 1, 0, NS_PER_S);
    assert_int_equal(counted(), DROP_LEDGERS_MAX + 1);
    say(1, 1, 2 * NS_PER_S, NS_PER_S); /* forgotten: its past is not counted again */
    assert_int_equal(counted(), DROP_LEDGERS_MAX + 1);
}

int main(void)
{
#define WITH_COUNTS(test) cmocka_unit_test_setup_teardown(test, open_counts, close_counts)
    const struct CMUnitTest tests[] = {
        WITH_COUNTS(what_was_added_is_counted_once),
        WITH_COUNTS(instances_add_up),
        WITH_COUNTS(a_past_that_we_did_not_see_is_not_counted),
        WITH_COUNTS(beyond_the_bound_the_one_not_heard_of_for_longest_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
