/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/text.h"

#include "common/base/own.h"
#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *says;
    struct text text;
    bool is_utf8, is_printable;
    struct text clean;
} characters[] = {
    { "nothing",             TEXT(""),                     true,  true,  TEXT("") },
    { "ASCII",               TEXT("a~ "),                  true,  true,  TEXT("a~ ") },
    { "a zero",              TEXT("a\0b"),                 true,  false, TEXT("a?b") },
    { "U+001F",              TEXT("\x1f"),                 true,  false, TEXT("?") },
    { "U+007F",              TEXT("\x7f"),                 true,  false, TEXT("?") },
    { "U+0080",              TEXT("\xc2\x80"),             true,  false, TEXT("?") },
    { "U+009F",              TEXT("\xc2\x9f"),             true,  false, TEXT("?") },
    { "U+00A0",              TEXT("\xc2\xa0"),             true,  true,  TEXT("\xc2\xa0") },
    { "U+07FF",              TEXT("\xdf\xbf"),             true,  true,  TEXT("\xdf\xbf") },
    { "U+0800",              TEXT("\xe0\xa0\x80"),         true,  true,  TEXT("\xe0\xa0\x80") },
    { "U+2028",              TEXT("\xe2\x80\xa8"),         true,  false, TEXT("?") },
    { "U+2029",              TEXT("\xe2\x80\xa9"),         true,  false, TEXT("?") },
    { "U+D7FF",              TEXT("\xed\x9f\xbf"),         true,  true,  TEXT("\xed\x9f\xbf") },
    { "U+FFFF",              TEXT("\xef\xbf\xbf"),         true,  true,  TEXT("\xef\xbf\xbf") },
    { "U+10000",             TEXT("\xf0\x90\x80\x80"),     true,  true,  TEXT("\xf0\x90\x80\x80") },
    { "U+10FFFF",            TEXT("\xf4\x8f\xbf\xbf"),     true,  true,  TEXT("\xf4\x8f\xbf\xbf") },
    { "a continuation alone", TEXT("a\x80"),                false, false, TEXT("a?") },
    { "overlong slash, 2",   TEXT("\xc0\xaf"),             false, false, TEXT("??") },
    { "overlong slash, 3",   TEXT("\xe0\x80\xaf"),         false, false, TEXT("???") },
    { "overlong slash, 4",   TEXT("\xf0\x80\x80\xaf"),     false, false, TEXT("????") },
    { "a surrogate",         TEXT("\xed\xa0\x80"),         false, false, TEXT("???") },
    { "U+110000",            TEXT("\xf4\x90\x80\x80"),     false, false, TEXT("????") },
    { "FE",                  TEXT("\xfe"),                 false, false, TEXT("?") },
    { "cut after 1 of 2",    TEXT("\xc3"),                 false, false, TEXT("?") },
    { "cut after 2 of 3",    TEXT("\xe2\x82"),             false, false, TEXT("??") },
    { "cut after 3 of 4",    TEXT("\xf0\x9f\x98"),         false, false, TEXT("???") },
    { "cut by ASCII",        TEXT("\xe2\x82z"),            false, false, TEXT("??z") },
};
/* clang-format on */

static void text_is_told_apart_from_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(characters); i++) {
        OWN(mem_freep) char *exact = mem_text(characters[i].text.data, characters[i].text.size);
        struct text text = { exact, characters[i].text.size };
        char clean[16];

        if (text_is_utf8(text) != characters[i].is_utf8) fail_msg("%s: UTF-8", characters[i].says);
        if (text_is_printable(text) != characters[i].is_printable)
            fail_msg("%s: printable", characters[i].says);
        if (!text_is_equal((struct text){ clean, text_clean(text, clean, sizeof clean) },
                           characters[i].clean))
            fail_msg("%s: clean", characters[i].says);
    }
}

/* Eight bytes are looked at in one go where they can be: every byte at every place in them. */
static void a_byte_is_judged_alike_wherever_it_stands(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < 20; place++) {
            char text[20];

            memset(text, 'x', sizeof text);
            text[place] = (char)byte;
            assert_int_equal(text_is_utf8((struct text){ text, 20 }), byte < 0x80);
            assert_int_equal(text_is_printable((struct text){ text, 20 }),
                             byte >= 0x20 && byte < 0x7f);
        }
    }
}

static void cleaning_cuts_at_a_character(void **state)
{
    struct text text = TEXT("a\xe2\x82\xac"
                            "b");
    char clean[5];
    static const size_t kept[] = { 0, 1, 1, 1, 4, 5 };

    (void)state;
    for (size_t size_max = 0; size_max <= 5; size_max++) {
        assert_int_equal(text_clean(text, clean, size_max), kept[size_max]);
    }
}

