/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c: the call tree as text.
 *
 * ALGORITHM (1) tree_rows.c says what is shown. (2) Measure the figures of all rows; a column is as
 * wide as its widest figure. (3) Print; names take the columns that are left, and a guide never
 * more than half of them. */
#include "tools/cli/screen/tree.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/screen/frame.h"
#include "tools/cli/screen/tree_rows.h"

#include <math.h>
#include <string.h>

enum { FIGURES_MAX = 6 };

struct figure {
    const char *title;
    const char *field; /* NULL: a share, or a difference */
    bool is_time;
};

struct tree {
    struct tree_rows rows;
    const json_t *frames;
    double whole_ms;
};

static const struct figure call_figures[] = {
    { "total", "total_ms", true }, { "%", NULL, false },          { "self", "self_ms", true },
    { "cpu", "cpu_ms", true },     { "queue", "queue_ms", true }, { "wait", "wait_ms", true },
};

static const struct figure diff_figures[] = {
    { "base", "base_ms", true },
    { "other", "other_ms", true },
    { "difference", NULL, false },
};

static void put_figure(const struct tree *tree, const struct figure *figure, const json_t *node,
                       struct buf *to)
{
    if (figure->is_time) {
        format_column_ms(tree->rows.screen, field_amount(node, figure->field), to);
    } else if (tree->rows.is_diff) {
        format_column_difference_ms(tree->rows.screen, node_difference(node), to);
    } else {
        format_share(field_amount(node, "total_ms"), tree->whole_ms, to);
    }
}

struct columns {
    const struct figure *figures;
    size_t count;
    size_t widths[FIGURES_MAX];
    size_t names; /* what is left */
};

static void measure(const struct tree *tree, struct columns *ret)
{
    OWN(buf_done) struct buf figure = BUF_INIT(256);
    size_t used = 0;

    ret->figures = tree->rows.is_diff ? diff_figures : call_figures;
    ret->count = tree->rows.is_diff ? ARRAY_COUNT(diff_figures) : ARRAY_COUNT(call_figures);
    for (size_t i = 0; i < ret->count; i++) {
        ret->widths[i] = strlen(ret->figures[i].title);
        for (size_t j = 0; j < tree->rows.count; j++) {
            size_t width;

            if (!tree->rows.rows[j].node) continue;
            buf_reset(&figure);
            put_figure(tree, &ret->figures[i], tree->rows.rows[j].node, &figure);
            width = screen_columns(tree->rows.screen, buf_peek(&figure));
            if (width > ret->widths[i]) ret->widths[i] = width;
        }
        used += ret->widths[i] + 1;
    }
    used++;
    ret->names = tree->rows.screen->width > used + FRAME_COLUMNS_MIN
                     ? tree->rows.screen->width - used
                     : FRAME_COLUMNS_MIN;
}

static void put_right(const struct tree *tree, struct text text, size_t width, enum paint paint,
                      struct buf *to)
{
    size_t used = screen_columns(tree->rows.screen, text);

    if (used < width) put_blanks(to, width - used);
    screen_paint(tree->rows.screen, paint, text, to);
}

static enum paint figure_paint(const struct tree *tree, const struct row *row, size_t column)
{
    if (!tree->rows.is_diff) return row->is_hot && column == 0 ? PAINT_BOLD : PAINT_NONE;
    if (column != 2 || fabs(node_difference(row->node)) < tree->rows.weight_min) return PAINT_NONE;
    return node_difference(row->node) < 0 ? PAINT_LESS : PAINT_MORE;
}

static void put_figures(const struct tree *tree, const struct columns *columns,
                        const struct row *row, struct buf *to)
{
    OWN(buf_done) struct buf figure = BUF_INIT(256);

    for (size_t i = 0; i < columns->count; i++) {
        buf_reset(&figure);
        if (row->node) put_figure(tree, &columns->figures[i], row->node, &figure);
        if (!row->node && columns->figures[i].is_time && i == 0 && !tree->rows.is_diff)
            format_column_ms(tree->rows.screen, row->ms, &figure);
        put_right(tree, buf_peek(&figure), columns->widths[i],
                  row->node ? figure_paint(tree, row, i) : PAINT_DIM, to);
        put_blanks(to, 1);
    }
    put_blanks(to, 1);
}

