/* SPDX-License-Identifier: Apache-2.0 */
/* hash_index.c: open addressing with linear probing, at most three quarters full. The hashes
 * are kept in the slots, so that growing asks nobody for the rows. */
#include "scheduler/analysis/hash_index.h"

#include "common/base/check.h"

#include <stdlib.h>

enum { SLOTS_MIN = 64 };

void hash_index_done(struct hash_index *index)
{
    free(index->slots);
    *index = (struct hash_index){ 0 };
}

struct hash_walk hash_walk_start(const struct hash_index *index, uint32_t hash)
{
    return (struct hash_walk){ index, hash, hash };
}

uint32_t hash_walk_next(struct hash_walk *walk)
{
    const struct hash_index *index = walk->index;

    if (index->slot_count == 0) return HASH_NONE;
    for (;;) {
        const struct hash_slot *slot = &index->slots[walk->at++ & (index->slot_count - 1)];

        if (slot->row == 0) return HASH_NONE;
        if (slot->hash == walk->hash) return slot->row - 1;
    }
}

static void slot_fill(struct hash_index *index, uint32_t hash, uint32_t row)
{
    uint32_t at = hash;

    while (index->slots[at & (index->slot_count - 1)].row != 0)
        at++;
    index->slots[at & (index->slot_count - 1)] = (struct hash_slot){ hash, row + 1 };
}

static void index_grow(struct hash_index *index)
{
    struct hash_index old = *index;

    index->slot_count = old.slot_count ? old.slot_count * 2 : SLOTS_MIN;
    index->slots = mem_zalloc(index->slot_count, sizeof *index->slots);
    for (uint32_t i = 0; i < old.slot_count; i++)
        if (old.slots[i].row != 0) slot_fill(index, old.slots[i].hash, old.slots[i].row - 1);
    free(old.slots);
}

void hash_index_add(struct hash_index *index, uint32_t hash, uint32_t row)
{
    CHECK(row < HASH_NONE - 1);
    if (index->row_count >= index->slot_count / 4 * 3) index_grow(index);
    slot_fill(index, hash, row);
    index->row_count++;
}

uint32_t hash_pair(uint32_t left, uint32_t right)
{
    uint64_t mixed = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(mixed >> 32);
}
