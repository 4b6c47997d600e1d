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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up_where_there_is_room),
        cmocka_unit_test(what_may_be_cut_is_cut_first),
        cmocka_unit_test(what_is_left_out_is_named),
        cmocka_unit_test(no_line_is_wider_than_the_screen),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8")) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
