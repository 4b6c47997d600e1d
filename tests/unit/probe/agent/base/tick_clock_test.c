/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/base/tick_clock.h"

#include "tests/support/test.h"

#include <string.h>

static int open_memory(void **state)
{
    (void)state;
    return memory_open(true);
}

static void a_moment_is_placed_between_its_neighbours(void **state)
{
    struct tick_clock clock = { .count = 3,
                                .pairs = { { 1000, 50000 }, { 2000, 51000 }, { 3000, 53000 } } };

    (void)state;
    assert_int_equal(tick_clock_ns(&clock, 1500), 50500);
    assert_int_equal(tick_clock_ns(&clock, 2500), 52000); /* the clock was slewed there */
    assert_int_equal(tick_clock_ns(&clock, 2000), 51000);
    assert_int_equal(tick_clock_ns(&clock, 4000), 53000 + ticks_to_ns(1000));
    assert_int_equal(tick_clock_ns(&clock, 500), 50000 - ticks_to_ns(500));
}

static void a_full_ring_forgets_the_oldest(void **state)
{
    static struct tick_clock clock;

    (void)state;
    for (uint32_t i = 0; i < 2 * TICK_PAIRS; i++) {
        clock.pairs[clock.count++ % TICK_PAIRS] = (struct tick_pair){ 1000 * i, 7000 * i };
    }
    assert_int_equal(tick_clock_ns(&clock, 1000 * TICK_PAIRS + 500), 7000 * TICK_PAIRS + 3500);
    assert_int_equal(tick_clock_ns(&clock, 1000 * TICK_PAIRS - 100),
                     7000 * TICK_PAIRS - ticks_to_ns(100));
}

static void now_is_now(void **state)
{
    struct tick_clock clock = { .count = 0 };
    uint64_t before, at, after;

    (void)state;
    tick_clock_update(&clock);
    before = clock_monotonic_ns();
    at = tick_clock_ns(&clock, ticks_now());
    after = clock_monotonic_ns();
    assert_in_range(at, before - 20 * NS_PER_US, after + 20 * NS_PER_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_placed_between_its_neighbours),
        cmocka_unit_test(a_full_ring_forgets_the_oldest),
        cmocka_unit_test(now_is_now),
    };

    return cmocka_run_group_tests(tests, open_memory, NULL);
}
