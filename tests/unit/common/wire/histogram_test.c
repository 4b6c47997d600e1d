/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/own.h"
#include "common/model/problem.h"
#include "common/wire/report.h"
#include "tests/support/test.h"

#include <string.h>

/* clang-format off */
static const struct {
    const char *says;
    struct text bytes;
    bool is_accepted;
} buckets[] = {
    { "nothing",           TEXT(""),             true },
    { "the first",         TEXT("\x00\x01"),     true },
    { "the last",          TEXT("\x6c\x01"),     true },
    { "one behind it",     TEXT("\x6d\x01"),     false },
    { "two",               TEXT("\x00\x01\x6b\x01"), true },
    { "two, one behind",   TEXT("\x00\x01\x6c\x01"), false },
    { "an empty bucket",   TEXT("\x00\x00"),     false },
    { "no count",          TEXT("\x00"),         false },
    { "a count cut off",   TEXT("\x00\x80"),     false },
    { "2^64 - 1 calls",    TEXT("\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true },
    { "2^64 calls",        TEXT("\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01"), false },
    { "2^64 - 1 empty",    TEXT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01"), false },
};
/* clang-format on */

static void histograms_are_accepted_as_they_would_be_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(buckets); i++) {
        OWN(buf_done) struct buf again = BUF_INIT(2048);
        struct histogram histogram = { .max_ns = 77 };
        struct problem problem = { 0 };
        int rc = histogram_decode(buckets[i].bytes, &histogram, &problem);

        if (rc != (buckets[i].is_accepted ? 0 : -1)) fail_msg("%s", buckets[i].says);
        if (rc < 0) {
            assert_string_equal(problem.field, "buckets");
            assert_int_equal(histogram.max_ns, 77);
            continue;
        }
        assert_int_equal(histogram.max_ns, 0);
        assert_int_equal(histogram_encode(&histogram, &again), 0);
        assert_true(text_is_equal(buf_peek(&again), buckets[i].bytes));
    }
}

static void a_full_histogram_fits_its_field(void **state)
{
    OWN(buf_done) struct buf whole = BUF_INIT(2048), small = BUF_INIT(100);
    struct histogram histogram = { 0 };

    (void)state;
    memset(histogram.buckets, 0xff, sizeof histogram.buckets);
    assert_int_equal(histogram_encode(&histogram, &whole), 0);
    assert_int_equal(whole.size, HISTOGRAM_BUCKETS * 11);
    buf_text(&small, TEXT("before"));
    assert_true(histogram_encode(&histogram, &small) < 0);
    assert_string_equal(small.data, "before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histograms_are_accepted_as_they_would_be_written),
        cmocka_unit_test(a_full_histogram_fits_its_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
