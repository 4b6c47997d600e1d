/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"
#include "tools/cli/screen/table.h"

#include <locale.h>
#include <string.h>

static const struct table_column columns[] = {
    { .title = "TASK" },
    { .title = "INTERFACE", .columns_min = 6 },
    { .title = "SEEN", .is_right = true },
    { .title = "NOTE", .rank = 1 },
    { .title = "HOST", .rank = 2 },
};

static void put_row(struct table *table, const char *const *cells)
{
    for (size_t i = 0; i < ARRAY_COUNT(columns); i++) {
        (void)buf_text(table_cell(table), text_of(cells[i]));
    }
}

static void print(uint32_t width, struct buf *to, struct buf *note)
{
    static const char *const rows[][5] = {
        { "a1", "POST /checkout", "672", "why", "10.0.0.1" },
        { "b22", "GET /\u7d50\u8cec", "1,204", "", "10.0.0.2" },
    };
    struct screen screen = { .width = width, .has_utf8 = true };
    OWN(table_freep) struct table *table = table_new(&screen, columns, ARRAY_COUNT(columns));

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        put_row(table, rows[i]);
    }
    assert_int_equal(table_row_count(table), 2);
    table_print(table, to, note);
}

static void columns_line_up_where_there_is_room(void **state)
{
    OWN(buf_done) struct buf text = BUF_INIT(4096);
    OWN(buf_done) struct buf note = BUF_INIT(4096);

    (void)state;
    print(80, &text, &note);
    assert_string_equal(text.data, "TASK  INTERFACE        SEEN  NOTE  HOST\n"
                                   "a1    POST /checkout    672  why   10.0.0.1\n"
                                   "b22   GET /\u7d50\u8cec       1,204        10.0.0.2\n");
    assert_int_equal(note.size, 0);
}

static void what_may_be_cut_is_cut_first(void **state)
{
    OWN(buf_done) struct buf text = BUF_INIT(4096);
    OWN(buf_done) struct buf note = BUF_INIT(4096);

    (void)state;
    print(40, &text, &note);
    assert_string_equal(text.data, "TASK  INTERFACE     SEEN  NOTE  HOST\n"
                                   "a1    POST /chec\u2026    672  why   10.0.0.1\n"
                                   "b22   GET /\u7d50\u8cec    1,204        10.0.0.2\n");
    assert_int_equal(note.size, 0);
}

static void what_is_left_out_is_named(void **state)
{
    OWN(buf_done) struct buf text = BUF_INIT(4096);
    OWN(buf_done) struct buf note = BUF_INIT(4096);

    (void)state;
    print(30, &text, &note);
    assert_null(strstr(text.data, "HOST"));
    assert_non_null(strstr(note.data, "left out at 30 columns: HOST"));
    buf_reset(&text);
    buf_reset(&note);
    print(20, &text, &note);
    assert_non_null(strstr(note.data, "NOTE, HOST"));
}

static void no_line_is_wider_than_the_screen(void **state)
{
    struct screen screen = { .has_utf8 = true };

    (void)state;
    for (uint32_t width = 19; width < 60; width++) {
        OWN(buf_done) struct buf text = BUF_INIT(4096);

        print(width, &text, NULL);
        for (char *line = text.data, *end; (end = strchr(line, '\n')); line = end + 1) {
            struct text shown = { line, (size_t)(end - line) };

            assert_true(screen_columns(&screen, shown) <= width);
        }
    }
}

/* A pipe has no right edge. */
static void nothing_is_cut_or_left_out_on_an_endless_screen(void **state)
{
    static const char *const cells[] = { "19aa3f0c2b1e4d5f6a7b", "POST /a/rather/long/checkout",
                                         "672", "why, at length, for all who read it", "10.0.0.1" };
    const struct screen screen = { .width = 40, .has_utf8 = true, .is_endless = true };
    OWN(table_freep) struct table *table = table_new(&screen, columns, ARRAY_COUNT(columns));
    OWN(buf_done) struct buf text = BUF_INIT(4096);
    OWN(buf_done) struct buf note = BUF_INIT(4096);

    (void)state;
    put_row(table, cells);
    table_print(table, &text, &note);
    for (size_t i = 0; i < ARRAY_COUNT(cells); i++) {
        assert_non_null(strstr(text.data, cells[i]));
    }
    assert_int_equal(note.size, 0);
}

static void what_goes_below_is_whole_on_lines_of_its_own(void **state)
{
    static const struct table_column log[] = {
        { .title = "TIME" }, { .title = "DETAIL", .columns_min = 6, .goes_below = true }
    };
    static const char *const cells[][2] = {
        { "03:12:07", "sample 5f0c9e2ab7d3416088c1d2e3f4a5b6c7" },
        { "03:12:08", "by ana" },
    };
    const struct screen screen = { .width = 43, .has_utf8 = true };
    OWN(table_freep) struct table *table = table_new(&screen, log, ARRAY_COUNT(log));
    OWN(buf_done) struct buf text = BUF_INIT(4096);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cells); i++) {
        (void)buf_text(table_cell(table), text_of(cells[i][0]));
        (void)buf_text(table_cell(table), text_of(cells[i][1]));
    }
    table_print(table, &text, NULL);
    assert_string_equal(text.data, "TIME      DETAIL\n"
                                   "03:12:07\n"
                                   "    sample 5f0c9e2ab7d3416088c1d2e3f4a5b6c7\n"
                                   "03:12:08  by ana\n");
}

static void narrow_columns_return_where_a_wide_one_went(void **state)
{
    static const struct table_column some[] = { { .title = "ID" },
                                                { .title = "WIDE", .rank = 1 },
                                                { .title = "CPU", .rank = 2 } };
    const struct screen screen = { .width = 12, .has_utf8 = true };
    OWN(table_freep) struct table *table = table_new(&screen, some, ARRAY_COUNT(some));
    OWN(buf_done) struct buf text = BUF_INIT(4096);
    OWN(buf_done) struct buf note = BUF_INIT(4096);

    (void)state;
    (void)buf_text(table_cell(table), TEXT("7a"));
    (void)buf_text(table_cell(table), TEXT("a very wide cell"));
    (void)buf_text(table_cell(table), TEXT("12"));
    table_print(table, &text, &note);
    assert_string_equal(text.data, "ID  CPU\n7a  12\n");
    assert_non_null(strstr(note.data, "left out at 12 columns: WIDE ("));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up_where_there_is_room),
        cmocka_unit_test(what_may_be_cut_is_cut_first),
        cmocka_unit_test(what_is_left_out_is_named),
        cmocka_unit_test(no_line_is_wider_than_the_screen),
        cmocka_unit_test(nothing_is_cut_or_left_out_on_an_endless_screen),
        cmocka_unit_test(what_goes_below_is_whole_on_lines_of_its_own),
        cmocka_unit_test(narrow_columns_return_where_a_wide_one_went),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8")) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
