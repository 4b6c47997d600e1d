/* SPDX-License-Identifier: Apache-2.0 */
/* table.c: cells in one buffer, and a layout that is computed when all are known.
 *
 * ALGORITHM (1) Each column wants the width of its widest cell or title; on an endless screen it
 * has it, and that is all. (2) While the narrowest form of all shown columns does not fit, the
 * shown column of the highest rank goes. (3) A wide column may have taken narrow ones of higher
 * rank with it: they come back where they fit, the lowest rank first. (4) While the widths do not
 * fit, the widest column that may be cut loses one. All of them end: every round takes or gives
 * one, and what has no rank and may not be cut stays, even if it wraps. */
#include "tools/cli/screen/table.h"

#include "common/base/check.h"

enum { GAP = 2, BELOW_INDENT = 4 };

struct cell {
    size_t begin; /* in text; it ends where the next one begins */
    enum paint paint;
};

struct table {
    const struct screen *screen;
    const struct table_column *columns;
    size_t column_count, cell_count, cell_capacity;
    struct cell *cells;
    struct buf text;
};

struct layout {
    size_t widths[TABLE_COLUMNS_MAX];
    bool is_shown[TABLE_COLUMNS_MAX];
};

struct table *table_new(const struct screen *screen, const struct table_column *columns,
                        size_t count)
{
    struct table *table = mem_zalloc(1, sizeof *table);

    CHECK(count > 0 && count <= TABLE_COLUMNS_MAX);
    table->screen = screen;
    table->columns = columns;
    table->column_count = count;
    table->text = BUF_INIT(TABLE_SIZE_MAX);
    return table;
}

struct table *table_free(struct table *table)
{
    if (!table) return NULL;
    free(table->cells);
    buf_done(&table->text);
    free(table);
    return NULL;
}

struct buf *table_cell(struct table *table)
{
    if (table->cell_count == table->cell_capacity) {
        table->cell_capacity = table->cell_capacity ? table->cell_capacity * 2 : 64;
        table->cells = mem_grow(table->cells, table->cell_capacity * sizeof *table->cells);
    }
    table->cells[table->cell_count++] = (struct cell){ .begin = table->text.size };
    return &table->text;
}

void table_paint(struct table *table, enum paint paint)
{
    CHECK(table->cell_count > 0);
    table->cells[table->cell_count - 1].paint = paint;
}

size_t table_row_count(const struct table *table)
{
    return table->cell_count / table->column_count;
}

static struct text cell_text(const struct table *table, size_t index)
{
    size_t begin = table->cells[index].begin;
    size_t end = index + 1 < table->cell_count ? table->cells[index + 1].begin : table->text.size;

    return (struct text){ buf_peek(&table->text).data + begin, end - begin };
}

static size_t narrowest(const struct table *table, const struct layout *layout, size_t column)
{
    size_t least = table->columns[column].columns_min;
    size_t width = layout->widths[column];

    return least > 0 && least < width ? least : width;
}

static size_t total_width(const struct table *table, const struct layout *layout, bool is_narrowest)
{
    size_t total = 0;

    for (size_t i = 0; i < table->column_count; i++) {
        if (!layout->is_shown[i]) continue;
        total += (is_narrowest ? narrowest(table, layout, i) : layout->widths[i]) + GAP;
    }
    return total > 0 ? total - GAP : 0;
}

static bool leave_one_out(const struct table *table, struct layout *layout)
{
    size_t found = table->column_count;

    for (size_t i = 0; i < table->column_count; i++) {
        if (!layout->is_shown[i] || table->columns[i].rank == 0) continue;
        if (found == table->column_count || table->columns[i].rank > table->columns[found].rank) {
            found = i;
        }
    }
    if (found == table->column_count) return false;
    layout->is_shown[found] = false;
    return true;
}

/* In the order of their ranks, so that what matters more is asked first. */
static void bring_back(const struct table *table, struct layout *layout)
{
    for (unsigned rank = 1; rank <= UINT8_MAX; rank++) {
        for (size_t i = 0; i < table->column_count; i++) {
            if (layout->is_shown[i] || table->columns[i].rank != rank) continue;
            layout->is_shown[i] = true;
            layout->is_shown[i] = total_width(table, layout, true) <= table->screen->width;
        }
    }
}

