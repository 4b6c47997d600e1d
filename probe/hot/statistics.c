/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/statistics.h"

#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"

/* Adds to a counter that only this thread writes: a plain load, add and store. */
static inline void add_private(_Atomic uint64_t *counter, memory_order order)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, order);
}

static void count_private(struct block *block, uint64_t ticks, enum call_class how)
{
    _Atomic uint32_t *bucket = &block->buckets[histogram_bucket(ticks_to_ns(ticks))];

    atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (ticks > atomic_load_explicit(&block->max_ticks, memory_order_relaxed))
        atomic_store_explicit(&block->max_ticks, ticks, memory_order_relaxed);
    if (__builtin_expect(how != CALL_BELOW, 0)) {
        if (how == CALL_MISSED) add_private(&block->missed, memory_order_relaxed);
        add_private(&block->slow, memory_order_relaxed);
    }
    add_private(&block->count, memory_order_release); /* pairs with the reader's acquire */
}

static void count_shared(struct block *block, uint64_t ticks, enum call_class how)
{
    uint64_t max = atomic_load_explicit(&block->max_ticks, memory_order_relaxed);

    atomic_fetch_add_explicit(&block->buckets[histogram_bucket(ticks_to_ns(ticks))], 1,
                              memory_order_relaxed);
    while (ticks > max &&
           !atomic_compare_exchange_weak_explicit(&block->max_ticks, &max, ticks,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    if (how == CALL_MISSED) atomic_fetch_add_explicit(&block->missed, 1, memory_order_relaxed);
    if (how != CALL_BELOW) atomic_fetch_add_explicit(&block->slow, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&block->count, 1, memory_order_release);
}

static uint32_t table_place(uint32_t owner)
{
    return (uint32_t)((owner * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & BLOCK_TABLE_MASK;
}

/* A block that nobody has yet; the shared one of the interface when there is none. */
static uint32_t block_take(uint32_t interface_id, uint32_t owner)
{
    uint32_t count = atomic_load_explicit(&hot.block_count, memory_order_relaxed);

    do {
        if (count >= BLOCKS_PRIVATE) {
            note_count(HOT_NOTE_NO_HISTOGRAM);
            return interface_id;
        }
    } while (!atomic_compare_exchange_weak_explicit(&hot.block_count, &count, count + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    atomic_store_explicit(&hot.blocks[BLOCKS_SHARED + count].owner, owner, memory_order_release);
    return BLOCKS_SHARED + count;
}

/* The block of a thread and an interface, from the table, or put there. Only the slot's own thread
 * looks for its own pair, so that no pair is ever put in twice. The table never fills up, because
 * shared blocks are not entered. */
static uint32_t block_find(uint32_t slot, uint32_t interface_id)
{
    uint32_t owner = slot << 16 | interface_id;
    uint32_t place = table_place(owner), taken = 0;

    for (;;) {
        uint16_t found = atomic_load_explicit(&hot.block_table[place], memory_order_acquire);

        if (found != 0 &&
            atomic_load_explicit(&hot.blocks[found].owner, memory_order_relaxed) == owner)
            return found;
        if (found == 0) {
            if (taken == 0) taken = block_take(interface_id, owner);
            if (taken < BLOCKS_SHARED) return taken;
            if (atomic_compare_exchange_strong_explicit(&hot.block_table[place], &found,
                                                        (uint16_t)taken, memory_order_acq_rel,
                                                        memory_order_acquire))
                return taken;
            continue; /* another thread took the place: look whose it is now */
        }
        place = (place + 1) & BLOCK_TABLE_MASK;
    }
}

static uint32_t block_of(struct slot *slot, uint32_t interface_id)
{
    uint16_t *cached = &slot->block_cache[interface_id % BLOCK_CACHE_SIZE];
    uint32_t owner = slot_index(slot) << 16 | interface_id;

    if (__builtin_expect(*cached >= BLOCKS_SHARED, 1)) {
        if (atomic_load_explicit(&hot.blocks[*cached].owner, memory_order_relaxed) == owner)
            return *cached;
    } else if (*cached == interface_id) {
        return *cached;
    }
    *cached = (uint16_t)block_find(slot_index(slot), interface_id);
    return *cached;
}

void statistics_count(struct slot *slot, uint32_t interface_id, uint64_t ticks, enum call_class how)
{
    uint32_t block = slot ? block_of(slot, interface_id) : interface_id;

    if (__builtin_expect(block >= BLOCKS_SHARED, 1)) {
        count_private(&hot.blocks[block], ticks, how);
    } else {
        count_shared(&hot.blocks[block], ticks, how);
    }
}

uint32_t statistics_end(void)
{
    return BLOCKS_SHARED + atomic_load_explicit(&hot.block_count, memory_order_acquire);
}

uint32_t statistics_interface(uint32_t block)
{
    if (block < BLOCKS_SHARED) return block;
    return atomic_load_explicit(&hot.blocks[block].owner, memory_order_acquire) & 0xffff;
}
