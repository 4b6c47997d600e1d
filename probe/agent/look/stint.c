/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/look/stint.h"

#include "probe/hot/memory.h"

static uint64_t moves_of(uint64_t state)
{
    return state & (STATE_MOVES_MASK | STATE_SLOT_MASK | STATE_PHASE_MASK);
}

void stint_begin(struct stint *stint, const struct record_view *view)
{
    uint32_t slot = state_slot(view->state);

    *stint = (struct stint){
        .record = view->index,
        .tid = atomic_load_explicit(&hot.slots[slot].tid, memory_order_relaxed),
        .slot = slot,
        .moves = moves_of(view->state),
    };
}

bool stint_holds(const struct stint *stint, uint64_t state)
{
    uint64_t ended = (stint->moves & ~STATE_PHASE_MASK) | RECORD_ENDED;

    return moves_of(state) == (state_phase(state) == RECORD_ENDED ? ended : stint->moves);
}

bool stint_cpu_ns(const struct stint *stint, uint64_t clock_ns, uint64_t *ret)
{
    const struct record *record = &hot.records[stint->record];
    const struct face *face = &hot.faces[atomic_load_explicit(&record->face, memory_order_relaxed)];
    uint64_t began = atomic_load_explicit(&face->stint_cpu_ns, memory_order_relaxed);
    uint64_t carried = atomic_load_explicit(&face->carried_cpu_ns, memory_order_relaxed);

    /* Pairs with the release of the move: who sees its values, sees that it is under way. */
    atomic_thread_fence(memory_order_acquire);
    if (!stint_holds(stint, atomic_load_explicit(&record->state, memory_order_relaxed)))
        return false;
    *ret = clock_ns > began ? carried + (clock_ns - began) : carried;
    return true;
}

int stint_queue_since(struct stint *stint, struct thread_files *files, uint64_t *ret)
{
    uint64_t now = 0, before = stint->queue_ns;
    bool had = stint->has_queue;
    int rc = thread_files_queue_ns(files, stint->tid, &now, &stint->turns);

    stint->has_queue = rc == 0;
    if (rc < 0) return rc;
    stint->queue_ns = now;
    *ret = had && now > before ? now - before : 0;
    return 0;
}

int stint_queue_part(struct stint *stint, struct thread_files *files, uint64_t part_ns,
                     uint64_t *ret)
{
    uint64_t before = stint->queue_ns, since = 0;
    int rc = stint_queue_since(stint, files, &since);

    if (rc < 0) return rc;
    *ret = since < part_ns ? since : part_ns;
    if (since > part_ns) stint->queue_ns = before + part_ns;
    return 0;
}

struct stack_thread stint_thread(const struct stint *stint)
{
    return (struct stack_thread){
        .tid = stint->tid,
        .slot = stint->slot,
        .pointer =
            atomic_load_explicit(&hot.slots[stint->slot].thread_pointer, memory_order_relaxed),
    };
}
