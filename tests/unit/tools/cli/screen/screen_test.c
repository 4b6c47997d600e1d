/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/own.h"
#include "tests/support/test.h"
#include "tools/cli/screen/screen.h"

#include <locale.h>
#include <string.h>

static const struct screen utf8 = { .width = 80, .has_utf8 = true };
static const struct screen ascii = { .width = 80 };

#define BYTES(literal) ((struct text){ (literal), sizeof(literal) - 1 })

static const struct {
    const char *says;
    struct text text;
    const char *on_utf8, *on_ascii;
} escapes[] = {
    { "plain", BYTES("POST /checkout"), "POST /checkout", "POST /checkout" },
    { "terminal escape", BYTES("\x1b[2Jx"), "\\x1b[2Jx", "\\x1b[2Jx" },
    { "line feed and tab", BYTES("a\nb\tc"), "a\\x0ab\\x09c", "a\\x0ab\\x09c" },
    { "zero byte", BYTES("a\0b"), "a\\x00b", "a\\x00b" },
    { "C1 control",
      BYTES("\xc2\x9b"
            "2J"),
      "\\x9b2J", "\\x9b2J" },
    { "right-to-left override", BYTES("a\u202eb"), "a\\u{202e}b", "a\\u{202e}b" },
    { "isolates", BYTES("\u2066x\u2069"), "\\u{2066}x\\u{2069}", "\\u{2066}x\\u{2069}" },
    { "zero width space", BYTES("a\u200bb"), "a\\u{200b}b", "a\\u{200b}b" },
    { "byte order mark", BYTES("\ufeffx"), "\\u{feff}x", "\\u{feff}x" },
    { "line separator", BYTES("a\u2028b"), "a\\u{2028}b", "a\\u{2028}b" },
    { "tag character", BYTES("\U000e0041"), "\\u{e0041}", "\\u{e0041}" },
    { "umlaut", BYTES("Gr\u00fc\u00dfe"), "Gr\u00fc\u00dfe", "Gr\\xfc\\xdfe" },
    { "Chinese", BYTES("\u7d50\u8cec"), "\u7d50\u8cec", "\\u{7d50}\\u{8cec}" },
    { "lone continuation", BYTES("a\x80z"), "a\\x80z", "a\\x80z" },
    { "cut character", BYTES("a\xe7\xb5"), "a\\xe7\\xb5", "a\\xe7\\xb5" },
    { "overlong slash", BYTES("\xc0\xaf"), "\\xc0\\xaf", "\\xc0\\xaf" },
    { "surrogate", BYTES("\xed\xa0\x80"), "\\xed\\xa0\\x80", "\\xed\\xa0\\x80" },
    { "beyond Unicode", BYTES("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80", "\\xf5\\x80\\x80\\x80" },
};

static void whatever_is_not_plain_text_becomes_visible(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(escapes); i++) {
        OWN(buf_done) struct buf shown = BUF_INIT(4096);

        screen_put(&utf8, escapes[i].text, &shown);
        if (strcmp(shown.data, escapes[i].on_utf8) != 0)
            fail_msg("%s: '%s'", escapes[i].says, shown.data);
        buf_reset(&shown);
        screen_put(&ascii, escapes[i].text, &shown);
        if (strcmp(shown.data, escapes[i].on_ascii) != 0)
            fail_msg("%s in ASCII: '%s'", escapes[i].says, shown.data);
    }
}

static void no_control_character_reaches_the_screen(void **state)
{
    (void)state;
    for (uint32_t byte = 0; byte < 256; byte++) {
        OWN(buf_done) struct buf shown = BUF_INIT(64);
        char text = (char)byte;

        screen_put(&utf8, (struct text){ &text, 1 }, &shown);
        assert_true(text_is_printable(buf_peek(&shown)));
        if (byte < 0x20 || byte >= 0x7f) assert_int_equal(shown.data[0], '\\');
    }
}

static void documents_keep_their_lines_and_stay_json(void **state)
{
    OWN(buf_done) struct buf shown = BUF_INIT(4096);

    (void)state;
    screen_put_document(TEXT("{\"a\":\t\"x\u202ey\xc2\x9b\U000e0041\"}\n"), &shown);
    assert_string_equal(shown.data, "{\"a\":\t\"x\\u202ey\\u009b\\udb40\\udc41\"}\n");
}

static const struct {
    const char *text;
    size_t columns;
    enum fit fit;
    const char *utf8, *ascii;
} fits[] = {
    { "checkout", 8, FIT_END, "checkout", "checkout" },
    { "checkout", 7, FIT_END, "checko\u2026", "chec..." },
    { "checkout", 7, FIT_MIDDLE, "che\u2026out", "ch...ut" },
    { "checkout", 1, FIT_END, "\u2026", "" },
    { "checkout", 0, FIT_END, "", "" },
    { "", 5, FIT_END, "", "" },
};

