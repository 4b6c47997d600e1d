/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/wall_time.h"

#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

/* clang-format off */
static const struct {
    struct text text;
    uint64_t ms; /* UINT64_MAX: refused */
} cases[] = {
    { TEXT("1970-01-01T00:00:00Z"),           0 },
    { TEXT("1970-01-01T00:00:00.001Z"),       1 },
    { TEXT("2026-11-21T03:12:07.482Z"),       UINT64_C(1795230727482) },
    { TEXT("2026-11-21t03:12:07.482z"),       UINT64_C(1795230727482) },
    { TEXT("2026-11-21 03:12:07.482Z"),       UINT64_C(1795230727482) },
    { TEXT("2026-11-21T04:12:07.482+01:00"),  UINT64_C(1795230727482) },
    { TEXT("2026-11-20T21:42:07.482-05:30"),  UINT64_C(1795230727482) },
    { TEXT("2026-11-21T03:12:07.4829999Z"),   UINT64_C(1795230727482) },
    { TEXT("2026-11-21T03:12:07.4Z"),         UINT64_C(1795230727400) },
    { TEXT("2026-11-21T03:12:07.123456789Z"), UINT64_C(1795230727123) },
    { TEXT("2024-02-29T00:00:00Z"),           UINT64_C(1709164800000) },
    { TEXT("2000-02-29T00:00:00Z"),           UINT64_C(951782400000) },
    { TEXT("2016-12-31T23:59:60Z"),           UINT64_C(1483228800000) },
    { TEXT("9999-12-31T23:59:59.999Z"),       UINT64_C(253402300799999) },
    { TEXT("1763694727482"),                  UINT64_C(1763694727482) },
    { TEXT("0"),                              0 },
    { TEXT("999999999999999"),                UINT64_C(999999999999999) },
    { TEXT("1000000000000000"),               UINT64_MAX },
    { TEXT(""),                               UINT64_MAX },
    { TEXT("2026-11-21"),                     UINT64_MAX },
    { TEXT("2026-11-21T03:12Z"),              UINT64_MAX },
    { TEXT("2026-11-21T03:12:07"),            UINT64_MAX },
    { TEXT("2026-11-21T03:12:07.Z"),          UINT64_MAX },
    { TEXT("2026-11-21T03:12:07.1234567890Z"), UINT64_MAX },
    { TEXT("2026-11-21T03:12:07Zx"),          UINT64_MAX },
    { TEXT("2026-11-21T24:00:00Z"),           UINT64_MAX },
    { TEXT("2026-11-21T03:60:00Z"),           UINT64_MAX },
    { TEXT("2026-11-21T03:12:61Z"),           UINT64_MAX },
    { TEXT("2026-13-01T00:00:00Z"),           UINT64_MAX },
    { TEXT("2026-00-01T00:00:00Z"),           UINT64_MAX },
    { TEXT("2026-02-29T00:00:00Z"),           UINT64_MAX },
    { TEXT("2100-02-29T00:00:00Z"),           UINT64_MAX },
    { TEXT("2026-04-31T00:00:00Z"),           UINT64_MAX },
    { TEXT("2026-11-00T00:00:00Z"),           UINT64_MAX },
    { TEXT("1969-12-31T23:59:59Z"),           UINT64_MAX },
    { TEXT("1970-01-01T00:00:00+00:01"),      UINT64_MAX },
    { TEXT("2026-11-21T03:12:07+24:00"),      UINT64_MAX },
    { TEXT("2026-11-21T03:12:07+01:60"),      UINT64_MAX },
    { TEXT("2026-11-21T03:12:07+0100"),       UINT64_MAX },
    { TEXT("2026-11-21X03:12:07Z"),           UINT64_MAX },
    { TEXT("-026-11-21T03:12:07Z"),           UINT64_MAX },
    { TEXT("now"),                            UINT64_MAX },
};
/* clang-format on */

static void dates_are_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t ms = 77;
        int rc = wall_time_parse(cases[i].text, &ms);

        if (cases[i].ms == UINT64_MAX) {
            if (rc != -EINVAL || ms != 77) fail_msg("%s: read as %lu", cases[i].text.data, ms);
        } else if (rc != 0 || ms != cases[i].ms) {
            fail_msg("%s: %d, %lu", cases[i].text.data, rc, ms);
        }
    }
}

static void what_is_written_reads_the_same(void **state)
{
    static const uint64_t times_ms[] = {
        0, 1, 999, 1000, 951782399999, 951782400000, 1795230727482, 253402300799999
    };
    char text[WALL_TIME_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(times_ms); i++) {
        uint64_t ms = 77;

        wall_time_format(times_ms[i], text);
        assert_int_equal(strlen(text), WALL_TIME_SIZE - 1);
        assert_int_equal(wall_time_parse(text_of(text), &ms), 0);
        assert_int_equal(ms, times_ms[i]);
    }
    wall_time_format(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read_or_refused),
        cmocka_unit_test(what_is_written_reads_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
