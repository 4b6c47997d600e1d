/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c: the call tree as rows of text.
 *
 * ALGORITHM (1) Walk the tree from the root; every node that is shown becomes a row: its node,
 * the guide that is drawn before its name, and whether it lies on the hot path (the heaviest
 * callee of the heaviest callee). What is folded becomes a row too, without a node. (2) Measure
 * the figures of all rows; a column is as wide as its widest figure. (3) Print; names take the
 * columns that are left, and a guide never more than half of them.
 *
 * A node's weight decides order and folding: its total, or, in a comparison, the largest
 * difference at or below it, so that no difference hides under a caller where it cancels out. */
#include "tools/cli/screen/tree.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/screen/frame.h"
#include "tools/cli/screen/table.h"

#include <math.h>
#include <string.h>

enum {
    FIGURES_MAX = 6,
    GUIDE_COLUMNS = 2,
    NAME_COLUMNS_MIN = 20,
    STEM_SHOWN = 5,      /* frames before the first fork that stay: one's own code is there */
    STEM_FOLDED_MIN = 3, /* fewer frames than this are not worth a fold */
    TEXT_SIZE_MAX = 256 * 1024 * 1024,
};

struct row {
    const json_t *node;       /* NULL: a fold */
    size_t guide, guide_size; /* in guides */
    size_t count;             /* of a fold: branches, or frames of the stem */
    double ms;                /* of a fold */
    bool is_hot;
    bool is_stem;
};

struct figure {
    const char *title;
    const char *field; /* NULL: a share, or a difference */
    bool is_time;
};

struct tree {
    const struct screen *screen;
    const json_t *frames;
    bool is_diff;
    double whole_ms, weight_min;
    struct row *rows;
    size_t row_count, row_capacity;
    struct buf guides;
    struct tree_folded folded;
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

static double known(double value)
{
    return isnan(value) ? 0 : value;
}

static double difference(const json_t *node)
{
    return known(field_number(node, "other_ms")) - known(field_number(node, "base_ms"));
}

static double node_weight(const struct tree *tree, const json_t *node)
{
    const json_t *children = field_array(node, "children");
    double weight;
    size_t i;
    const json_t *child;

    if (!tree->is_diff) return known(field_number(node, "total_ms"));
    weight = fabs(difference(node));
    json_array_foreach(children, i, child)
    {
        weight = fmax(weight, node_weight(tree, child));
    }
    return weight;
}

struct callee {
    const json_t *node;
    double weight;
    size_t index; /* among its siblings: the order of equals */
};

static int heavier_first(const void *left_pointer, const void *right_pointer)
{
    const struct callee *left = left_pointer, *right = right_pointer;

    if (left->weight != right->weight) return left->weight < right->weight ? 1 : -1;
    return left->index < right->index ? -1 : 1;
}

/* The callees of a node, heaviest first; the caller frees. */
static struct callee *callees_new(const struct tree *tree, const json_t *node, size_t *ret_count)
{
    const json_t *children = field_array(node, "children");
    size_t count = json_array_size(children);
    struct callee *callees = mem_zalloc(count + 1, sizeof *callees);

    for (size_t i = 0; i < count; i++) {
        callees[i].node = json_array_get(children, i);
        callees[i].weight = node_weight(tree, callees[i].node);
        callees[i].index = i;
    }
    qsort(callees, count, sizeof *callees, heavier_first);
    *ret_count = count;
    return callees;
}

static struct row *add_row(struct tree *tree, struct text guide, const char *branch)
{
    struct row *row;

