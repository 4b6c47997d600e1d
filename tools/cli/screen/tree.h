/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h: an analysis as text: the call tree, or the comparison of two.
 *
 * Rows are callers above callees, heaviest first. A callee that is alone stands under its caller
 * without a step to the right; steps are taken where the tree forks. What is below `percent_min`
 * of the whole is folded, per caller, with its count and time; the frames before the first fork
 * fold into one row. With percent_min 0 nothing is folded.
 *
 * All times are in ms and add up: total = cpu + queue + wait, and the self times below a node
 * and its own are its total. */
#ifndef STAKEOUT_TOOLS_CLI_SCREEN_TREE_H
#define STAKEOUT_TOOLS_CLI_SCREEN_TREE_H

#include "tools/cli/screen/screen.h"

#include <jansson.h>

struct tree_folded {
    size_t branch_count; /* callees below percent_min, with all below them */
    double ms;           /* their time */
    size_t stem_count;   /* frames before the first fork */
};

/* The columns: total ms, share, self, cpu, queue, wait, function. */
void tree_print(const struct screen *screen, const json_t *analysis, double percent_min,
                struct buf *to, struct tree_folded *ret);

/* The columns: base ms, other ms, difference, function. Branches in which no difference reaches
 * percent_min of the larger whole are folded; ret->ms is then the largest difference in them. */
void tree_print_diff(const struct screen *screen, const json_t *analysis, double percent_min,
                     struct buf *to, struct tree_folded *ret);

#endif
