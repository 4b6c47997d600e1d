/* SPDX-License-Identifier: Apache-2.0 */
/* tally.h: nanoseconds by pairs of numbers: how much of `of` was spent in each `part`.
 *
 *     tally_add(&tally, node, line, 1200);
 *     for (size_t i = 0; i < tally.count; i++) ... tally.rows[i] ...   in order of first use
 *
 * A zeroed tally is an empty one. */
#ifndef STAKEOUT_SCHEDULER_ANALYSIS_TALLY_H
#define STAKEOUT_SCHEDULER_ANALYSIS_TALLY_H

#include "scheduler/analysis/hash_index.h"

struct tally {
    struct tally_row {
        uint32_t of, part;
        uint64_t ns;
    } * rows;
    uint32_t count, capacity;
    struct hash_index index;
};

void tally_done(struct tally *tally);

/* Returns the row. */
uint32_t tally_add(struct tally *tally, uint32_t of, uint32_t part, uint64_t ns);

/* Fills ret[of] with the row of the heaviest part (of equals, the first) for all of < count, or
 * HASH_NONE. */
void tally_heaviest(const struct tally *tally, uint32_t *ret, uint32_t count);

#endif
