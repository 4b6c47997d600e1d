/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h: call paths, and the call tree that they merge into.
 *
 *     path    frames from the outermost to this one, told apart by line and offset
 *     node    the same, merged by symbol: what the tree of an analysis shows
 *
 * Both are arrays in which a parent comes before its children; row 0 is the root, which has no
 * frame. Shared beginnings are stored once, so that many deep stacks stay small. */
#ifndef STAKEOUT_SCHEDULER_ANALYSIS_TREE_H
#define STAKEOUT_SCHEDULER_ANALYSIS_TREE_H

#include "scheduler/analysis/cost.h"
#include "scheduler/analysis/frames.h"
#include "scheduler/analysis/tally.h"

enum {
    PATHS_MAX = 1 << 18, /* 70 MB with their nodes; a sample of 4096 stacks needs some 10,000 */
    DEPTH_MAX = 1000,    /* frames with inlined ones, so that the JSON stays below 2048 levels */
};

#define FRAME_NONE UINT32_MAX

struct path_table {
    struct path {
        uint32_t parent;
        uint32_t frame; /* of the frame table; FRAME_NONE: the root */
    } * rows;
    uint32_t count, capacity;
    uint32_t row_max; /* PATHS_MAX; tests set less */
    struct hash_index index;
};

void path_table_init(struct path_table *paths);
void path_table_done(struct path_table *paths);

/* The path of `frames` (innermost first). When the table is full, what is new of it is replaced
 * by one marker, so that its time still counts. */
uint32_t path_table_add(struct path_table *paths, struct frame_table *table, const uint32_t *frames,
                        uint32_t count);

struct node {
    uint32_t parent;
    uint32_t symbol;      /* FRAME_NONE: the root */
    uint32_t frame;       /* the heaviest of those that merged here; FRAME_NONE: the root */
    uint32_t first_child; /* 0: none; children are in order of weight */
    uint32_t next;        /* sibling; 0: none */
    uint64_t count;       /* snapshots that met it */
    struct cost self, total;
};

struct tree {
    struct node *nodes;
    uint32_t count, capacity;
    struct hash_index index;
};

void tree_init(struct tree *tree);
void tree_done(struct tree *tree);

/* The child of a node with this symbol, made if need be. */
uint32_t tree_child(struct tree *tree, uint32_t parent, uint32_t symbol);

/* After all self costs and counts are in: adds up totals, links children in order. */
void tree_finish(struct tree *tree, const struct frame_table *table);

/* Merges paths into an empty tree. costs[] and counts[] are of the paths themselves. */
void tree_build(struct tree *tree, const struct frame_table *table, const struct path_table *paths,
                const struct cost *costs, const uint64_t *counts);

/* One line of a hot list. */
struct hot {
    uint32_t frame; /* one that stands for the symbol or place */
    uint64_t self_ns, total_ns;
    uint64_t base_self_ns, base_total_ns; /* of a comparison; else 0 */
};

struct hot_list {
    struct hot *rows;
    uint32_t count;
};

enum hot_by { HOT_BY_SYMBOL, HOT_BY_PLACE };

/* What frames of one row have in common. */
uint32_t hot_key(const struct frame_table *table, uint32_t frame, enum hot_by by);

/* By self, then by total. The total of a function that calls itself counts once. */
struct hot_list hot_list_of_paths(const struct frame_table *table, const struct path_table *paths,
                                  const struct cost *costs, enum hot_by by);

#endif
