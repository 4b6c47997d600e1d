/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c: paths first, one for each way to a line; then nodes, one for each way to a function.
 *
 * Because parents come before children in both arrays, adding up is a loop from the end, and no
 * recursion is needed anywhere, however deep the stacks of a stranger are. */
#include "scheduler/analysis/tree.h"

#include "common/base/check.h"
#include "scheduler/analysis/room.h"

#include <stdlib.h>
#include <string.h>

static const char *const part_names[COST_PART_COUNT] = { "running", "queued", "lock", "network",
                                                         "disk",    "sleep",  "other" };

const char *cost_part_name(enum cost_part part)
{
    CHECK(part < COST_PART_COUNT);
    return part_names[part];
}

/* ---- paths ---- */

void path_table_init(struct path_table *paths)
{
    *paths = (struct path_table){ .row_max = PATHS_MAX };
    room_for_one(&paths->rows, 0, &paths->capacity, sizeof *paths->rows);
    paths->rows[paths->count++] = (struct path){ 0, FRAME_NONE };
}

void path_table_done(struct path_table *paths)
{
    free(paths->rows);
    hash_index_done(&paths->index);
    *paths = (struct path_table){ 0 };
}

static uint32_t path_find(const struct path_table *paths, uint32_t parent, uint32_t frame)
{
    struct hash_walk walk = hash_walk_start(&paths->index, hash_pair(parent, frame));
    uint32_t row;

    while ((row = hash_walk_next(&walk)) != HASH_NONE)
        if (paths->rows[row].parent == parent && paths->rows[row].frame == frame) break;
    return row;
}

static uint32_t path_child(struct path_table *paths, uint32_t parent, uint32_t frame)
{
    uint32_t row = path_find(paths, parent, frame);

    if (row != HASH_NONE) return row;
    room_for_one(&paths->rows, paths->count, &paths->capacity, sizeof *paths->rows);
    paths->rows[paths->count] = (struct path){ parent, frame };
    hash_index_add(&paths->index, hash_pair(parent, frame), paths->count);
    return paths->count++;
}

static uint32_t marker_frame(struct frame_table *table, uint32_t count)
{
    return frame_table_add(table, (struct shown_frame){
                                      .kind = FRAME_MARKER,
                                      .function = frame_table_string(table, TEXT(MARKER_DROPPED)),
                                      .count = count,
                                  });
}

uint32_t path_table_add(struct path_table *paths, struct frame_table *table, const uint32_t *frames,
                        uint32_t count)
{
    uint32_t cut_first = count > DEPTH_MAX ? DEPTH_MAX / 2 : count; /* from the outermost */
    uint32_t cut_last = count > DEPTH_MAX ? count - DEPTH_MAX / 2 : count;
    uint32_t at = 0;

    for (uint32_t depth = 0; depth < count; depth++) {
        uint32_t frame = frames[count - 1 - depth], next;

        if (depth == cut_first) {
            frame = marker_frame(table, cut_last - cut_first);
            depth = cut_last - 1;
        }
        next = path_find(paths, at, frame);
        if (next == HASH_NONE && paths->count >= paths->row_max) {
            /* The count is left out: all that is folded here shares one row. */
            return path_child(paths, at, marker_frame(table, 0));
        }
        at = next != HASH_NONE ? next : path_child(paths, at, frame);
    }
    return at;
}

/* ---- nodes ---- */

void tree_init(struct tree *tree)
{
    *tree = (struct tree){ 0 };
    room_for_one(&tree->nodes, 0, &tree->capacity, sizeof *tree->nodes);
    tree->nodes[tree->count++] = (struct node){ .symbol = FRAME_NONE, .frame = FRAME_NONE };
}

void tree_done(struct tree *tree)
{
    free(tree->nodes);
    hash_index_done(&tree->index);
    *tree = (struct tree){ 0 };
}