static void cut_text_says_that_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(fits); i++) {
        OWN(buf_done) struct buf cut = BUF_INIT(256);

        screen_fit(&utf8, text_of(fits[i].text), fits[i].columns, fits[i].fit, &cut);
        if (strcmp(buf_peek(&cut).data, fits[i].utf8) != 0)
            fail_msg("%zu: '%s'", i, buf_peek(&cut).data);
        buf_reset(&cut);
        screen_fit(&ascii, text_of(fits[i].text), fits[i].columns, fits[i].fit, &cut);
        if (strcmp(buf_peek(&cut).data, fits[i].ascii) != 0)
            fail_msg("%zu in ASCII: '%s'", i, buf_peek(&cut).data);
    }
}

static void wide_and_combining_characters_are_measured(void **state)
{
    OWN(buf_done) struct buf cut = BUF_INIT(256);

    (void)state;
    assert_int_equal(screen_columns(&utf8, TEXT("\u7d50\u8cec")), 4);
    assert_int_equal(screen_columns(&utf8, TEXT("e\u0301")), 1);
    screen_fit(&utf8, TEXT("\u7d50\u8cec\u7d50"), 4, FIT_END, &cut);
    assert_true(screen_columns(&utf8, buf_peek(&cut)) <= 4);
    buf_reset(&cut);
    screen_fit(&utf8, TEXT("e\u0301e\u0301e\u0301"), 2, FIT_END, &cut);
    assert_string_equal(cut.data, "e\u0301\u2026");
}

static void every_fit_is_within_its_columns(void **state)
{
    static const char *const texts[] = { "a", "checkout of a cart", "\u7d50\u8cec\u7d50\u8cec",
                                         "e\u0301x\u7d50e\u0301" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        for (size_t columns = 0; columns < 24; columns++) {
            for (int fit = FIT_END; fit <= FIT_MIDDLE; fit++) {
                OWN(buf_done) struct buf cut = BUF_INIT(256);

                screen_fit(&utf8, text_of(texts[i]), columns, (enum fit)fit, &cut);
                assert_true(screen_columns(&utf8, buf_peek(&cut)) <= columns);
                assert_true(text_is_utf8(buf_peek(&cut)));
            }
        }
    }
}

static void lines_break_at_blanks(void **state)
{
    OWN(buf_done) struct buf lines = BUF_INIT(256);

    (void)state;
    screen_wrap(&utf8, TEXT("one two three four"), 9, 2, &lines);
    assert_string_equal(lines.data, "one two\n  three\n  four");
    buf_reset(&lines);
    screen_wrap(&utf8, TEXT("abcdefghijkl mn"), 5, 0, &lines);
    assert_string_equal(lines.data, "abcde\nfghij\nkl mn");
    buf_reset(&lines);
    screen_wrap(&utf8, TEXT("fits"), 4, 9, &lines);
    assert_string_equal(lines.data, "fits");
}

static void colour_is_for_screens_that_have_it(void **state)
{
    OWN(buf_done) struct buf text = BUF_INIT(256);
    struct screen colourful = utf8;

    (void)state;
    screen_paint(&utf8, PAINT_ERR, TEXT("fail"), &text);
    assert_string_equal(text.data, "fail");
    buf_reset(&text);
    colourful.has_colour = true;
    screen_paint(&colourful, PAINT_ERR, TEXT("fail"), &text);
    assert_string_equal(text.data, "\033[31mfail\033[0m");
}

static void width_comes_from_the_environment_within_bounds(void **state)
{
    static const struct {
        const char *columns;
        uint32_t width;
    } cases[] = {
        { "132", 132 },
        { "1", SCREEN_WIDTH_MIN },
        { "100000", SCREEN_WIDTH_MAX },
        { "0", 80 },
        { "wide", 80 },
        { "", 80 },
        { "-5", 80 },
    };
    struct screen screen;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        setenv("COLUMNS", cases[i].columns, 1);
        screen_init(&screen, -1);
        assert_int_equal(screen.width, cases[i].width);
        assert_false(screen.is_terminal);
        assert_false(screen.has_colour);
    }
    unsetenv("COLUMNS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_not_plain_text_becomes_visible),
        cmocka_unit_test(no_control_character_reaches_the_screen),
        cmocka_unit_test(documents_keep_their_lines_and_stay_json),
        cmocka_unit_test(cut_text_says_that_it_is_cut),
        cmocka_unit_test(wide_and_combining_characters_are_measured),
        cmocka_unit_test(every_fit_is_within_its_columns),
        cmocka_unit_test(lines_break_at_blanks),
        cmocka_unit_test(colour_is_for_screens_that_have_it),
        cmocka_unit_test(width_comes_from_the_environment_within_bounds),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8")) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
