/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "tests/support/test.h"
#include "tools/cli/line/value.h"

#include <string.h>

#define NOW_MS UINT64_C(1763694727482) /* 2025-11-21T03:12:07.482Z */
#define DAY_MS UINT64_C(86400000)

static const struct {
    const char *text;
    uint64_t unit_ns;
    int64_t value;     /* if accepted */
    const char *blame; /* in the sentence; NULL: accepted */
} times[] = {
    { "100ms", NS_PER_MS, 100, NULL },
    { "1.5s", NS_PER_MS, 1500, NULL },
    { "0.25s", NS_PER_MS, 250, NULL },
    { "2m", NS_PER_MS, 120000, NULL },
    { "5m", 60 * NS_PER_S, 5, NULL },
    { "5min", 60 * NS_PER_S, 5, NULL },
    { "300s", 60 * NS_PER_S, 5, NULL },
    { "0.25h", 60 * NS_PER_S, 15, NULL },
    { "1d", 60 * NS_PER_S, 1440, NULL },
    { "50000us", NS_PER_MS, 50, NULL },
    { "50000\u00b5s", NS_PER_MS, 50, NULL },
    { "1000000ns", NS_PER_MS, 1, NULL },
    { "-5ms", NS_PER_MS, -5, NULL },
    { "+5ms", NS_PER_MS, 5, NULL },
    { "0ms", NS_PER_MS, 0, NULL },
    { "100.000ms", NS_PER_MS, 100, NULL },
    { "100.5ms", NS_PER_MS, 0, "no whole number of milliseconds" },
    { "100.0000001ms", NS_PER_MS, 0, "no whole number" },
    { "100.00000000000000000001ms", NS_PER_MS, 0, "no whole number" },
    { "5.5m", 60 * NS_PER_S, 0, "no whole number of minutes" },
    { "1ns", NS_PER_MS, 0, "no whole number" },
    { "100", NS_PER_MS, 0, "'100' has no unit" },
    { "1.5", NS_PER_MS, 0, "has no unit" },
    { "", NS_PER_MS, 0, "'' is no time" },
    { "ms", NS_PER_MS, 0, "is no time" },
    { "100 ms", NS_PER_MS, 0, "is no time" },
    { "100mss", NS_PER_MS, 0, "is no time" },
    { "1e3ms", NS_PER_MS, 0, "is no time" },
    { ".5s", NS_PER_MS, 0, "is no time" },
    { "1.s", NS_PER_MS, 0, "is no time" },
    { "--5ms", NS_PER_MS, 0, "is no time" },
    { "99999999999999999999999999999d", NS_PER_MS, 0, "too long" },
};

static void time_is_read_exactly_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        struct problem problem = { 0 };
        int64_t value = -77;
        int rc = value_time(times[i].text, times[i].unit_ns,
                            times[i].unit_ns == NS_PER_MS ? "milliseconds" : "minutes", &value,
                            &problem);

        if (times[i].blame) {
            if (rc == 0) fail_msg("'%s': accepted", times[i].text);
            if (!strstr(problem.detail, times[i].blame))
                fail_msg("'%s': said '%s'", times[i].text, problem.detail);
            assert_int_equal(value, -77);
        } else if (rc < 0 || value != times[i].value) {
            fail_msg("'%s': %lld %s", times[i].text, (long long)value, problem.detail);
        }
    }
}

static const struct {
    const char *text;
    enum value_when side;
    uint64_t wall_ms; /* 0: refused */
} whens[] = {
    { "now", WHEN_PAST, NOW_MS },
    { "now", WHEN_FUTURE, NOW_MS },
    { "7d", WHEN_PAST, NOW_MS - 7 * DAY_MS },
    { "7d ago", WHEN_PAST, NOW_MS - 7 * DAY_MS },
    { "-2h", WHEN_PAST, NOW_MS - 2 * 3600000 },
    { "+10m", WHEN_PAST, NOW_MS + 600000 },
    { "+10m", WHEN_FUTURE, NOW_MS + 600000 },
    { "-10m", WHEN_FUTURE, NOW_MS - 600000 }, /* the rule of the field refuses it, not the form */
    { "10m", WHEN_FUTURE, 0 },
    { "2025-11-21T03:12:07.482Z", WHEN_PAST, NOW_MS },
    { "2025-11-21T04:12:07.482+01:00", WHEN_FUTURE, NOW_MS },
    { "1763694727482", WHEN_PAST, 0 }, /* a number without a unit */
    { "2025-11-21", WHEN_PAST, 0 },
    { "yesterday", WHEN_PAST, 0 },
    { "", WHEN_PAST, 0 },
    { " ago", WHEN_PAST, 0 },
    { "-2h ago", WHEN_PAST, 0 },
    { "9999999d", WHEN_PAST, 0 },     /* before 1970 */
    { "+99999999d", WHEN_FUTURE, 0 }, /* after 9999 */
};

static void point_in_time_is_read_from_either_side(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(whens); i++) {
        struct problem problem = { 0 };
        uint64_t wall_ms = 77;
        int rc = value_when(whens[i].text, whens[i].side, NOW_MS, &wall_ms, &problem);

        if (whens[i].wall_ms == 0) {
            if (rc == 0) fail_msg("'%s': accepted", whens[i].text);
            assert_int_equal(wall_ms, 77);
            assert_true(problem.detail[0]);
        } else if (rc < 0 || wall_ms != whens[i].wall_ms) {
            fail_msg("'%s': %llu %s", whens[i].text, (unsigned long long)wall_ms, problem.detail);
        }
    }
}

static void count_is_an_integer(void **state)
{
    struct problem problem = { 0 };
    int64_t count = 0;

    (void)state;
    assert_int_equal(value_count("10", &count, &problem), 0);
    assert_int_equal(count, 10);
    assert_int_equal(value_count("-1", &count, &problem), 0);
    assert_int_equal(count, -1);
    assert_int_equal(value_count("9223372036854775807", &count, &problem), 0);
    assert_int_equal(value_count("9223372036854775808", &count, &problem), -1);
    assert_int_equal(value_count("1.5", &count, &problem), -1);
    assert_int_equal(value_count("", &count, &problem), -1);
    assert_int_equal(value_count("-", &count, &problem), -1);
    assert_int_equal(value_count("0x10", &count, &problem), -1);
}

static void percent_lies_between_0_and_100(void **state)
{
    struct problem problem = { 0 };
    double percent = 0;

    (void)state;
    assert_int_equal(value_percent("0", &percent, &problem), 0);
    assert_int_equal(value_percent("2.5", &percent, &problem), 0);
    assert_true(percent == 2.5);
    assert_int_equal(value_percent("100", &percent, &problem), 0);
    assert_int_equal(value_percent("100.1", &percent, &problem), -1);
    assert_int_equal(value_percent("-1", &percent, &problem), -1);
    assert_int_equal(value_percent("5%", &percent, &problem), -1);
    assert_int_equal(value_percent("", &percent, &problem), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_read_exactly_or_refused),
        cmocka_unit_test(point_in_time_is_read_from_either_side),
        cmocka_unit_test(count_is_an_integer),
        cmocka_unit_test(percent_lies_between_0_and_100),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
