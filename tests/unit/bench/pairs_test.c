/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of the intervals are those of any table of the sign test. */
#include "tests/bench/pairs.h"

#include "common/base/check.h"
#include "tests/support/test.h"

#include <math.h>

enum { COUNT_MAX = 100 };

/* Ratios 1, 2, 3, ... in some other order. */
static void count_up(uint32_t count, struct pairs_ratio *ret)
{
    double subject[COUNT_MAX], yardstick[COUNT_MAX];

    for (uint32_t i = 0; i < count; i++) {
        yardstick[i] = 10 + i;
        subject[i] = yardstick[i] * ((i * 7 + 3) % count + 1);
    }
    pairs_of(subject, yardstick, count, ret);
}

static void the_interval_is_that_of_the_sign_test(void **state)
{
    static const struct {
        uint32_t count, low, high; /* ranks */
    } cases[] = { { 6, 1, 6 },   { 8, 1, 8 },   { 9, 2, 8 },
                  { 20, 6, 15 }, { 25, 8, 18 }, { 50, 18, 33 } };
    struct pairs_ratio ratio;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        count_up(cases[i].count, &ratio);
        assert_int_equal(lround(ratio.low), cases[i].low);
        assert_int_equal(lround(ratio.high), cases[i].high);
        assert_true(fabs(ratio.median - (cases[i].count + 1) / 2.0) < 1e-9);
    }
}

static void five_pairs_say_nothing(void **state)
{
    struct pairs_ratio ratio;

    (void)state;
    count_up(5, &ratio);
    assert_true(isinf(ratio.high));
    assert_int_equal(pairs_verdict(&ratio, 1000), PAIRS_UNDECIDED);
}

static void the_verdict_asks_for_the_whole_interval(void **state)
{
    struct pairs_ratio ratio = { .count = PAIRS_COUNT_MIN, .median = 1, .low = 0.9, .high = 1.1 };

    (void)state;
    assert_int_equal(pairs_verdict(&ratio, 1.1), PAIRS_MET);
    assert_int_equal(pairs_verdict(&ratio, 1.09), PAIRS_UNDECIDED);
    assert_int_equal(pairs_verdict(&ratio, 0.9), PAIRS_UNDECIDED);
    assert_int_equal(pairs_verdict(&ratio, 0.89), PAIRS_MISSED);
    ratio.count = PAIRS_COUNT_MIN - 1;
    assert_int_equal(pairs_verdict(&ratio, 1.1), PAIRS_UNDECIDED);
}

struct turns {
    char order[COUNT_MAX];
    int count;
};

static double note(struct turns *turns, char who)
{
    turns->order[turns->count++] = who;
    return 1;
}

static double measure_subject(void *context)
{
    return note(context, 's');
}

static double measure_yardstick(void *context)
{
    return note(context, 'y');
}

static void the_order_changes_from_pair_to_pair(void **state)
{
    struct turns turns = { 0 };
    struct pairs_ratio ratio;

    (void)state;
    pairs_run(&(struct pairs_options){ .subject = measure_subject,
                                       .yardstick = measure_yardstick,
                                       .context = &turns,
                                       .count = 4 },
              &ratio);
    assert_string_equal(turns.order, "yssyyssyys");
    assert_int_equal(ratio.count, 4);
}

static void a_quantile_is_one_of_the_values(void **state)
{
    double values[] = { 5, 1, 4, 2, 3 };

    (void)state;
    assert_int_equal(lround(pairs_quantile(values, 5, 0.5)), 3);
    assert_int_equal(lround(pairs_quantile(values, 5, 0.99)), 5);
    assert_int_equal(lround(pairs_quantile(values, 5, 0)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interval_is_that_of_the_sign_test),
        cmocka_unit_test(five_pairs_say_nothing),
        cmocka_unit_test(the_verdict_asks_for_the_whole_interval),
        cmocka_unit_test(the_order_changes_from_pair_to_pair),
        cmocka_unit_test(a_quantile_is_one_of_the_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
