/* SPDX-License-Identifier: Apache-2.0 */
#include "common/model/histogram.h"

#include "tests/support/test.h"
#include "tests/unit/common/support/random_sample.h"

#include <stdlib.h>

static void buckets_lie_side_by_side(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t begin_ns = histogram_bucket_begin_ns(i), end_ns = histogram_bucket_begin_ns(i + 1);

        assert_true(begin_ns < end_ns);
        assert_int_equal(histogram_bucket(begin_ns), i);
        assert_int_equal(histogram_bucket(end_ns - 1), i);
        if (i > 0 && i + 1 < HISTOGRAM_BUCKETS) assert_true((end_ns - begin_ns) * 4 <= begin_ns);
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_bucket_begin_ns(HISTOGRAM_BUCKETS), UINT64_MAX);
}

static void count(struct histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->buckets[histogram_bucket(ns)]++;
    if (ns > histogram->max_ns) histogram->max_ns = ns;
}

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* The slow truth: sort them and take the one. A bucket is at most 25 % wide. */
static void percentiles_are_those_of_the_sorted_list(void **state)
{
    enum { COUNT = 1000 };
    static const unsigned percents[] = { 1, 50, 90, 99, 100 };
    struct random_source source = { 8 };

    (void)state;
    for (unsigned spread = 12; spread < 36; spread += 3) {
        struct histogram histogram = { 0 };
        uint64_t durations[COUNT];

        for (uint32_t i = 0; i < COUNT; i++) {
            durations[i] = 2048 + random_below(&source, UINT64_C(1) << spread);
            count(&histogram, durations[i]);
        }
        qsort(durations, COUNT, sizeof durations[0], by_size);
        for (size_t i = 0; i < ARRAY_COUNT(percents); i++) {
            uint64_t true_ns = durations[COUNT * percents[i] / 100 - 1];
            uint64_t told_ns = histogram_percentile_ns(&histogram, percents[i]);

            assert_in_range(told_ns, true_ns - true_ns / 4, true_ns + true_ns / 4);
        }
        assert_int_equal(histogram_percentile_ns(&histogram, 100), durations[COUNT - 1]);
    }
}

static void no_percentile_exceeds_the_maximum_and_none_is_of_nothing(void **state)
{
    struct histogram histogram = { 0 };

    (void)state;
    assert_int_equal(histogram_percentile_ns(&histogram, 50), 0);
    count(&histogram, 5000000);
    for (unsigned percent = 1; percent <= 100; percent++) {
        assert_true(histogram_percentile_ns(&histogram, percent) <= 5000000);
    }
    count(&histogram, UINT64_MAX);
    assert_int_equal(histogram_percentile_ns(&histogram, 100), UINT64_MAX);
}

static void adding_is_counting_together(void **state)
{
    struct histogram left = { 0 }, right = { 0 }, both = { 0 };
    struct random_source source = { 9 };

    (void)state;
    for (int i = 0; i < 200; i++) {
        uint64_t ns = random_below(&source, UINT64_C(1) << 38);

        count(i % 2 ? &left : &right, ns);
        count(&both, ns);
    }
    histogram_add(&left, &right);
    assert_memory_equal(&left, &both, sizeof both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_lie_side_by_side),
        cmocka_unit_test(percentiles_are_those_of_the_sorted_list),
        cmocka_unit_test(no_percentile_exceeds_the_maximum_and_none_is_of_nothing),
        cmocka_unit_test(adding_is_counting_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
