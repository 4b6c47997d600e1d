/* SPDX-License-Identifier: Apache-2.0 */
/* hash_index.h: finds the rows of a table by content; the table itself stays the caller's.
 *
 *     struct hash_walk walk = hash_walk_start(&index, hash);
 *     uint32_t row;
 *
 *     while ((row = hash_walk_next(&walk)) != HASH_NONE)
 *         if (rows[row] is what I look for) return row;
 *     hash_index_add(&index, hash, new_row);
 *
 * The walk gives candidates whose hashes agree; the caller compares. Rows are never removed.
 * A zeroed index is an empty one. */
#ifndef STAKEOUT_SCHEDULER_ANALYSIS_HASH_INDEX_H
#define STAKEOUT_SCHEDULER_ANALYSIS_HASH_INDEX_H

#include <stdint.h>

#define HASH_NONE UINT32_MAX

struct hash_index {
    struct hash_slot {
        uint32_t hash;
        uint32_t row; /* and 1, so that 0 is a free slot */
    } * slots;
    uint32_t slot_count; /* 0 or a power of two */
    uint32_t row_count;
};

struct hash_walk {
    const struct hash_index *index;
    uint32_t hash, at;
};

void hash_index_done(struct hash_index *index);
struct hash_walk hash_walk_start(const struct hash_index *index, uint32_t hash);
uint32_t hash_walk_next(struct hash_walk *walk);
void hash_index_add(struct hash_index *index, uint32_t hash, uint32_t row);

/* Of a pair of numbers: a parent and what hangs below it. */
uint32_t hash_pair(uint32_t left, uint32_t right);

#endif
