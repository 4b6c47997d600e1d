/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/own.h"
#include "tests/support/test.h"
#include "tools/cli/screen/format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct screen utf8 = { .width = 80, .has_utf8 = true };
static const struct screen ascii = { .width = 80 };

static void assert_text(const struct buf *text, const char *expected)
{
    if (strcmp(buf_peek(text).data, expected) != 0)
        fail_msg("'%s', not '%s'", buf_peek(text).data, expected);
}

static void times_have_three_digits_and_one_unit(void **state)
{
    static const struct {
        double ms;
        const char *text;
    } cases[] = {
        { 0, "0" },
        { 0.0001, "1 \u00b5s" },
        { 0.184, "184 \u00b5s" },
        { 0.9994, "999 \u00b5s" },
        { 0.9996, "1.00 ms" },
        { 1.84, "1.84 ms" },
        { 9.994, "9.99 ms" },
        { 9.996, "10.0 ms" },
        { 18.4, "18.4 ms" },
        { 99.96, "100 ms" },
        { 184, "184 ms" },
        { 999.4, "999 ms" },
        { 999.6, "1.00 s" },
        { 1840, "1.84 s" },
        { 18400, "18.4 s" },
        { 59940, "59.9 s" },
        { 59960, "1 min" },
        { 72000, "1 min 12 s" },
        { 3600000, "60 min" },
        { (double)NAN, "\u2013" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(64);

        format_time(&utf8, cases[i].ms, &text);
        assert_text(&text, cases[i].text);
    }
}

static void ascii_screens_get_ascii(void **state)
{
    OWN(buf_done) struct buf text = BUF_INIT(64);

    (void)state;
    format_time(&ascii, 0.184, &text);
    format_time(&ascii, (double)NAN, &text);
    format_column_difference_ms(&ascii, -1740, &text);
    assert_text(&text, "184 us--1,740");
}

static void columns_are_whole_and_grouped(void **state)
{
    static const struct {
        double ms;
        const char *text, *difference;
    } cases[] = {
        { 0, "0", "0" },
        { 0.4, "<1", "0" },
        { 0.5, "1", "+1" },
        { 999.4, "999", "+999" },
        { 999.5, "1,000", "+1,000" },
        { 1680, "1,680", "+1,680" },
        { 1234567, "1,234,567", "+1,234,567" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(64);

        format_column_ms(&utf8, cases[i].ms, &text);
        assert_text(&text, cases[i].text);
        buf_reset(&text);
        format_column_difference_ms(&utf8, cases[i].ms, &text);
        assert_text(&text, cases[i].difference);
    }
}

static void decimal_points_of_a_column_stand_under_each_other(void **state)
{
    static const struct {
        double ms;
        const char *text;
    } cases[] = {
        { 0, "0   " },       { 0.001, "<0.01" },     { 0.184, "0.18" },
        { 1.84, "1.84" },    { 9.996, "10.0 " },     { 31.2, "31.2 " },
        { 99.96, "100   " }, { 2310.4, "2,310   " }, { (double)NAN, "\u2013   " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(64);

        format_column_fine_ms(&utf8, cases[i].ms, &text);
        assert_text(&text, cases[i].text);
    }
}

static void shares_are_whole_only_when_exact(void **state)
{
    static const struct {
        double part, whole;
        const char *text;
    } cases[] = {
        { 0, 100, "0 %" },     { 0.01, 100, "<0.1 %" }, { 0.06, 100, "0.1 %" },
        { 9, 100, "9.0 %" },   { 78.7, 100, "78.7 %" }, { 99.999, 100, "99.9 %" },
        { 100, 100, "100 %" }, { 1, 0, "0 %" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(64);

        format_share(cases[i].part, cases[i].whole, &text);
        assert_text(&text, cases[i].text);
    }
}

static void counts_are_exact_to_99999(void **state)
{
    static const struct {
        uint64_t count;
        const char *text;
    } cases[] = {
        { 0, "0" },
        { 999, "999" },
        { 1000, "1,000" },
        { 99999, "99,999" },
        { 100000, "100 k" },
        { 124400, "124 k" },
        { 999499, "999 k" },
        { 999500, "1.00 M" },
        { 1240000, "1.24 M" },
        { 999400000, "999 M" },
        { 1234567890123, "1,234,568 M" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(64);

        format_count(cases[i].count, &text);
        assert_text(&text, cases[i].text);
    }
}

static void one_is_no_plural(void **state)
{
    OWN(buf_done) struct buf text = BUF_INIT(64);

    (void)state;
    format_nouns(0, "sample", &text);
    (void)buf_text(&text, TEXT(", "));
    format_nouns(1, "sample", &text);
    (void)buf_text(&text, TEXT(", "));
    format_nouns(1200, "sample", &text);
    assert_text(&text, "0 samples, 1 sample, 1,200 samples");
}

static void time_left_is_rounded_up_and_ends_at_zero(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        { 0, "0:00" },         { 1, "0:01" },           { 252000, "4:12" },
        { 300000, "5:00" },    { 3600000, "1:00:00" },  { 3599001, "1:00:00" },
        { 86400000, "1 day" }, { 172800000, "2 days" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(64);

        format_left(cases[i].ms, &text);
        assert_text(&text, cases[i].text);
    }
}

static void clocks_are_of_the_zone(void **state)
{
    OWN(buf_done) struct buf text = BUF_INIT(64);

    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    format_clock(UINT64_C(1763694727482), true, &text);
    assert_text(&text, "2025-11-21 03:12:07.482");
    buf_reset(&text);
    format_zone(UINT64_C(1763694727482), &text);
    assert_text(&text, "UTC");
    buf_reset(&text);
    setenv("TZ", "XYZ-2", 1);
    tzset();
    format_clock(UINT64_C(1763694727482), false, &text);
    assert_text(&text, "2025-11-21 05:12:07");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_three_digits_and_one_unit),
        cmocka_unit_test(ascii_screens_get_ascii),
        cmocka_unit_test(columns_are_whole_and_grouped),
        cmocka_unit_test(decimal_points_of_a_column_stand_under_each_other),
        cmocka_unit_test(shares_are_whole_only_when_exact),
        cmocka_unit_test(counts_are_exact_to_99999),
        cmocka_unit_test(one_is_no_plural),
        cmocka_unit_test(time_left_is_rounded_up_and_ends_at_zero),
        cmocka_unit_test(clocks_are_of_the_zone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