uint32_t tree_child(struct tree *tree, uint32_t parent, uint32_t symbol)
{
    uint32_t hash = hash_pair(parent, symbol), row;
    struct hash_walk walk = hash_walk_start(&tree->index, hash);

    while ((row = hash_walk_next(&walk)) != HASH_NONE)
        if (tree->nodes[row].parent == parent && tree->nodes[row].symbol == symbol) return row;
    room_for_one(&tree->nodes, tree->count, &tree->capacity, sizeof *tree->nodes);
    tree->nodes[tree->count] =
        (struct node){ .parent = parent, .symbol = symbol, .frame = FRAME_NONE };
    hash_index_add(&tree->index, hash, tree->count);
    return tree->count++;
}

/* Siblings of one parent side by side, the heaviest first; of equals, the first met. */
struct ranked {
    uint32_t parent, node;
    uint64_t total_ns;
};

static int ranked_compare(const void *left_item, const void *right_item)
{
    const struct ranked *left = left_item, *right = right_item;

    if (left->parent != right->parent) return left->parent < right->parent ? -1 : 1;
    if (left->total_ns != right->total_ns) return left->total_ns > right->total_ns ? -1 : 1;
    return left->node < right->node ? -1 : 1;
}

static void tree_link(struct tree *tree)
{
    OWN(mem_freep) struct ranked *ranked = mem_zalloc(tree->count, sizeof *ranked);

    for (uint32_t i = 1; i < tree->count; i++)
        ranked[i - 1] =
            (struct ranked){ tree->nodes[i].parent, i, cost_total(&tree->nodes[i].total) };
    qsort(ranked, tree->count - 1, sizeof *ranked, ranked_compare);
    for (uint32_t i = tree->count - 1; i > 0; i--) {
        struct node *node = &tree->nodes[ranked[i - 1].node];
        struct node *parent = &tree->nodes[node->parent];

        node->next = parent->first_child;
        parent->first_child = ranked[i - 1].node;
    }
}

void tree_finish(struct tree *tree, const struct frame_table *table)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];

        node->total = node->self;
        if (i > 0 && node->frame == FRAME_NONE) node->frame = table->symbols[node->symbol].frame;
    }
    for (uint32_t i = tree->count - 1; i > 0; i--) {
        struct node *node = &tree->nodes[i], *parent = &tree->nodes[node->parent];

        cost_add(&parent->total, &node->total);
        parent->count += node->count;
    }
    tree_link(tree);
}

/* A node is shown by the line in which most of its time went by. */
static void tree_choose_frames(struct tree *tree, const struct frame_table *table,
                               const struct tally *places)
{
    OWN(mem_freep) uint32_t *heaviest = mem_zalloc(tree->count, sizeof *heaviest);

    tally_heaviest(places, heaviest, tree->count);
    for (uint32_t i = 1; i < tree->count; i++)
        if (heaviest[i] != HASH_NONE)
            tree->nodes[i].frame = table->places[places->rows[heaviest[i]].part].frame;
}

/* Adds the costs of the paths up, so that each has that of all below it. Owned by the caller. */
static uint64_t *path_totals(const struct path_table *paths, const struct cost *costs)
{
    uint64_t *totals = mem_zalloc(paths->count, sizeof *totals);

    for (uint32_t i = paths->count; i > 0; i--) {
        totals[i - 1] += cost_total(&costs[i - 1]);
        if (i > 1) totals[paths->rows[i - 1].parent] += totals[i - 1];
    }
    return totals;
}

void tree_build(struct tree *tree, const struct frame_table *table, const struct path_table *paths,
                const struct cost *costs, const uint64_t *counts)
{
    OWN(mem_freep) uint32_t *node_of = mem_zalloc(paths->count, sizeof *node_of);
    OWN(mem_freep) uint64_t *totals = path_totals(paths, costs);
    OWN(tally_done) struct tally places = { 0 };

    for (uint32_t i = 0; i < paths->count; i++) {
        const struct path *path = &paths->rows[i];

        if (i > 0) {
            uint32_t place = table->frames[path->frame].place;

            node_of[i] = tree_child(tree, node_of[path->parent], table->places[place].symbol);
            tally_add(&places, node_of[i], place, totals[i]);
        }
        cost_add(&tree->nodes[node_of[i]].self, &costs[i]);
        tree->nodes[node_of[i]].count += counts[i];
    }
    tree_choose_frames(tree, table, &places);
    tree_finish(tree, table);
}

/* ---- hot lists ---- */