/* The guide, its left end cut where it would take more than half of the columns. */
static size_t put_guide(const struct tree *tree, const struct row *row, size_t columns,
                        struct buf *to)
{
    struct text guide = { buf_peek(&tree->rows.guides).data + row->guide, row->guide_size };
    size_t used = screen_columns(tree->rows.screen, guide);
    size_t step = tree->rows.screen->has_utf8 ? 0 : GUIDE_COLUMNS;

    while (used > columns / 2 && guide.size > 0) {
        size_t bytes = step;

        /* A step is one guide character and a blank, or two blanks. */
        if (bytes == 0) bytes = guide.data[0] == ' ' ? 2 : strlen("\u2502 ");
        guide = (struct text){ guide.data + bytes, guide.size - bytes };
        used -= GUIDE_COLUMNS;
    }
    screen_paint(tree->rows.screen, PAINT_DIM, guide, to);
    return used;
}

static void put_fold(const struct tree *tree, const struct row *row, struct buf *to)
{
    OWN(buf_done) struct buf says = BUF_INIT(512);

    if (row->is_stem) {
        (void)buf_printf(&says, "(%zu common frames)", row->count);
    } else if (tree->rows.is_diff) {
        (void)buf_printf(&says, "(%zu more, differing by ", row->count);
        format_time(tree->rows.screen, row->ms, &says);
        (void)buf_text(&says, TEXT(" at most)"));
    } else {
        (void)buf_printf(&says, "(%zu more, ", row->count);
        format_share(row->ms, tree->whole_ms, &says);
        (void)buf_text(&says, TEXT(")"));
    }
    screen_paint(tree->rows.screen, PAINT_DIM, buf_peek(&says), to);
}

static void put_titles(const struct tree *tree, const struct columns *columns, struct buf *to)
{
    for (size_t i = 0; i < columns->count; i++) {
        put_right(tree, text_of(columns->figures[i].title), columns->widths[i], PAINT_BOLD, to);
        put_blanks(to, 1);
    }
    put_blanks(to, 1);
    screen_paint(tree->rows.screen, PAINT_BOLD, TEXT("function"), to);
    (void)buf_text(to, TEXT("\n"));
}

static void put_row(const struct tree *tree, const struct columns *columns, const struct row *row,
                    struct buf *to)
{
    size_t guide;

    put_figures(tree, columns, row, to);
    guide = put_guide(tree, row, columns->names, to);
    if (row->is_stem || !row->node) {
        put_fold(tree, row, to);
    } else {
        (void)frame_put(tree->rows.screen,
                        frame_at(tree->frames, json_object_get(row->node, "frame")),
                        columns->names - guide, row->is_hot ? PAINT_BOLD : PAINT_NONE, to);
    }
    (void)buf_text(to, TEXT("\n"));
}

static void print(struct tree *tree, const json_t *analysis, struct buf *to)
{
    struct columns columns = { 0 };

    tree->frames = field_array(analysis, "frames");
    tree_rows_add(&tree->rows, json_object_get(analysis, "tree"));
    measure(tree, &columns);
    put_titles(tree, &columns, to);
    for (size_t i = 0; i < tree->rows.count; i++) {
        put_row(tree, &columns, &tree->rows.rows[i], to);
    }
    tree_rows_done(&tree->rows);
}

void tree_print(const struct screen *screen, const json_t *analysis, double percent_min,
                struct buf *to, struct tree_folded *ret)
{
    struct tree tree = { .rows = { .screen = screen } };

    tree.whole_ms = field_amount(json_object_get(analysis, "tree"), "total_ms");
    tree.rows.weight_min = tree.whole_ms * percent_min / 100;
    print(&tree, analysis, to);
    *ret = tree.rows.folded;
}

void tree_print_diff(const struct screen *screen, const json_t *analysis, double percent_min,
                     struct buf *to, struct tree_folded *ret)
{
    const json_t *root = json_object_get(analysis, "tree");
    struct tree tree = { .rows = { .screen = screen, .is_diff = true } };

    tree.whole_ms = fmax(field_amount(root, "base_ms"), field_amount(root, "other_ms"));
    tree.rows.weight_min = tree.whole_ms * percent_min / 100;
    print(&tree, analysis, to);
    *ret = tree.rows.folded;
}
