/* SPDX-License-Identifier: Apache-2.0 */
/* record.h: where one call lives while it runs.
 *
 *      FREE --begin--> RUNNING --detach--> DETACHED --attach--> RUNNING
 *       ^                 |                    |
 *       |                 +---------end--------+----> FREE      nobody listens
 *       |                                      +----> ENDED     the sampler waits for its end,
 *       +-------------the sampler------------------------+      and frees it
 *
 * Everything that must be agreed upon is one word, `state`:
 *
 *     63        32 31     17 16       5  4      3         2..0
 *     generation  | moves   | slot     | FACED | LISTENED | phase
 *
 * - generation: rises when the record is freed; it is in every token, so a stale one is known.
 * - moves: rises with each attach and detach, so that a reader sees that fields changed.
 * - slot: of the thread that runs the call, while the phase is RUNNING.
 * - LISTENED: the sampler has counted this call as triggered; its end will not count it below.
 * - FACED: the sampler listens to it, and its face (below) is `face`. Alone: it looks at a call
 *   that may turn slow (lookback); such a call ends as one that nobody listens to.
 * - MOVING: a move or an end is under way; readers come back later.
 *
 * A record that is not FREE is changed by compare-and-exchange of the state alone. So the owner's
 * end, an end or attach on another thread and the sampler's trigger can race, and one of them wins.
 *
 * A free record belongs to its slot (the first THREADS_MAX are homes, one to a slot) or to the
 * shared pool. Begin takes the home if it is free: no shared word is touched then. */
#ifndef STAKEOUT_PROBE_HOT_RECORD_H
#define STAKEOUT_PROBE_HOT_RECORD_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum record_phase {
    RECORD_FREE = 0, /* what zeroed memory says */
    RECORD_RUNNING = 1,
    RECORD_DETACHED = 2,
    RECORD_MOVING = 3,
    RECORD_ENDED = 4,
};

#define STATE_PHASE_MASK  UINT64_C(0x7)
#define STATE_LISTENED    UINT64_C(0x8)
#define STATE_FACED       UINT64_C(0x10)
#define STATE_SLOT_SHIFT  5
#define STATE_SLOT_MASK   (UINT64_C(0xfff) << STATE_SLOT_SHIFT)
#define STATE_MOVES_SHIFT 17
#define STATE_MOVES_MASK  (UINT64_C(0x7fff) << STATE_MOVES_SHIFT)

static inline enum record_phase state_phase(uint64_t state)
{
    return (enum record_phase)(state & STATE_PHASE_MASK);
}

static inline uint32_t state_generation(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static inline uint32_t state_slot(uint64_t state)
{
    return (uint32_t)((state & STATE_SLOT_MASK) >> STATE_SLOT_SHIFT);
}

static inline uint64_t state_with_phase(uint64_t state, enum record_phase phase)
{
    return (state & ~STATE_PHASE_MASK) | (uint64_t)phase;
}

static inline uint64_t state_with_slot(uint64_t state, uint32_t slot)
{
    return (state & ~STATE_SLOT_MASK) | (uint64_t)slot << STATE_SLOT_SHIFT;
}

/* Does the sampler wait for the call's end? */
static inline bool state_is_heard(uint64_t state)
{
    return (state & (STATE_FACED | STATE_LISTENED)) == (STATE_FACED | STATE_LISTENED);
}

static inline uint64_t state_moved(uint64_t state)
{
    uint64_t moves = (state + (UINT64_C(1) << STATE_MOVES_SHIFT)) & STATE_MOVES_MASK;

    return (state & ~STATE_MOVES_MASK) | moves;
}

/* What a freed record's state is: the next generation, and nothing else. */
static inline uint64_t state_freed(uint64_t state)
{
    return (uint64_t)(state_generation(state) + 1) << 32;
}

/* 64 bytes: a line. Written by the thread that begins or moves the call, before `state` says so;
 * read by the sampler, which looks at `state` before and after. */
struct record {
    _Alignas(64) _Atomic uint64_t state;
    _Atomic uint64_t began_ticks;
    _Atomic uint16_t interface_id;
    _Atomic uint16_t face;             /* which of hot.faces; set by the sampler before FACED */
    _Atomic uint32_t next;             /* link of the free stack; private to it */
    _Atomic uint64_t anchor_sp;        /* the stack pointer of begin's or attach's caller */
    _Atomic uint64_t anchor_pc;        /* and where begin or attach returned to */
    _Atomic uint64_t trace[2];         /* the caller's trace ID; both 0: none was given */
    _Atomic(const char *) waiting_for; /* while DETACHED; the host's string, maybe NULL */
};

static_assert(sizeof(struct record) == 64, "one line");

/* What a call that is listened to says of itself to the sampler. CPU time of the call so far is
 * carried_cpu_ns, plus what its thread's clock shows beyond stint_cpu_ns while it runs. */
struct face {
    _Alignas(64) _Atomic uint64_t stint_cpu_ns; /* the thread's CPU clock when the stint began */
    _Atomic uint64_t carried_cpu_ns;            /* CPU time of the stints before */
    _Atomic uint64_t ended_ticks;               /* ENDED only, as are the two below */
    _Atomic uint64_t end_cpu_ns;                /* the call's CPU time since it triggered */
    _Atomic int32_t response_code;
};

/* A consistent copy of a record. */
struct record_view {
    uint64_t state, began_ticks, anchor_sp, anchor_pc, trace[2];
    uint32_t index, interface_id, face;
    const char *waiting_for;
};

/* Takes a record for a call of the thread with this slot; its fields may then be written, and
 * `state` last. INDEX_NONE: all are in use. Threads: the slot's own. */
uint32_t record_take(uint32_t slot);

/* Changes the state if it is still `*state`; else *state becomes what it is. */
bool record_change(uint32_t index, uint64_t *state, uint64_t to);

/* Frees a record whose state is still `state`. Returns false if it is not. Threads: any. */
bool record_free(uint32_t index, uint64_t state);

/* Fills *ret; false while the record is free, moving, or changed meanwhile. Threads: any. */
bool record_read(uint32_t index, struct record_view *ret);

/* The record indices that can be in use are [0, slot_count) and
 * [THREADS_MAX, record_shared_end()). Threads: any. */
uint32_t record_shared_end(void);

#endif
