/* SPDX-License-Identifier: Apache-2.0 */
/* export_folded.c: collapsed stacks, "outermost;...;innermost MICROSECONDS" in each line.
 *
 * Readers sum lines of the same stack, so one per node with time of its own is enough. What the
 * whole is short of the exact sum for its microseconds is handed on from line to line: the sum
 * of all lines is the listened time in microseconds, rounded down. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/private.h"

#include <inttypes.h>

/* The functions from the root to a node, which are walked upwards. */
static void put_line(const struct analysis *analysis, uint32_t leaf, struct buf *to)
{
    uint32_t way[2 * DEPTH_MAX], depth = 0;

    for (uint32_t at = leaf; at != 0; at = analysis->tree.nodes[at].parent) {
        CHECK(depth < ARRAY_COUNT(way));
        way[depth++] = analysis->tree.nodes[at].symbol;
    }
    if (depth == 0) buf_text(to, TEXT("(no frames)"));
    while (depth-- > 0) {
        const struct shown_symbol *symbol = &analysis->frames.symbols[way[depth]];
        struct text class_name = frame_table_text(&analysis->frames, symbol->class_name);

        if (class_name.size > 0) {
            escape_folded(to, class_name);
            buf_text(to, TEXT("."));
        }
        escape_folded(to, frame_table_text(&analysis->frames, symbol->function));
        if (depth > 0) buf_text(to, TEXT(";"));
    }
}

void export_folded(const struct analysis *analysis, struct text title, struct buf *to)
{
    uint64_t rest_ns = 0;

    (void)title; /* the format has no place for one */
    for (uint32_t i = 0; i < analysis->tree.count; i++) {
        uint64_t self_ns = cost_total(&analysis->tree.nodes[i].self);

        rest_ns += self_ns;
        if (self_ns == 0 || rest_ns < NS_PER_US) continue;
        put_line(analysis, i, to);
        buf_printf(to, " %" PRIu64 "\n", rest_ns / NS_PER_US);
        rest_ns %= NS_PER_US;
    }
}
