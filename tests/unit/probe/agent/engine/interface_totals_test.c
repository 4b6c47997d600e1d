/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics are those of this process, and never reset: each test has interfaces of its own,
 * and its own totals, which begin with what is there. */
#include "probe/agent/engine/interface_totals.h"

#include "probe/hot/registry.h"
#include "probe/hot/ticks.h"
#include "tests/support/test.h"

#include <string.h>

struct wanted {
    struct text name;
    struct interface_statistics found;
    unsigned times;
};

static void take(void *context, const struct interface_statistics *statistics)
{
    struct wanted *wanted = context;

    if (!text_is_equal(statistics->name, wanted->name)) return;
    wanted->found = *statistics;
    wanted->times++;
}

/* What the totals have of an interface; a count of 0 if they do not have it. */
static struct histogram read_total(const struct interface_totals *totals, const char *name)
{
    struct wanted wanted = { .name = text_of(name) };

    interface_totals_each(totals, take, &wanted);
    assert_true(wanted.times <= 1);
    return wanted.found.histogram;
}

static void count_calls(uint32_t id, uint64_t each_ns, unsigned count)
{
    struct slot *slot = slot_acquire();

    for (unsigned i = 0; i < count; i++) {
        statistics_count(slot, id, ticks_from_ns(each_ns), CALL_BELOW);
    }
}

static struct interface_totals totals; /* 32 KB */

static int empty(void **state)
{
    (void)state;
    interface_totals_done(&totals);
    return 0;
}

static void readings_add_up_and_none_counts_twice(void **state)
{
    uint32_t id = registry_add(TEXT("totals: readings"));
    unsigned bucket = histogram_bucket(5 * NS_PER_MS - 1);

    (void)state;
    interface_totals_refresh(&totals);
    assert_int_equal(read_total(&totals, "totals: readings").count, 0);
    for (unsigned round = 1; round <= 3; round++) {
        count_calls(id, 5 * NS_PER_MS, 10);
        assert_int_equal(read_total(&totals, "totals: readings").count, 10 * (round - 1));
        interface_totals_refresh(&totals);
        interface_totals_refresh(&totals); /* nothing moved since */
        assert_int_equal(read_total(&totals, "totals: readings").count, 10 * round);
        assert_int_equal(read_total(&totals, "totals: readings").buckets[bucket], 10 * round);
    }
}

/* A thread's own block, and the shared one of whoever has no slot. */
static void blocks_of_one_interface_are_added_up(void **state)
{
    uint32_t id = registry_add(TEXT("totals: blocks")), other;

    (void)state;
    other = registry_add(TEXT("totals: another"));
    count_calls(id, NS_PER_MS, 3);
    count_calls(other, NS_PER_MS, 50);
    for (int i = 0; i < 4; i++) {
        statistics_count(NULL, id, ticks_from_ns(2 * NS_PER_MS), CALL_BELOW);
    }
    interface_totals_refresh(&totals);
    assert_int_equal(read_total(&totals, "totals: blocks").count, 7);
    assert_int_equal(read_total(&totals, "totals: another").count, 50);
}

/* The hot path's buckets run over after 2^32 calls; the total goes on. */
static void buckets_that_run_over_lose_nothing(void **state)
{
    uint32_t id = registry_add(TEXT("totals: over")), before = UINT32_MAX - 4;
    unsigned bucket = histogram_bucket(NS_PER_MS - 1);
    struct block *block = &hot.blocks[id]; /* shared: its index is the interface's id */

    (void)state;
    statistics_count(NULL, id, ticks_from_ns(NS_PER_MS), CALL_BELOW);
    atomic_store(&block->buckets[bucket], before);
    interface_totals_refresh(&totals);
    assert_int_equal(read_total(&totals, "totals: over").count, before);
    for (int i = 0; i < 10; i++) {
        statistics_count(NULL, id, ticks_from_ns(NS_PER_MS), CALL_BELOW);
    }
    assert_true(atomic_load(&block->buckets[bucket]) < 10);
    interface_totals_refresh(&totals);
    assert_true(read_total(&totals, "totals: over").count == (uint64_t)before + 10);
}

static void a_maximum_lasts_until_it_was_acknowledged(void **state)
{
    uint32_t id = registry_add(TEXT("totals: maximum"));

    (void)state;
    count_calls(id, 80 * NS_PER_MS, 1);
    interface_totals_refresh(&totals);
    count_calls(id, 3 * NS_PER_MS, 1);
    interface_totals_refresh(&totals); /* the pulse with the first reading did not arrive */
    assert_in_range(read_total(&totals, "totals: maximum").max_ns, 79 * NS_PER_MS, 80 * NS_PER_MS);
    interface_totals_acknowledged(&totals);
    assert_int_equal(read_total(&totals, "totals: maximum").max_ns, 0);
    assert_int_equal(read_total(&totals, "totals: maximum").count, 2); /* counts are for ever */
    count_calls(id, 7 * NS_PER_MS, 1);
    interface_totals_refresh(&totals);
    assert_in_range(read_total(&totals, "totals: maximum").max_ns, 6 * NS_PER_MS, 7 * NS_PER_MS);
}

static int open_memory(void **state)
{
    (void)state;
    return memory_open(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(readings_add_up_and_none_counts_twice, empty),
        cmocka_unit_test_teardown(blocks_of_one_interface_are_added_up, empty),
        cmocka_unit_test_teardown(buckets_that_run_over_lose_nothing, empty),
        cmocka_unit_test_teardown(a_maximum_lasts_until_it_was_acknowledged, empty),
    };

    return cmocka_run_group_tests(tests, open_memory, NULL);
}
