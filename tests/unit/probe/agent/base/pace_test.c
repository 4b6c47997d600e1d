/* SPDX-License-Identifier: Apache-2.0 */
/* When a call is looked at next. */
#include "probe/agent/base/pace.h"

#include "tests/support/test.h"

#define MS       NS_PER_MS
#define START    (1000 * MS)
#define INTERVAL (10 * MS)

static void the_first_look_is_due_at_once_and_begins_the_grid(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    assert_true(pace_is_due(&pace, START));
    assert_int_equal(pace_looked(&pace, START, INTERVAL), 0);
    assert_false(pace_is_due(&pace, START + INTERVAL - 1));
    assert_true(pace_is_due(&pace, START + INTERVAL));
}

static void a_late_look_does_not_shift_the_grid(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    pace_looked(&pace, START, INTERVAL);
    assert_int_equal(pace_looked(&pace, START + INTERVAL + 3 * MS, INTERVAL), 0);
    assert_int_equal(pace.next_ns, START + 2 * INTERVAL);
}

static void what_was_missed_is_counted_and_not_made_up_for(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    pace_looked(&pace, START, INTERVAL);
    assert_int_equal(pace_looked(&pace, START + 4 * INTERVAL + 1, INTERVAL), 3);
    assert_int_equal(pace.next_ns, START + 5 * INTERVAL);
    assert_int_equal(pace_looked(&pace, START + 6 * INTERVAL, INTERVAL), 1);
    assert_int_equal(pace.next_ns, START + 7 * INTERVAL);
}

static void a_look_that_could_not_be_made_is_tried_soon(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    pace_looked(&pace, START, INTERVAL);
    pace_retry(&pace, START + INTERVAL);
    assert_int_equal(pace_looked(&pace, START + INTERVAL, INTERVAL), 0);
    assert_int_equal(pace.next_ns, START + INTERVAL + PACE_RETRY_NS);
}

static void an_interval_that_doubled_counts_from_there(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    pace_looked(&pace, START, INTERVAL);
    pace_looked(&pace, START + INTERVAL, 2 * INTERVAL);
    assert_int_equal(pace.next_ns, START + 3 * INTERVAL);
}

static void a_look_that_was_put_off_begins_the_grid_anew_and_misses_nothing(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    pace_looked(&pace, START, INTERVAL);
    pace_put_off(&pace, START + 7 * INTERVAL + 3);
    assert_false(pace_is_due(&pace, START + 7 * INTERVAL));
    assert_true(pace.is_put_off);
    assert_int_equal(pace_looked(&pace, START + 7 * INTERVAL + 3, INTERVAL), 0);
    assert_false(pace.is_put_off);
    assert_int_equal(pace.next_ns, START + 8 * INTERVAL + 3);
}

static void calls_that_share_a_grid_are_looked_at_together(void **state)
{
    struct pace one = { .grid_ns = START }, other = { .grid_ns = START };

    (void)state;
    pace_looked(&one, START, INTERVAL);
    assert_int_equal(one.next_ns, START + INTERVAL);
    pace_looked(&other, START + 3 * MS, INTERVAL);
    assert_int_equal(other.next_ns, START + INTERVAL);
    assert_int_equal(pace_looked(&other, START + INTERVAL, INTERVAL), 0);
    assert_int_equal(other.next_ns, START + 2 * INTERVAL);
    /* Not sooner than half an interval. */
    other = (struct pace){ .grid_ns = START };
    pace_looked(&other, START + 6 * MS, INTERVAL);
    assert_int_equal(other.next_ns, START + 2 * INTERVAL);
    /* What is late, or was missed, is so as ever. */
    assert_int_equal(pace_looked(&other, START + 4 * INTERVAL + 1, INTERVAL), 2);
    assert_int_equal(other.next_ns, START + 5 * INTERVAL);
}

static void those_that_were_put_off_or_stretched_meet_again(void **state)
{
    struct pace pace = { .grid_ns = START };

    (void)state;
    pace_looked(&pace, START, INTERVAL);
    pace_put_off(&pace, START + 7 * INTERVAL + 3);
    assert_int_equal(pace_looked(&pace, START + 7 * INTERVAL + 3, INTERVAL), 0);
    assert_int_equal(pace.next_ns, START + 8 * INTERVAL);
    assert_int_equal(pace_looked(&pace, START + 8 * INTERVAL, 3 * INTERVAL), 0);
    assert_int_equal(pace.next_ns, START + 12 * INTERVAL);
    assert_int_equal(pace_looked(&pace, START + 12 * INTERVAL, 3 * INTERVAL), 0);
    assert_int_equal(pace.next_ns, START + 15 * INTERVAL);
}

static void the_cost_of_a_look_is_that_of_the_latest_ones(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    pace_looked(&pace, START, INTERVAL);
    pace.spent_ns = 1000;
    assert_int_equal(pace_cost_ns(&pace), 1000);
    pace_looked(&pace, START + INTERVAL, INTERVAL);
    pace.spent_ns = 200;
    assert_int_equal(pace_cost_ns(&pace), 1000);
    for (uint64_t i = 2; i < 40; i++) {
        pace.spent_ns = 200;
        pace_looked(&pace, START + i * INTERVAL, INTERVAL);
    }
    assert_in_range(pace_cost_ns(&pace), 200, 210);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_look_is_due_at_once_and_begins_the_grid),
        cmocka_unit_test(a_late_look_does_not_shift_the_grid),
        cmocka_unit_test(what_was_missed_is_counted_and_not_made_up_for),
        cmocka_unit_test(a_look_that_could_not_be_made_is_tried_soon),
        cmocka_unit_test(an_interval_that_doubled_counts_from_there),
        cmocka_unit_test(a_look_that_was_put_off_begins_the_grid_anew_and_misses_nothing),
        cmocka_unit_test(calls_that_share_a_grid_are_looked_at_together),
        cmocka_unit_test(those_that_were_put_off_or_stretched_meet_again),
        cmocka_unit_test(the_cost_of_a_look_is_that_of_the_latest_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
