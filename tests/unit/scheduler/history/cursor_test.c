/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/history/history_private.h"

#include "tests/support/test.h"

static void a_numeric_cursor_is_digits_or_nothing(void **state)
{
    static const struct {
        struct text cursor;
        int rc;
        uint64_t number;
    } cases[] = {
        { TEXT(""), 0, 0 },
        { TEXT("0"), 0, 0 },
        { TEXT("17"), 0, 17 },
        { TEXT("2147483647"), 0, 2147483647 },
        { TEXT("2147483648"), -1, 0 },
        { TEXT("99999999999999999999"), -1, 0 },
        { TEXT("-1"), -1, 0 },
        { TEXT(" 1"), -1, 0 },
        { TEXT("1\0"), -1, 0 },
        { TEXT("x"), -1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct problem problem = { 0 };
        uint64_t number = 0;

        assert_int_equal(cursor_read_number(cases[i].cursor, &number, &problem), cases[i].rc);
        assert_int_equal(number, cases[i].number);
        if (cases[i].rc < 0) assert_string_equal(problem.field, "cursor");
    }
}

static void a_limit_is_1_to_1000(void **state)
{
    static const struct {
        uint32_t limit;
        int rc;
    } cases[] = { { 0, -1 }, { 1, 0 }, { PAGE_LIMIT_MAX, 0 }, { PAGE_LIMIT_MAX + 1, -1 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct problem problem = { 0 };

        assert_int_equal(limit_check(cases[i].limit, &problem), cases[i].rc);
        if (cases[i].rc < 0) assert_string_equal(problem.field, "limit");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_numeric_cursor_is_digits_or_nothing),
        cmocka_unit_test(a_limit_is_1_to_1000),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
