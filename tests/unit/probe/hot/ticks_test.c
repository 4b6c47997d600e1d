/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/ticks.h"

#include "tests/support/test.h"

static void ticks_agree_with_the_monotonic_clock(void **state)
{
    struct tick_pair from, to;
    uint64_t truth_ns, ticks_ns;

    (void)state;
    assert_int_equal(memory_open(true), 0);
    from = tick_pair_read();
    do {
        to = tick_pair_read();
    } while (to.monotonic_ns - from.monotonic_ns < 20 * NS_PER_MS);
    truth_ns = to.monotonic_ns - from.monotonic_ns;
    ticks_ns = ticks_to_ns(to.ticks - from.ticks);
    assert_in_range(ticks_ns, truth_ns - truth_ns / 500, truth_ns + truth_ns / 500);
}

static void a_duration_survives_the_way_there_and_back(void **state)
{
    (void)state;
    for (uint64_t ns = 1000; ns < 60 * NS_PER_S; ns *= 7) {
        assert_in_range(ticks_to_ns(ticks_from_ns(ns)), ns - 2 - ns / 1000000000, ns);
    }
}

static void a_thread_that_is_not_there_has_no_cpu_time(void **state)
{
    (void)state;
    assert_int_equal(thread_cpu_ns(0), 0);
    assert_int_equal(thread_cpu_ns(0x3fffff), 0);
    assert_int_not_equal(thread_cpu_ns(hot.pid), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_agree_with_the_monotonic_clock),
        cmocka_unit_test(a_duration_survives_the_way_there_and_back),
        cmocka_unit_test(a_thread_that_is_not_there_has_no_cpu_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
