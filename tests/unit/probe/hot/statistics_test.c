/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/statistics.h"

#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "tests/support/test.h"

#include <pthread.h>

struct sums {
    uint64_t count, slow, missed, buckets;
};

static struct sums sums_of(uint32_t interface_id)
{
    struct sums sums = { 0 };

    for (uint32_t i = 1; i < statistics_end(); i++) {
        struct block *block = &hot.blocks[i];

        if (statistics_interface(i) != interface_id) continue;
        sums.count += atomic_load(&block->count);
        sums.slow += atomic_load(&block->slow);
        sums.missed += atomic_load(&block->missed);
        for (int bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
            sums.buckets += atomic_load(&block->buckets[bucket]);
        }
    }
    return sums;
}

static void a_call_is_counted_by_its_class(void **state)
{
    struct slot *slot = slot_acquire();
    struct sums sums;

    (void)state;
    statistics_count(slot, 3, ticks_from_ns(5000), CALL_BELOW);
    statistics_count(slot, 3, ticks_from_ns(7000), CALL_LISTENED);
    statistics_count(slot, 3, ticks_from_ns(9000), CALL_MISSED);
    sums = sums_of(3);
    assert_int_equal(sums.count, 3);
    assert_int_equal(sums.slow, 2);
    assert_int_equal(sums.missed, 1);
    assert_int_equal(sums.buckets, 3);
}

static void a_duration_falls_into_its_bucket(void **state)
{
    struct slot *slot = slot_acquire();
    uint32_t block;

    (void)state;
    statistics_count(slot, 4, ticks_from_ns(NS_PER_MS), CALL_BELOW);
    for (block = BLOCKS_SHARED; statistics_interface(block) != 4; block++) {
    }
    assert_int_equal(atomic_load(&hot.blocks[block].buckets[histogram_bucket(NS_PER_MS - 1)]), 1);
    assert_in_range(ticks_to_ns(atomic_load(&hot.blocks[block].max_ticks)), NS_PER_MS - 1000,
                    NS_PER_MS);
}

static void *counter_main(void *context)
{
    struct slot *slot = slot_acquire();

    for (uint32_t i = 0; i < 100000; i++) {
        statistics_count(slot, 10 + i % 20, 1000, CALL_BELOW); /* more than the cache holds */
        statistics_count(NULL, 40, 1000, CALL_MISSED);         /* all in one shared block */
    }
    return context;
}

static void threads_lose_no_count(void **state)
{
    pthread_t threads[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, counter_main, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    for (uint32_t id = 10; id < 30; id++) {
        assert_int_equal(sums_of(id).count, 15000);
        assert_int_equal(sums_of(id).buckets, 15000);
    }
    assert_int_equal(sums_of(40).missed, 300000);
    assert_int_equal(sums_of(40).slow, 300000);
}

/* Last: it uses up the private blocks. */
static void without_a_private_block_the_shared_one_counts(void **state)
{
    struct slot *slot = slot_acquire();

    (void)state;
    for (uint32_t id = 1; id < INTERFACE_IDS; id++) {
        struct sums before = sums_of(id < 100 ? id : 1);

        statistics_count(slot, id, 1000, CALL_BELOW);
        statistics_count(slot, id, 1000, CALL_BELOW);
        if (id < 100) assert_int_equal(sums_of(id).count, before.count + 2);
    }
    assert_int_equal(statistics_end(), BLOCKS);
    assert_int_equal(sums_of(INTERFACE_IDS - 1).count, 2);
    assert_true(atomic_load(&hot.notes[HOT_NOTE_NO_HISTOGRAM]) > 0);
}

static int open_memory(void **state)
{
    (void)state;
    return memory_open(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_counted_by_its_class),
        cmocka_unit_test(a_duration_falls_into_its_bucket),
        cmocka_unit_test(threads_lose_no_count),
        cmocka_unit_test(without_a_private_block_the_shared_one_counts),
    };

    return cmocka_run_group_tests(tests, open_memory, NULL);
}