    if (tree->row_count == tree->row_capacity) {
        tree->row_capacity = tree->row_capacity ? tree->row_capacity * 2 : 256;
        tree->rows = mem_grow(tree->rows, tree->row_capacity * sizeof *tree->rows);
    }
    row = &tree->rows[tree->row_count++];
    *row = (struct row){ .guide = tree->guides.size };
    (void)buf_text(&tree->guides, guide);
    (void)buf_text(&tree->guides, text_of(branch));
    row->guide_size = tree->guides.size - row->guide;
    return row;
}

static const char *guide_of(const struct tree *tree, bool is_last, bool is_branch)
{
    if (!tree->screen->has_utf8) return is_branch ? (is_last ? "`-" : "|-") : is_last ? "  " : "| ";
    if (is_branch) return is_last ? "\u2514 " : "\u251c ";
    return is_last ? "  " : "\u2502 ";
}

static void add_fold(struct tree *tree, struct text guide, const struct callee *callees,
                     size_t count)
{
    struct row *row = add_row(tree, guide, guide_of(tree, true, true));
    double ms = 0;

    for (size_t i = 0; i < count; i++) {
        ms = tree->is_diff ? fmax(ms, callees[i].weight) : ms + callees[i].weight;
    }
    row->count = count;
    row->ms = ms;
    tree->folded.branch_count += count;
    tree->folded.ms = tree->is_diff ? fmax(tree->folded.ms, ms) : tree->folded.ms + ms;
}

static void add_node(struct tree *tree, const json_t *node, struct text guide, const char *branch,
                     const char *below, bool is_hot);

/* What a node calls: alone, straight below it; several, as branches. */
static void add_callees(struct tree *tree, const json_t *node, struct text guide, bool is_hot)
{
    size_t count, shown = 0;
    OWN(mem_freep) struct callee *callees = callees_new(tree, node, &count);

    while (shown < count && callees[shown].weight >= tree->weight_min) {
        shown++;
    }
    if (count == 1 && shown == 1) {
        add_node(tree, callees[0].node, guide, "", "", is_hot);
        return;
    }
    for (size_t i = 0; i < shown; i++) {
        bool is_last = i + 1 == count;

        add_node(tree, callees[i].node, guide, guide_of(tree, is_last, true),
                 guide_of(tree, is_last, false), is_hot && i == 0);
    }
    if (shown < count) add_fold(tree, guide, callees + shown, count - shown);
}

static void add_node(struct tree *tree, const json_t *node, struct text guide, const char *branch,
                     const char *below, bool is_hot)
{
    OWN(buf_done) struct buf deeper = BUF_INIT(TEXT_SIZE_MAX);
    struct row *row = add_row(tree, guide, branch);

    row->node = node;
    row->is_hot = is_hot;
    (void)buf_text(&deeper, guide);
    (void)buf_text(&deeper, text_of(below));
    add_callees(tree, node, buf_peek(&deeper), is_hot);
}

/* The only callee of a node that did nothing else, or NULL. */
static const json_t *only_callee(const struct tree *tree, const json_t *node)
{
    const json_t *children = field_array(node, "children");

    if (json_array_size(children) != 1) return NULL;
    if (!tree->is_diff && known(field_number(node, "self_ms")) >= 0.5) return NULL;
    return json_array_get(children, 0);
}

/* How many frames there are before the first fork. */
static size_t stem_count(const struct tree *tree, const json_t *root)
{
    const json_t *node = root;
    size_t count = 0;

    while ((node = only_callee(tree, node)) != NULL) {
        count++;
    }
    return count;
}

/* The outer frames before the first fork become one row; returns the node that they lead to. */
static const json_t *add_stem(struct tree *tree, const json_t *root)
{
    size_t count = stem_count(tree, root);
    const json_t *node = root;
    struct row *row;

    if (count < STEM_SHOWN + STEM_FOLDED_MIN || tree->weight_min <= 0) return root;
    count -= STEM_SHOWN;
    for (size_t i = 0; i <= count; i++) {
        node = only_callee(tree, node);
    }
    row = add_row(tree, TEXT(""), "");
    row->node = root;
    row->is_stem = true;
    row->is_hot = true;
    row->count = count;
    tree->folded.stem_count = count;
    return node;
}

static void add_rows(struct tree *tree, const json_t *root)
{
    const json_t *from = add_stem(tree, root);

    if (from != root) {
        add_node(tree, from, TEXT(""), "", "", true);
        return;
    }
    add_callees(tree, root, TEXT(""), true);
}

static void put_figure(const struct tree *tree, const struct figure *figure, const json_t *node,
                       struct buf *to)
{
    if (figure->is_time) {
        format_column_ms(tree->screen, known(field_number(node, figure->field)), to);
    } else if (tree->is_diff) {
        format_column_difference_ms(tree->screen, difference(node), to);
    } else {
        format_share(known(field_number(node, "total_ms")), tree->whole_ms, to);
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

    ret->figures = tree->is_diff ? diff_figures : call_figures;
    ret->count = tree->is_diff ? ARRAY_COUNT(diff_figures) : ARRAY_COUNT(call_figures);
    for (size_t i = 0; i < ret->count; i++) {
        ret->widths[i] = strlen(ret->figures[i].title);
        for (size_t j = 0; j < tree->row_count; j++) {
            size_t width;

            if (!tree->rows[j].node) continue;
            buf_reset(&figure);
            put_figure(tree, &ret->figures[i], tree->rows[j].node, &figure);
            width = screen_columns(tree->screen, buf_peek(&figure));
            if (width > ret->widths[i]) ret->widths[i] = width;
        }
        used += ret->widths[i] + 1;
    }
    used++;
    ret->names = tree->screen->width > used + NAME_COLUMNS_MIN ? tree->screen->width - used
                                                               : NAME_COLUMNS_MIN;
}

static void put_right(const struct tree *tree, struct text text, size_t width, enum paint paint,
                      struct buf *to)
{
    size_t used = screen_columns(tree->screen, text);