static void order_is_by_bytes_a_prefix_first(void **state)
{
    (void)state;
    assert_true(text_compare(TEXT("a"), TEXT("b")) < 0);
    assert_true(text_compare(TEXT("a"), TEXT("ab")) < 0);
    assert_true(text_compare(TEXT("\xff"), TEXT("a")) > 0);
    assert_int_equal(text_compare(TEXT(""), (struct text){ 0 }), 0);
    assert_int_equal(text_compare(TEXT("ab"), TEXT("ab")), 0);
    assert_true(text_is_equal((struct text){ 0 }, text_of(NULL)));
    assert_true(text_starts_with(TEXT("ab"), (struct text){ 0 }));
    assert_true(text_starts_with(TEXT("ab"), TEXT("ab")));
    assert_false(text_starts_with(TEXT("ab"), TEXT("abc")));
}

static void numbers_are_digits_alone(void **state)
{
    static const struct {
        struct text text;
        int rc;
        uint64_t value;
    } cases[] = {
        { TEXT("0"), 0, 0 },
        { TEXT("007"), 0, 7 },
        { TEXT("18446744073709551615"), 0, UINT64_MAX },
        { TEXT("18446744073709551616"), -EINVAL, 0 },
        { TEXT("99999999999999999999"), -EINVAL, 0 },
        { TEXT(""), -EINVAL, 0 },
        { TEXT("-1"), -EINVAL, 0 },
        { TEXT("+1"), -EINVAL, 0 },
        { TEXT(" 1"), -EINVAL, 0 },
        { TEXT("1 "), -EINVAL, 0 },
        { TEXT("1.5"), -EINVAL, 0 },
        { TEXT("0x10"), -EINVAL, 0 },
        { TEXT("/"), -EINVAL, 0 },
        { TEXT(":"), -EINVAL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t value = 77;

        assert_int_equal(text_to_u64(cases[i].text, &value), cases[i].rc);
        assert_int_equal(value, cases[i].rc == 0 ? cases[i].value : 77);
    }
}

static void hex_is_lower_case_and_exact(void **state)
{
    static const struct text refused[] = { TEXT(""),   TEXT("0"),   TEXT("000"), TEXT("0G"),
                                           TEXT("AB"), TEXT("ab "), TEXT("-1"),  TEXT("0000") };
    uint8_t bytes[3] = { 0x00, 0x7f, 0xff }, back[3];
    char hex[7];

    (void)state;
    text_to_hex(bytes, 3, hex);
    assert_string_equal(hex, "007fff");
    assert_int_equal(text_from_hex(text_of(hex), back, 3), 0);
    assert_memory_equal(bytes, back, 3);
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        uint8_t byte = 0x55;

        assert_int_equal(text_from_hex(refused[i], &byte, 1), -EINVAL);
        assert_int_equal(byte, 0x55);
    }
}

static void distance_counts_edits(void **state)
{
    static const struct {
        struct text left, right;
        size_t distance;
    } cases[] = {
        { TEXT(""), TEXT(""), 0 },
        { TEXT("abc"), TEXT("abc"), 0 },
        { TEXT(""), TEXT("abc"), 3 },
        { TEXT("abc"), TEXT("abcd"), 1 },
        { TEXT("abc"), TEXT("bc"), 1 },
        { TEXT("abc"), TEXT("axc"), 1 },
        { TEXT("abcd"), TEXT("acbd"), 1 },
        { TEXT("ca"), TEXT("abc"), 3 },
        { TEXT("POST /chekcout"), TEXT("POST /checkout"), 1 },
        { TEXT("kitten"), TEXT("sitting"), 3 },
    };
    char longest[600];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(text_distance(cases[i].left, cases[i].right), cases[i].distance);
        assert_int_equal(text_distance(cases[i].right, cases[i].left), cases[i].distance);
    }
    memset(longest, 'x', sizeof longest);
    assert_int_equal(text_distance((struct text){ longest, 600 }, TEXT("")), 512);
    assert_int_equal(text_distance((struct text){ longest, 600 }, (struct text){ longest, 512 }),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_told_apart_from_bytes),
        cmocka_unit_test(a_byte_is_judged_alike_wherever_it_stands),
        cmocka_unit_test(cleaning_cuts_at_a_character),
        cmocka_unit_test(order_is_by_bytes_a_prefix_first),
        cmocka_unit_test(numbers_are_digits_alone),
        cmocka_unit_test(hex_is_lower_case_and_exact),
        cmocka_unit_test(distance_counts_edits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