/* The children of each path, as lists: first_child by path, next by path; 0 ends a list. */
struct path_links {
    uint32_t *first_child, *next;
};

static struct path_links path_links_new(const struct path_table *paths)
{
    struct path_links links = {
        .first_child = mem_zalloc(paths->count, sizeof *links.first_child),
        .next = mem_zalloc(paths->count, sizeof *links.next),
    };

    for (uint32_t i = paths->count - 1; i > 0; i--) {
        links.next[i] = links.first_child[paths->rows[i].parent];
        links.first_child[paths->rows[i].parent] = i;
    }
    return links;
}

uint32_t hot_key(const struct frame_table *table, uint32_t frame, enum hot_by by)
{
    return by == HOT_BY_PLACE ? table->frames[frame].place : frame_symbol(table, frame);
}

/* Goes down all paths and counts how often each key is on the way: a total is that of the first
 * of them only. */
static void hot_totals(struct hot_list *list, const struct path_table *paths, const uint32_t *keys,
                       const uint64_t *totals)
{
    struct path_links links = path_links_new(paths);
    OWN(mem_freep) uint32_t *on_the_way = mem_zalloc(list->count + 1, sizeof *on_the_way);
    uint32_t at = links.first_child[0];

    while (at != 0) {
        if (on_the_way[keys[at]]++ == 0) list->rows[keys[at]].total_ns += totals[at];
        if (links.first_child[at] != 0) {
            at = links.first_child[at];
            continue;
        }
        while (at != 0) {
            on_the_way[keys[at]]--;
            if (links.next[at] != 0) break;
            at = paths->rows[at].parent;
        }
        if (at != 0) at = links.next[at];
    }
    free(links.first_child);
    free(links.next);
}

static int hot_compare(const void *left_item, const void *right_item)
{
    const struct hot *left = left_item, *right = right_item;

    if (left->self_ns != right->self_ns) return left->self_ns > right->self_ns ? -1 : 1;
    if (left->total_ns != right->total_ns) return left->total_ns > right->total_ns ? -1 : 1;
    return left->frame < right->frame ? -1 : 1;
}

/* A function is shown by the line that had most of its own time, or of its total. */
static void hot_choose_frames(struct hot_list *list, const struct frame_table *table,
                              const struct tally *places)
{
    OWN(mem_freep) uint32_t *heaviest = mem_zalloc(list->count + 1, sizeof *heaviest);

    tally_heaviest(places, heaviest, list->count);
    for (uint32_t i = 0; i < list->count; i++)
        if (heaviest[i] != HASH_NONE)
            list->rows[i].frame = table->places[places->rows[heaviest[i]].part].frame;
}

/* Keys that no path has (a frame of no stack) are left out. */
static void hot_drop_unused(struct hot_list *list)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < list->count; i++)
        if (list->rows[i].frame != FRAME_NONE) list->rows[kept++] = list->rows[i];
    list->count = kept;
}

struct hot_list hot_list_of_paths(const struct frame_table *table, const struct path_table *paths,
                                  const struct cost *costs, enum hot_by by)
{
    OWN(mem_freep) uint32_t *keys = mem_zalloc(paths->count, sizeof *keys);
    OWN(mem_freep) uint64_t *totals = path_totals(paths, costs);
    OWN(tally_done) struct tally places = { 0 };
    struct hot_list list = { .count =
                                 by == HOT_BY_PLACE ? table->place_count : table->symbol_count };

    list.rows = mem_zalloc(list.count + 1, sizeof *list.rows);
    for (uint32_t i = 0; i < list.count; i++)
        list.rows[i].frame = FRAME_NONE;
    for (uint32_t i = 1; i < paths->count; i++) {
        uint64_t self_ns = cost_total(&costs[i]);

        keys[i] = hot_key(table, paths->rows[i].frame, by);
        list.rows[keys[i]].self_ns += self_ns;
        tally_add(&places, keys[i], table->frames[paths->rows[i].frame].place, self_ns);
    }
    hot_totals(&list, paths, keys, totals);
    hot_choose_frames(&list, table, &places);
    hot_drop_unused(&list);
    qsort(list.rows, list.count, sizeof *list.rows, hot_compare);
    return list;
}
