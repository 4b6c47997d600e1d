/* SPDX-License-Identifier: Apache-2.0 */
/* diff.c: one analysis against another, both as means per call.
 *
 * The trees merge by symbol, with the frames of both in new tables. A mean is a sum divided by
 * the number of calls, which rarely comes out even; so that the means still add up, they are
 * differences of a running sum: with S the sum of all nodes up to and including this one, in
 * their order, the node gets floor(S / n) - floor(S before / n). Each is right to a nanosecond,
 * and together they are floor(whole / n), for each part of the cost. */
#include "common/base/check.h"
#include "scheduler/analysis/private.h"

#include <stdlib.h>
#include <string.h>

/* Divides the own costs of a side's nodes by its number of calls, so that sums stay sums. */
static struct cost *means_new(const struct analysis *side)
{
    struct cost *means = mem_zalloc(side->tree.count, sizeof *means);
    struct cost sum = { 0 };
    uint64_t call_count = side->call_count ? side->call_count : 1;

    for (uint32_t i = 0; i < side->tree.count; i++) {
        struct cost before = sum;

        cost_add(&sum, &side->tree.nodes[i].self);
        for (int part = 0; part < COST_PART_COUNT; part++)
            means[i].ns[part] = sum.ns[part] / call_count - before.ns[part] / call_count;
    }
    return means;
}

/* The nodes of a side within the tree of the comparison, by the side's numbers. */
static uint32_t *nodes_import(struct analysis *diff, const struct analysis *side)
{
    uint32_t *node_of = mem_zalloc(side->tree.count, sizeof *node_of);

    for (uint32_t i = 1; i < side->tree.count; i++) {
        const struct node *node = &side->tree.nodes[i];
        uint32_t frame = frame_table_import(&diff->frames, &side->frames, node->frame);
        uint32_t at =
            tree_child(&diff->tree, node_of[node->parent], frame_symbol(&diff->frames, frame));

        diff->tree.nodes[at].frame = frame; /* of `other`, which comes last, if it has one */
        node_of[i] = at;
    }
    return node_of;
}

/* Own costs of `base` beside the nodes, and totals from them. */
static void base_add_up(struct analysis *diff, const uint32_t *node_of, const struct cost *means,
                        uint32_t count)
{
    diff->base_self = mem_zalloc(diff->tree.count, sizeof *diff->base_self);
    diff->base_total = mem_zalloc(diff->tree.count, sizeof *diff->base_total);
    for (uint32_t i = 0; i < count; i++)
        cost_add(&diff->base_self[node_of[i]], &means[i]);
    memcpy(diff->base_total, diff->base_self, diff->tree.count * sizeof *diff->base_total);
    for (uint32_t i = diff->tree.count - 1; i > 0; i--)
        cost_add(&diff->base_total[diff->tree.nodes[i].parent], &diff->base_total[i]);
}

static void trees_merge(struct analysis *diff, const struct analysis *base,
                        const struct analysis *other)
{
    OWN(mem_freep) uint32_t *base_nodes = nodes_import(diff, base);
    OWN(mem_freep) uint32_t *other_nodes = nodes_import(diff, other);
    OWN(mem_freep) struct cost *base_means = means_new(base);
    OWN(mem_freep) struct cost *other_means = means_new(other);

    for (uint32_t i = 0; i < other->tree.count; i++) {
        struct node *node = &diff->tree.nodes[other_nodes[i]];
        uint64_t below = 0;

        for (uint32_t child = other->tree.nodes[i].first_child; child != 0;
             child = other->tree.nodes[child].next)
            below += other->tree.nodes[child].count;
        cost_add(&node->self, &other_means[i]);
        node->count += other->tree.nodes[i].count - below; /* tree_finish() adds them up again */
    }
    base_add_up(diff, base_nodes, base_means, base->tree.count);
    tree_finish(&diff->tree, &diff->frames);
}

/* ---- hot lists ---- */

