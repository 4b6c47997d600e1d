/* SPDX-License-Identifier: Apache-2.0 */
/* tree_rows.c: a walk from the root; every node that is shown becomes a row: its node, the guide
 * that is drawn before its name, and whether it lies on the hot path (the heaviest callee of the
 * heaviest callee). What is folded becomes a row too, without a node.
 *
 * A node's weight decides order and folding: its total, or, in a comparison, the largest
 * difference at or below it, so that no difference hides under a caller where it cancels out. */
#include "tools/cli/screen/tree_rows.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "tools/cli/link/field.h"

#include <math.h>
#include <stdlib.h>

enum {
    STEM_SHOWN = 5,      /* frames before the first fork that stay: one's own code is there */
    STEM_FOLDED_MIN = 3, /* fewer frames than this are not worth a fold */
    TEXT_SIZE_MAX = 256 * 1024 * 1024,
};

double node_difference(const json_t *node)
{
    return field_amount(node, "other_ms") - field_amount(node, "base_ms");
}

static double node_weight(const struct tree_rows *rows, const json_t *node)
{
    const json_t *children = field_array(node, "children");
    double weight;
    size_t i;
    const json_t *child;

    if (!rows->is_diff) return field_amount(node, "total_ms");
    weight = fabs(node_difference(node));
    json_array_foreach(children, i, child)
    {
        weight = fmax(weight, node_weight(rows, child));
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
static struct callee *callees_new(const struct tree_rows *rows, const json_t *node,
                                  size_t *ret_count)
{
    const json_t *children = field_array(node, "children");
    size_t count = json_array_size(children);
    struct callee *callees = mem_zalloc(count + 1, sizeof *callees);

    for (size_t i = 0; i < count; i++) {
        callees[i].node = json_array_get(children, i);
        callees[i].weight = node_weight(rows, callees[i].node);
        callees[i].index = i;
    }
    qsort(callees, count, sizeof *callees, heavier_first);
    *ret_count = count;
    return callees;
}

static struct row *add_row(struct tree_rows *rows, struct text guide, const char *branch)
{
    struct row *row;

    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 256;
        rows->rows = mem_grow(rows->rows, rows->capacity * sizeof *rows->rows);
    }
    row = &rows->rows[rows->count++];
    *row = (struct row){ .guide = rows->guides.size };
    (void)buf_text(&rows->guides, guide);
    (void)buf_text(&rows->guides, text_of(branch));
    row->guide_size = rows->guides.size - row->guide;
    return row;
}

static const char *guide_of(const struct tree_rows *rows, bool is_last, bool is_branch)
{
    if (!rows->screen->has_utf8) return is_branch ? (is_last ? "`-" : "|-") : is_last ? "  " : "| ";
    if (is_branch) return is_last ? "\u2514 " : "\u251c ";
    return is_last ? "  " : "\u2502 ";
}

static void add_fold(struct tree_rows *rows, struct text guide, const struct callee *callees,
                     size_t count)
{
    struct row *row = add_row(rows, guide, guide_of(rows, true, true));
    double ms = 0;

    for (size_t i = 0; i < count; i++) {
        ms = rows->is_diff ? fmax(ms, callees[i].weight) : ms + callees[i].weight;
    }
    row->count = count;
    row->ms = ms;
    rows->folded.branch_count += count;
    rows->folded.ms = rows->is_diff ? fmax(rows->folded.ms, ms) : rows->folded.ms + ms;
}

static void add_node(struct tree_rows *rows, const json_t *node, struct text guide,
                     const char *branch, const char *below, bool is_hot);

/* What a node calls: alone, straight below it; several, as branches. */
static void add_callees(struct tree_rows *rows, const json_t *node, struct text guide, bool is_hot)
{
    size_t count, shown = 0;
    OWN(mem_freep) struct callee *callees = callees_new(rows, node, &count);

    while (shown < count && callees[shown].weight >= rows->weight_min) {
        shown++;
    }
    if (count == 1 && shown == 1) {
        add_node(rows, callees[0].node, guide, "", "", is_hot);
        return;
    }
    for (size_t i = 0; i < shown; i++) {
        bool is_last = i + 1 == count;

        add_node(rows, callees[i].node, guide, guide_of(rows, is_last, true),
                 guide_of(rows, is_last, false), is_hot && i == 0);
    }
    if (shown < count) add_fold(rows, guide, callees + shown, count - shown);
}

static void add_node(struct tree_rows *rows, const json_t *node, struct text guide,
                     const char *branch, const char *below, bool is_hot)
{
    OWN(buf_done) struct buf deeper = BUF_INIT(TEXT_SIZE_MAX);
    struct row *row = add_row(rows, guide, branch);

    row->node = node;
    row->is_hot = is_hot;
    (void)buf_text(&deeper, guide);
    (void)buf_text(&deeper, text_of(below));
    add_callees(rows, node, buf_peek(&deeper), is_hot);
}

/* The only callee of a node that did nothing else, or NULL. */
static const json_t *only_callee(const struct tree_rows *rows, const json_t *node)
{
    const json_t *children = field_array(node, "children");

    if (json_array_size(children) != 1) return NULL;
    if (!rows->is_diff && field_amount(node, "self_ms") >= 0.5) return NULL;
    return json_array_get(children, 0);
}

/* How many frames there are before the first fork. */
static size_t stem_count(const struct tree_rows *rows, const json_t *root)
{
    const json_t *node = root;
    size_t count = 0;

    while ((node = only_callee(rows, node)) != NULL) {
        count++;
    }
    return count;
}

/* The outer frames before the first fork become one row; returns the node that they lead to. */
static const json_t *add_stem(struct tree_rows *rows, const json_t *root)
{
    size_t count = stem_count(rows, root);
    const json_t *node = root;
    struct row *row;

    if (count < STEM_SHOWN + STEM_FOLDED_MIN || rows->weight_min <= 0) return root;
    count -= STEM_SHOWN;
    for (size_t i = 0; i <= count; i++) {
        node = only_callee(rows, node);
    }
    row = add_row(rows, TEXT(""), "");
    row->node = root;
    row->is_stem = true;
    row->is_hot = true;
    row->count = count;
    rows->folded.stem_count = count;
    return node;
}

void tree_rows_add(struct tree_rows *rows, const json_t *root)
{
    const json_t *from;

    rows->guides = BUF_INIT(TEXT_SIZE_MAX);
    from = add_stem(rows, root);
    if (from != root) {
        add_node(rows, from, TEXT(""), "", "", true);
        return;
    }
    add_callees(rows, root, TEXT(""), true);
}

void tree_rows_done(struct tree_rows *rows)
{
    free(rows->rows);
    buf_done(&rows->guides);
}
