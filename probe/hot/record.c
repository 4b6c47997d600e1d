/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/record.h"

#include "probe/hot/index_stack.h"
#include "probe/hot/memory.h"

static _Atomic uint32_t *record_link(uint32_t index)
{
    return &hot.records[index].next;
}

/* A shared record that was never used before; so that a process has only the pages that it
 * needed at its busiest. */
static uint32_t record_take_fresh(void)
{
    uint32_t count = atomic_load_explicit(&hot.record_count, memory_order_relaxed);

    do {
        if (count >= CALLS_MAX) return INDEX_NONE;
    } while (!atomic_compare_exchange_weak_explicit(&hot.record_count, &count, count + 1,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return THREADS_MAX + count;
}

uint32_t record_take(uint32_t slot)
{
    uint64_t state = atomic_load_explicit(&hot.records[slot].state, memory_order_acquire);
    uint32_t index;

    if (__builtin_expect(state_phase(state) == RECORD_FREE, 1)) return slot;
    index = index_stack_pop(&hot.free_records, record_link);
    return index != INDEX_NONE ? index : record_take_fresh();
}

bool record_change(uint32_t index, uint64_t *state, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(&hot.records[index].state, state, to,
                                                   memory_order_acq_rel, memory_order_acquire);
}

bool record_free(uint32_t index, uint64_t state)
{
    if (!record_change(index, &state, state_freed(state))) return false;
    if (index >= THREADS_MAX) index_stack_push(&hot.free_records, record_link, index);
    return true;
}

bool record_read(uint32_t index, struct record_view *ret)
{
    struct record *record = &hot.records[index];
    uint64_t state = atomic_load_explicit(&record->state, memory_order_acquire);
    struct record_view view;

    if (state_phase(state) == RECORD_FREE || state_phase(state) == RECORD_MOVING) return false;
    view = (struct record_view){
        .state = state,
        .index = index,
        .began_ticks = atomic_load_explicit(&record->began_ticks, memory_order_relaxed),
        .anchor_sp = atomic_load_explicit(&record->anchor_sp, memory_order_relaxed),
        .anchor_pc = atomic_load_explicit(&record->anchor_pc, memory_order_relaxed),
        .trace = { atomic_load_explicit(&record->trace[0], memory_order_relaxed),
                   atomic_load_explicit(&record->trace[1], memory_order_relaxed) },
        .face = atomic_load_explicit(&record->face, memory_order_relaxed),
        .interface_id = atomic_load_explicit(&record->interface_id, memory_order_relaxed),
        .waiting_for = atomic_load_explicit(&record->waiting_for, memory_order_relaxed),
    };
    /* Pairs with the release of whoever frees or moves it: if a field above was written for a
     * later state, then that state, or a later one, is seen here. */
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&record->state, memory_order_relaxed) != state) return false;
    *ret = view;
    return true;
}

uint32_t record_shared_end(void)
{
    return THREADS_MAX + atomic_load_explicit(&hot.record_count, memory_order_acquire);
}