static struct hot *hot_row(struct hot *rows, struct tally *keys, uint32_t key, uint32_t frame)
{
    uint32_t row = tally_add(keys, key, 0, 0);

    rows[row].frame = frame;
    return &rows[row];
}

static int hot_compare(const void *left_item, const void *right_item)
{
    const struct hot *left = left_item, *right = right_item;
    uint64_t left_ns = left->self_ns + left->base_self_ns;
    uint64_t right_ns = right->self_ns + right->base_self_ns;

    if (left_ns != right_ns) return left_ns > right_ns ? -1 : 1;
    left_ns = left->total_ns + left->base_total_ns;
    right_ns = right->total_ns + right->base_total_ns;
    if (left_ns != right_ns) return left_ns > right_ns ? -1 : 1;
    return left->frame < right->frame ? -1 : 1;
}

/* Means of a hot list are each rounded down; unlike the tree's they are not summed by anyone. */
static struct hot_list hot_merge(struct analysis *diff, const struct analysis *base,
                                 const struct analysis *other, enum hot_by by)
{
    const struct hot_list *base_list = by == HOT_BY_PLACE ? &base->hot_lines : &base->hot;
    const struct hot_list *other_list = by == HOT_BY_PLACE ? &other->hot_lines : &other->hot;
    OWN(tally_done) struct tally keys = { 0 };
    struct hot_list list = { 0 };

    list.rows = mem_zalloc(base_list->count + other_list->count + 1, sizeof *list.rows);
    for (uint32_t i = 0; i < base_list->count; i++) {
        const struct hot *from = &base_list->rows[i];
        uint32_t frame = frame_table_import(&diff->frames, &base->frames, from->frame);
        struct hot *row = hot_row(list.rows, &keys, hot_key(&diff->frames, frame, by), frame);

        row->base_self_ns = from->self_ns / base->call_count;
        row->base_total_ns = from->total_ns / base->call_count;
    }
    for (uint32_t i = 0; i < other_list->count; i++) {
        const struct hot *from = &other_list->rows[i];
        uint32_t frame = frame_table_import(&diff->frames, &other->frames, from->frame);
        struct hot *row = hot_row(list.rows, &keys, hot_key(&diff->frames, frame, by), frame);

        row->self_ns = from->self_ns / other->call_count;
        row->total_ns = from->total_ns / other->call_count;
    }
    list.count = keys.count;
    qsort(list.rows, list.count, sizeof *list.rows, hot_compare);
    return list;
}

static struct side side_of(const struct analysis *analysis, uint64_t listened_ns)
{
    uint64_t call_count = analysis->call_count ? analysis->call_count : 1;
    uint64_t unobserved_ns = analysis->elapsed_ns - analysis->listened_ns;

    return (struct side){
        .elapsed_ns = listened_ns + unobserved_ns / call_count,
        .listened_ns = listened_ns,
        .frequency_ns = analysis->frequency_ns,
        .snapshot_count = analysis->moment_count,
        .call_count = analysis->call_count,
    };
}

struct analysis *analysis_diff(const struct analysis *base, const struct analysis *other)
{
    struct analysis *diff = mem_zalloc(1, sizeof *diff);

    diff->is_diff = true;
    diff->frequency_ns = other->frequency_ns;
    diff->interval_ns = other->interval_ns;
    diff->noise_ns =
        base->interval_ns > other->interval_ns ? base->interval_ns : other->interval_ns;
    frame_table_init(&diff->frames);
    tree_init(&diff->tree);
    trees_merge(diff, base, other);
    diff->base = side_of(base, cost_total(&diff->base_total[0]));
    diff->other = side_of(other, cost_total(&diff->tree.nodes[0].total));
    diff->elapsed_ns = diff->other.elapsed_ns;
    diff->listened_ns = diff->other.listened_ns;
    diff->hot = hot_merge(diff, base, other, HOT_BY_SYMBOL);
    diff->hot_lines = hot_merge(diff, base, other, HOT_BY_PLACE);
    findings_make_diff(diff, base, other);
    return diff;
}
