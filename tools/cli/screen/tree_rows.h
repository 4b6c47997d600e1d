/* SPDX-License-Identifier: Apache-2.0 */
/* tree_rows.h: which nodes of a call tree are shown, in which order, and what is folded.
 *
 *     struct tree_rows rows = { .screen = screen, .weight_min = 44 };
 *     tree_rows_add(&rows, root);
 *     ... rows.rows[0 .. rows.count - 1] ...
 *     tree_rows_done(&rows);
 *
 * The rows point into the document, which must outlive them. Threads: one. */
#ifndef STAKEOUT_TOOLS_CLI_SCREEN_TREE_ROWS_H
#define STAKEOUT_TOOLS_CLI_SCREEN_TREE_ROWS_H

#include "tools/cli/screen/tree.h"

enum { GUIDE_COLUMNS = 2 };

struct row {
    const json_t *node;       /* NULL: a fold */
    size_t guide, guide_size; /* in guides */
    size_t count;             /* of a fold: branches, or frames of the stem */
    double ms;                /* of a fold */
    bool is_hot;
    bool is_stem;
};

struct tree_rows {
    const struct screen *screen; /* says what the guides may look like */
    bool is_diff;
    double weight_min; /* what weighs less is folded; 0: nothing is */
    struct row *rows;
    size_t count, capacity;
    struct buf guides; /* of all rows, one behind the other */
    struct tree_folded folded;
};

void tree_rows_add(struct tree_rows *rows, const json_t *root);
void tree_rows_done(struct tree_rows *rows);

/* Of a node of a comparison. */
double node_difference(const json_t *node);

#endif
