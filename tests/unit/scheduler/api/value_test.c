/* SPDX-License-Identifier: Apache-2.0 */
/* value_test.c: our values as JSON, as they are printed: what people and programs read. */
#include "scheduler/api/value.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* Takes the value. */
static void assert_printed(json_t *take_value, const char *wanted)
{
    json_t *array = json_array();
    size_t size = 0;
    char *text;

    value_append(array, take_value);
    text = value_print(array, &size);
    assert_int_equal(size, strlen(text));
    text[size - 1] = '\0'; /* within its brackets */
    assert_string_equal(text + 1, wanted);
    free(text);
    json_decref(array);
}

static void milliseconds_have_all_their_decimals_and_no_others(void **state)
{
    static const struct {
        uint64_t ns;
        const char *printed;
    } cases[] = {
        { 0, "0.0" },
        { 1, "1e-6" },
        { 300000, "0.3" },
        { 100000000, "100.0" },
        { 1234567, "1.234567" },
        { UINT64_C(864000000000001), "864000000.000001" }, /* ten days and a nanosecond */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_printed(value_ms(cases[i].ns), cases[i].printed);
    }
    assert_printed(value_signed_ms(-1500000), "-1.5");
    /* Summed as our sums are, in nanoseconds: no 0.30000000000000004. */
    assert_printed(value_ms(100000 + 200000), "0.3");
}

static void counts_are_integers_and_never_negative(void **state)
{
    (void)state;
    assert_printed(value_count(0), "0");
    assert_printed(value_count(UINT64_C(1) << 53), "9007199254740992");
    assert_printed(value_count(INT64_MAX), "9223372036854775807");
    assert_printed(value_count(UINT64_MAX), "9223372036854775807");
}

static void texts_are_escaped_and_what_is_no_text_is_said_so(void **state)
{
    (void)state;
    assert_printed(value_text("a \"b\"\n"), "\"a \\\"b\\\"\\n\"");
    assert_printed(value_text_of((struct text){ NULL, 0 }), "\"\"");
    assert_printed(value_text_of((struct text){ "a\0b", 3 }), "\"a\\u0000b\"");
    assert_printed(value_text_of((struct text){ "\xff\xfe", 2 }), "\"(not UTF-8)\"");
    assert_printed(value_text_or_null((struct text){ NULL, 0 }), "null");
    assert_printed(value_text_or_null(TEXT("x")), "\"x\"");
}

static void times_are_rfc_3339_and_never_1970(void **state)
{
    (void)state;
    assert_printed(value_time(UINT64_C(1763780400123)), "\"2025-11-22T03:00:00.123Z\"");
    assert_printed(value_time_or_null(0), "null");
    assert_printed(value_time_or_null(1), "\"1970-01-01T00:00:00.001Z\"");
}

static void an_incarnation_is_text_because_json_numbers_have_53_bits(void **state)
{
    (void)state;
    assert_printed(value_incarnation(UINT64_MAX), "\"ffffffffffffffff\"");
    assert_printed(value_incarnation(7), "\"0000000000000007\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(milliseconds_have_all_their_decimals_and_no_others),
        cmocka_unit_test(counts_are_integers_and_never_negative),
        cmocka_unit_test(texts_are_escaped_and_what_is_no_text_is_said_so),
        cmocka_unit_test(times_are_rfc_3339_and_never_1970),
        cmocka_unit_test(an_incarnation_is_text_because_json_numbers_have_53_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