    if (used < width) put_blanks(to, width - used);
    screen_paint(tree->screen, paint, text, to);
}

static enum paint figure_paint(const struct tree *tree, const struct row *row, size_t column)
{
    if (!tree->is_diff) return row->is_hot && column == 0 ? PAINT_BOLD : PAINT_NONE;
    if (column != 2 || fabs(difference(row->node)) < tree->weight_min) return PAINT_NONE;
    return difference(row->node) < 0 ? PAINT_LESS : PAINT_MORE;
}

static void put_figures(const struct tree *tree, const struct columns *columns,
                        const struct row *row, struct buf *to)
{
    OWN(buf_done) struct buf figure = BUF_INIT(256);

    for (size_t i = 0; i < columns->count; i++) {
        buf_reset(&figure);
        if (row->node) put_figure(tree, &columns->figures[i], row->node, &figure);
        if (!row->node && columns->figures[i].is_time && i == 0 && !tree->is_diff)
            format_column_ms(tree->screen, row->ms, &figure);
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
    struct text guide = { buf_peek(&tree->guides).data + row->guide, row->guide_size };
    size_t used = screen_columns(tree->screen, guide);
    size_t step = tree->screen->has_utf8 ? 0 : GUIDE_COLUMNS;

    while (used > columns / 2 && guide.size > 0) {
        size_t bytes = step;

        /* A step is one guide character and a blank, or two blanks. */
        if (bytes == 0) bytes = guide.data[0] == ' ' ? 2 : strlen("\u2502 ");
        guide = (struct text){ guide.data + bytes, guide.size - bytes };
        used -= GUIDE_COLUMNS;
    }
    screen_paint(tree->screen, PAINT_DIM, guide, to);
    return used;
}

static void put_fold(const struct tree *tree, const struct row *row, struct buf *to)
{
    OWN(buf_done) struct buf says = BUF_INIT(512);

    if (row->is_stem) {
        (void)buf_printf(&says, "(%zu common frames)", row->count);
    } else if (tree->is_diff) {
        (void)buf_printf(&says, "(%zu more, differing by ", row->count);
        format_time(tree->screen, row->ms, &says);
        (void)buf_text(&says, TEXT(" at most)"));
    } else {
        (void)buf_printf(&says, "(%zu more, ", row->count);
        format_share(row->ms, tree->whole_ms, &says);
        (void)buf_text(&says, TEXT(")"));
    }
    screen_paint(tree->screen, PAINT_DIM, buf_peek(&says), to);
}

static void put_titles(const struct tree *tree, const struct columns *columns, struct buf *to)
{
    for (size_t i = 0; i < columns->count; i++) {
        put_right(tree, text_of(columns->figures[i].title), columns->widths[i], PAINT_BOLD, to);
        put_blanks(to, 1);
    }
    put_blanks(to, 1);
    screen_paint(tree->screen, PAINT_BOLD, TEXT("function"), to);
    (void)buf_text(to, TEXT("\n"));
}

static const json_t *frame_at(const json_t *frames, const json_t *index)
{
    if (!json_is_integer(index) || json_integer_value(index) < 0) return NULL;
    return json_array_get(frames, (size_t)json_integer_value(index));
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
        (void)frame_put(tree->screen, frame_at(tree->frames, json_object_get(row->node, "frame")),
                        columns->names - guide, row->is_hot ? PAINT_BOLD : PAINT_NONE, to);
    }
    (void)buf_text(to, TEXT("\n"));
}

static void print(struct tree *tree, const json_t *analysis, struct buf *to)
{
    struct columns columns = { 0 };

    tree->frames = field_array(analysis, "frames");
    tree->guides = BUF_INIT(TEXT_SIZE_MAX);
    add_rows(tree, json_object_get(analysis, "tree"));
    measure(tree, &columns);
    put_titles(tree, &columns, to);
    for (size_t i = 0; i < tree->row_count; i++) {
        put_row(tree, &columns, &tree->rows[i], to);
    }
    free(tree->rows);
    buf_done(&tree->guides);
}

void tree_print(const struct screen *screen, const json_t *analysis, double percent_min,
                struct buf *to, struct tree_folded *ret)
{
    struct tree tree = { .screen = screen };

