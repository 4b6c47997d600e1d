/* SPDX-License-Identifier: Apache-2.0 */
/* ring_test.c: the sparse ring against the plainest truth: an array of histograms per turn. */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "scheduler/live/ring.h"

#include <stdlib.h>
#include <string.h>

enum { TURNS = 400 };

static uint64_t at(uint64_t turn)
{
    return turn * RING_TURN_S * NS_PER_S + 1;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void sums_are_those_of_a_plain_array(void **state)
{
    static struct histogram truth[TURNS];
    struct ring ring = { 0 };
    size_t size = 0;
    uint32_t random = 7;

    (void)state;
    memset(truth, 0, sizeof truth);
    for (uint64_t turn = 100; turn < TURNS; turn++) {
        for (uint32_t n = next_random(&random) % 20; n > 0; n--) {
            uint32_t bucket = next_random(&random) % HISTOGRAM_BUCKETS;
            uint64_t count = next_random(&random) % 1000;

            ring_add(&ring, at(turn), bucket, count, &size);
            truth[turn].buckets[bucket] += count;
            truth[turn].count += count;
        }
        for (uint32_t seconds = 60; seconds <= 900; seconds += 420) {
            struct histogram sum, expected = { 0 };

            ring_sum(&ring, at(turn), seconds, &sum);
            for (uint64_t t = turn - seconds / RING_TURN_S; t <= turn; t++) {
                histogram_add(&expected, &truth[t]);
            }
            assert_memory_equal(&sum, &expected, sizeof sum);
        }
    }
    ring_done(&ring, &size);
    assert_int_equal(size, 0);
}

static void the_longest_time_leaves_with_its_turn(void **state)
{
    struct ring ring = { 0 };
    struct histogram sum;
    size_t size = 0;

    (void)state;
    ring_max(&ring, at(100), 5000, &size);
    ring_max(&ring, at(100), 4000, &size);
    ring_max(&ring, at(103), 3000, &size);
    ring_sum(&ring, at(106), 60, &sum);
    assert_int_equal(sum.max_ns, 5000);
    ring_sum(&ring, at(107), 60, &sum);
    assert_int_equal(sum.max_ns, 3000);
    ring_done(&ring, &size);
}

static void a_bucket_holds_more_than_an_entry_does(void **state)
{
    struct ring ring = { 0 };
    struct histogram sum;
    size_t size = 0;
    uint64_t many = UINT64_C(100) * 1000 * 1000;

    (void)state;
    ring_add(&ring, at(1), 5, many, &size);
    ring_add(&ring, at(1), 5, many, &size);
    ring_sum(&ring, at(1), 60, &sum);
    assert_int_equal(sum.buckets[5], 2 * many);
    assert_int_equal(sum.count, 2 * many);
    ring_done(&ring, &size);
    assert_int_equal(size, 0);
}

static void what_is_old_is_freed(void **state)
{
    struct ring ring = { 0 };
    size_t size = 0, full;

    (void)state;
    for (uint64_t turn = 0; turn < 91; turn++) {
        ring_add(&ring, at(turn), 1, 1, &size);
    }
    full = size;
    for (uint64_t turn = 91; turn < 500; turn++) {
        ring_add(&ring, at(turn), 1, 1, &size);
        assert_true(size <= full);
    }
    ring_trim(&ring, at(500 + 91), &size);
    assert_int_equal(size, 0);
    assert_null(ring.newest);
}

static void shortening_takes_the_oldest_and_keeps_the_newest(void **state)
{
    struct ring ring = { 0 };
    struct histogram sum;
    size_t size = 0;

    (void)state;
    assert_false(ring_shorten(&ring, &size));
    for (uint64_t turn = 0; turn < 3; turn++) {
        ring_add(&ring, at(turn), (uint32_t)turn, 1, &size);
    }
    assert_true(ring_shorten(&ring, &size));
    ring_sum(&ring, at(2), 60, &sum);
    assert_int_equal(sum.buckets[0], 0);
    assert_int_equal(sum.count, 2);
    assert_true(ring_shorten(&ring, &size));
    assert_false(ring_shorten(&ring, &size));
    ring_sum(&ring, at(2), 60, &sum);
    assert_int_equal(sum.buckets[2], 1);
    ring_done(&ring, &size);
    assert_int_equal(size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_a_plain_array),
        cmocka_unit_test(the_longest_time_leaves_with_its_turn),
        cmocka_unit_test(a_bucket_holds_more_than_an_entry_does),
        cmocka_unit_test(what_is_old_is_freed),
        cmocka_unit_test(shortening_takes_the_oldest_and_keeps_the_newest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
