/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "tests/unit/scheduler/live/census_scene.h"

static void an_instance_is_gone_after_45_seconds_of_silence_and_told_once(void **state)
{
    size_t gone = 0;

    (void)state;
    assert_true(poll_as(1, 0));
    assert_false(poll_as(1, 0));
    now_ns += 45 * NS_PER_S;
    census_sweep(census, now_ns, on_gone, &gone);
    assert_int_equal(gone, 0);
    now_ns += NS_PER_S;
    census_sweep(census, now_ns, on_gone, &gone);
    census_sweep(census, now_ns, on_gone, &gone);
    assert_int_equal(gone, 1);
    assert_true(census_instance_find(census, TEXT("shop"), 1)->is_gone);
    assert_true(poll_as(1, 0)); /* it was only late */
    assert_false(census_instance_find(census, TEXT("shop"), 1)->is_gone);
}

static void the_clocks_offset_is_measured_at_each_poll(void **state)
{
    (void)state;
    poll_as(1, -3600 * (int64_t)NS_PER_S);
    assert_int_equal(census_instance_find(census, TEXT("shop"), 1)->clock_offset_ns,
                     -3600 * (int64_t)NS_PER_S);
    poll_as(1, 5 * (int64_t)NS_PER_MS);
    assert_int_equal(census_instance_find(census, TEXT("shop"), 1)->clock_offset_ns,
                     5 * (int64_t)NS_PER_MS);
}

static void an_instance_of_another_protocol_is_shown_as_refused(void **state)
{
    (void)state;
    census_refused(census, TEXT("shop"), TEXT("host:9"), 9, 7, now_ns);
    assert_true(census_instance_find(census, TEXT("shop"), 9)->is_refused);
    assert_int_equal(census_instance_find(census, TEXT("shop"), 9)->protocol, 7);
}

static void a_version_is_delivered_once(void **state)
{
    (void)state;
    poll_as(1, 0);
    assert_true(census_delivered(census, TEXT("shop"), 1, 11));
    assert_false(census_delivered(census, TEXT("shop"), 1, 11));
    assert_true(census_delivered(census, TEXT("shop"), 1, 12));
    assert_false(census_delivered(census, TEXT("shop"), 2, 12)); /* nobody knows it */
}

static void beyond_the_bound_the_longest_gone_instance_makes_room(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= INSTANCES_KNOWN_MAX; i++) {
        assert_true(poll_as(i, 0));
    }
    assert_false(poll_as(INSTANCES_KNOWN_MAX + 1, 0)); /* all live */
    assert_null(census_instance_find(census, TEXT("shop"), INSTANCES_KNOWN_MAX + 1));
    now_ns += 46 * NS_PER_S;
    poll_as(1, 0);
    census_sweep(census, now_ns, NULL, NULL);
    assert_true(poll_as(INSTANCES_KNOWN_MAX + 1, 0));
    assert_non_null(census_instance_find(census, TEXT("shop"), 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_CENSUS(an_instance_is_gone_after_45_seconds_of_silence_and_told_once),
        IN_CENSUS(the_clocks_offset_is_measured_at_each_poll),
        IN_CENSUS(an_instance_of_another_protocol_is_shown_as_refused),
        IN_CENSUS(a_version_is_delivered_once),
        IN_CENSUS(beyond_the_bound_the_longest_gone_instance_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