    tree.whole_ms = known(field_number(json_object_get(analysis, "tree"), "total_ms"));
    tree.weight_min = tree.whole_ms * percent_min / 100;
    print(&tree, analysis, to);
    *ret = tree.folded;
}

void tree_print_diff(const struct screen *screen, const json_t *analysis, double percent_min,
                     struct buf *to, struct tree_folded *ret)
{
    const json_t *root = json_object_get(analysis, "tree");
    struct tree tree = { .screen = screen, .is_diff = true };

    tree.whole_ms =
        fmax(known(field_number(root, "base_ms")), known(field_number(root, "other_ms")));
    tree.weight_min = tree.whole_ms * percent_min / 100;
    print(&tree, analysis, to);
    *ret = tree.folded;
}

static void put_hot_row(const struct screen *screen, const json_t *frames, const json_t *spot,
                        double whole_ms, struct table *table)
{
    enum { FIGURES_COLUMNS = 34 };
    size_t room = screen->width > FIGURES_COLUMNS + NAME_COLUMNS_MIN
                      ? screen->width - FIGURES_COLUMNS
                      : NAME_COLUMNS_MIN;
    double self_ms = known(field_number(spot, "self_ms"));
    double total_ms = known(field_number(spot, "total_ms"));
    struct screen plain = *screen;

    plain.has_colour = false; /* a cell is measured by its characters */
    format_column_ms(screen, self_ms, table_cell(table));
    format_share(self_ms, whole_ms, table_cell(table));
    format_column_ms(screen, total_ms, table_cell(table));
    format_share(total_ms, whole_ms, table_cell(table));
    (void)frame_put(&plain, frame_at(frames, json_object_get(spot, "frame")), room, PAINT_NONE,
                    table_cell(table));
}

size_t tree_print_hot(const struct screen *screen, const json_t *analysis, size_t max,
                      struct buf *to)
{
    static const struct table_column columns[] = {
        { .title = "self", .is_right = true },
        { .title = "%", .is_right = true },
        { .title = "total", .is_right = true },
        { .title = "%", .is_right = true },
        { .title = "function", .columns_min = NAME_COLUMNS_MIN },
    };
    OWN(table_freep) struct table *table = table_new(screen, columns, ARRAY_COUNT(columns));
    const json_t *hot = field_array(analysis, "hot"), *spot;
    double whole_ms = known(field_number(json_object_get(analysis, "tree"), "total_ms"));
    size_t i;

    json_array_foreach(hot, i, spot)
    {
        if (max > 0 && table_row_count(table) == max) break;
        if (max > 0 && known(field_number(spot, "self_ms")) < 0.5) break;
        put_hot_row(screen, field_array(analysis, "frames"), spot, whole_ms, table);
    }
    table_print(table, to, NULL);
    return json_array_size(hot) - table_row_count(table);
}
