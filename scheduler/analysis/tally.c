/* SPDX-License-Identifier: Apache-2.0 */
/* tally.c: a growing array of rows and an index over it. */
#include "scheduler/analysis/tally.h"

#include "scheduler/analysis/room.h"

void tally_done(struct tally *tally)
{
    free(tally->rows);
    hash_index_done(&tally->index);
    *tally = (struct tally){ 0 };
}

uint32_t tally_add(struct tally *tally, uint32_t of, uint32_t part, uint64_t ns)
{
    uint32_t hash = hash_pair(of, part), row;
    struct hash_walk walk = hash_walk_start(&tally->index, hash);

    while ((row = hash_walk_next(&walk)) != HASH_NONE) {
        if (tally->rows[row].of != of || tally->rows[row].part != part) continue;
        tally->rows[row].ns += ns;
        return row;
    }
    room_for_one(&tally->rows, tally->count, &tally->capacity, sizeof *tally->rows);
    tally->rows[tally->count] = (struct tally_row){ of, part, ns };
    hash_index_add(&tally->index, hash, tally->count);
    return tally->count++;
}

void tally_heaviest(const struct tally *tally, uint32_t *ret, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        ret[i] = HASH_NONE;
    for (uint32_t i = 0; i < tally->count; i++) {
        uint32_t of = tally->rows[i].of;

        if (of >= count) continue;
        if (ret[of] == HASH_NONE || tally->rows[i].ns > tally->rows[ret[of]].ns) ret[of] = i;
    }
}
