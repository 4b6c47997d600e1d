/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c: a list of turns, the newest first, each with the buckets that were hit in it. A pulse
 * touches the newest alone; a sum walks over the turns that it covers, 90 at most. */
#include "scheduler/live/ring.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <assert.h>
#include <stdlib.h>

enum {
    BUCKET_BITS = 7, /* of an entry; the other 25 are the count */
    ENTRIES_STEP = 8,
};

static_assert(HISTOGRAM_BUCKETS <= 1 << BUCKET_BITS, "a bucket fits its bits");

static const uint32_t entry_count_max = (UINT32_C(1) << (32 - BUCKET_BITS)) - 1;

struct ring_slot {
    struct ring_slot *before;
    uint64_t max_ns;
    uint32_t turn; /* now_ns / RING_TURN_S */
    uint16_t entry_count, entry_capacity;
    uint32_t entries[]; /* bucket | count << BUCKET_BITS; a bucket may have several */
};

static uint32_t turn_of(uint64_t now_ns)
{
    return (uint32_t)(now_ns / NS_PER_S / RING_TURN_S);
}

static size_t size_of(const struct ring_slot *slot)
{
    return sizeof *slot + slot->entry_capacity * sizeof slot->entries[0];
}

/* Frees the chain that begins here. */
static void free_chain(struct ring_slot *slot, size_t *size)
{
    while (slot) {
        struct ring_slot *before = slot->before;

        *size -= size_of(slot);
        free(slot);
        slot = before;
    }
}

void ring_done(struct ring *ring, size_t *size)
{
    free_chain(ring->newest, size);
    ring->newest = NULL;
}

static struct ring_slot *current(struct ring *ring, uint64_t now_ns, size_t *size)
{
    struct ring_slot *slot = ring->newest;

    if (slot && slot->turn == turn_of(now_ns)) return slot;
    ring_trim(ring, now_ns, size);
    slot = mem_zalloc(1, sizeof *slot + ENTRIES_STEP * sizeof slot->entries[0]);
    slot->entry_capacity = ENTRIES_STEP;
    slot->turn = turn_of(now_ns);
    slot->before = ring->newest;
    ring->newest = slot;
    *size += size_of(slot);
    return slot;
}

static struct ring_slot *with_room(struct ring *ring, struct ring_slot *slot, size_t *size)
{
    if (slot->entry_count < slot->entry_capacity) return slot;
    *size -= size_of(slot);
    slot->entry_capacity = (uint16_t)(slot->entry_capacity + ENTRIES_STEP);
    slot = mem_grow(slot, size_of(slot));
    *size += size_of(slot);
    ring->newest = slot;
    return slot;
}

void ring_add(struct ring *ring, uint64_t now_ns, uint32_t bucket, uint64_t count, size_t *size)
{
    struct ring_slot *slot = current(ring, now_ns, size);

    for (uint16_t i = 0; i < slot->entry_count && count > 0; i++) {
        uint32_t room = entry_count_max - (slot->entries[i] >> BUCKET_BITS);
        uint32_t part = count < room ? (uint32_t)count : room;

        if ((slot->entries[i] & ((1u << BUCKET_BITS) - 1)) != bucket) continue;
        slot->entries[i] += part << BUCKET_BITS;
        count -= part;
    }
    /* Ten seconds have at most some 10^9 calls: a handful of entries. Beyond it, a lie. */
    while (count > 0 && slot->entry_count < UINT16_MAX - ENTRIES_STEP) {
        uint32_t part = count < entry_count_max ? (uint32_t)count : entry_count_max;

        slot = with_room(ring, slot, size);
        slot->entries[slot->entry_count++] = bucket | part << BUCKET_BITS;
        count -= part;
    }
}

void ring_max(struct ring *ring, uint64_t now_ns, uint64_t max_ns, size_t *size)
{
    struct ring_slot *slot = current(ring, now_ns, size);

    if (max_ns > slot->max_ns) slot->max_ns = max_ns;
}

void ring_trim(struct ring *ring, uint64_t now_ns, size_t *size)
{
    struct ring_slot **at = &ring->newest;

    while (*at && (*at)->turn + RING_KEEP_S / RING_TURN_S >= turn_of(now_ns)) {
        at = &(*at)->before;
    }
    free_chain(*at, size);
    *at = NULL;
}

bool ring_shorten(struct ring *ring, size_t *size)
{
    struct ring_slot **at = &ring->newest;

    if (!*at || !(*at)->before) return false;
    while ((*at)->before) {
        at = &(*at)->before;
    }
    free_chain(*at, size);
    *at = NULL;
    return true;
}

void ring_sum(const struct ring *ring, uint64_t now_ns, uint32_t seconds, struct histogram *ret)
{
    uint32_t turn = turn_of(now_ns), turns = seconds / RING_TURN_S;

    *ret = (struct histogram){ 0 };
    for (const struct ring_slot *slot = ring->newest; slot; slot = slot->before) {
        if (slot->turn + turns < turn) return;
        if (slot->max_ns > ret->max_ns) ret->max_ns = slot->max_ns;
        for (uint16_t i = 0; i < slot->entry_count; i++) {
            uint32_t count = slot->entries[i] >> BUCKET_BITS;

            ret->buckets[slot->entries[i] & ((1u << BUCKET_BITS) - 1)] += count;
            ret->count += count;
        }
    }
}