/* The widest; but first the one whose texts are not lost by it. */
static bool cut_one(const struct table *table, struct layout *layout)
{
    size_t found = table->column_count;

    for (size_t i = 0; i < table->column_count; i++) {
        if (!layout->is_shown[i] || narrowest(table, layout, i) == layout->widths[i]) continue;
        if (found == table->column_count || layout->widths[i] > layout->widths[found]) found = i;
        if (table->columns[i].goes_below) {
            found = i;
            break;
        }
    }
    if (found == table->column_count) return false;
    layout->widths[found]--;
    return true;
}

static void lay_out(const struct table *table, struct layout *layout)
{
    for (size_t i = 0; i < table->column_count; i++) {
        layout->is_shown[i] = true;
        layout->widths[i] = screen_columns(table->screen, text_of(table->columns[i].title));
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = screen_columns(table->screen, cell_text(table, i));
        size_t *widest = &layout->widths[i % table->column_count];

        if (width > *widest) *widest = width;
    }
    if (table->screen->is_endless) return;
    while (total_width(table, layout, true) > table->screen->width && leave_one_out(table, layout))
        continue;
    bring_back(table, layout);
    while (total_width(table, layout, false) > table->screen->width && cut_one(table, layout))
        continue;
}

static void put_below(const struct table *table, struct text text, struct buf *line)
{
    while (line->size > 0 && line->data[line->size - 1] == ' ') {
        buf_shrink(line, line->size - 1);
    }
    (void)buf_text(line, TEXT("\n"));
    put_blanks(line, BELOW_INDENT);
    screen_wrap(table->screen, text, table->screen->width - BELOW_INDENT, BELOW_INDENT, line);
}

static void put_cell(const struct table *table, size_t column, size_t width, struct text text,
                     enum paint paint, struct buf *line)
{
    const struct table_column *form = &table->columns[column];
    OWN(buf_done) struct buf fitted = BUF_INIT(TABLE_SIZE_MAX);
    size_t used;

    if (form->goes_below && screen_columns(table->screen, text) > width) {
        put_below(table, text, line);
        return;
    }
    screen_fit(table->screen, text, width, form->fit, &fitted);
    used = screen_columns(table->screen, buf_peek(&fitted));
    if (form->is_right && used < width) put_blanks(line, width - used);
    screen_paint(table->screen, paint, buf_peek(&fitted), line);
    if (!form->is_right && used < width) put_blanks(line, width - used);
}

static void end_line(struct buf *line, struct buf *to)
{
    struct text text = buf_peek(line);

    while (text.size > 0 && text.data[text.size - 1] == ' ') {
        text.size--;
    }
    (void)buf_text(to, text);
    (void)buf_text(to, TEXT("\n"));
    buf_reset(line);
}

static void name_what_is_left_out(const struct table *table, const struct layout *layout,
                                  struct buf *note)
{
    const char *separator = "";

    for (size_t i = 0; i < table->column_count; i++) {
        if (layout->is_shown[i]) continue;
        if (!*separator) {
            (void)buf_printf(note, "left out at %u columns: ", table->screen->width);
        }
        (void)buf_printf(note, "%s%s", separator, table->columns[i].title);
        separator = ", ";
    }
    if (*separator) (void)buf_text(note, TEXT(" (COLUMNS=200 makes room)"));
}

void table_print(const struct table *table, struct buf *to, struct buf *note)
{
    OWN(buf_done) struct buf line = BUF_INIT(TABLE_SIZE_MAX);
    struct layout layout;

    CHECK(table->cell_count % table->column_count == 0);
    lay_out(table, &layout);
    for (size_t i = 0; i < table->column_count; i++) {
        if (!layout.is_shown[i]) continue;
        if (line.size > 0) put_blanks(&line, GAP);
        put_cell(table, i, layout.widths[i], text_of(table->columns[i].title), PAINT_BOLD, &line);
    }
    end_line(&line, to);
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;

        if (layout.is_shown[column]) {
            if (line.size > 0) put_blanks(&line, GAP);
            put_cell(table, column, layout.widths[column], cell_text(table, i),
                     table->cells[i].paint, &line);
        }
        if (column + 1 == table->column_count) end_line(&line, to);
    }
    if (note) name_what_is_left_out(table, &layout, note);
}
