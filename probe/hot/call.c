/* SPDX-License-Identifier: Apache-2.0 */
/* call.c: the begin, the end and the moves of a call, on the host's threads.
 *
 * A begin, in numbers: 1. does anybody want this call? (a load; without statistics, two, and that
 * was all) 2. is the gate open and has this thread a slot? (two loads) 3. is the slot's home record
 * free? (one load) 4. read the clock 5. write the record, its state last 6. put the token on the
 * slot's list. An end: 0. is it no call at all? 1. is the token's record still of its generation?
 * 2. take it off the list 3. read the clock 4. free the record (the one locked instruction of the
 * pair) 5. compare with the interface's alert 6. count.
 *
 * INVARIANTS
 *
 * (1) Nothing here waits, allocates, prints or fails. What cannot be done is not done, and noted.
 * (2) Whoever changes a record away from RUNNING or DETACHED does so by compare-and-exchange, and
 *     only the one that succeeds goes on; so each call is ended, and counted, once.
 * (3) A call that the sampler has counted (LISTENED) is not counted below, and one that was slow
 *     without being noticed is counted as missed: the ledger adds up whatever the race. */
#include "probe/hot/call.h"

#include "probe/hot/index_stack.h"
#include "probe/hot/memory.h"
#include "probe/hot/registry.h"
#include "probe/hot/ticks.h"
#include "probe/hot/traceparent.h"
#include "probe/hot/wake.h"
#include "probe/include/stakeout/stakeout.h"

#include <errno.h>
#include <string.h>

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Where the caller of one of our public functions stands: its stack pointer and the address that
 * the function returns to. Only within such a function itself. The canonical frame address is that
 * stack pointer, and asking for it makes no frame: a begin that has nothing to do has none. */
#define CALLER_SP() ((uint64_t)(uintptr_t)__builtin_dwarf_cfa())
#define CALLER_PC() ((uint64_t)(uintptr_t)__builtin_return_address(0))

/* On a line of its own: where a begin that nobody wants straddles two, a pair costs 0.3 ns more. */
#define ENTRY __attribute__((aligned(64)))

struct anchor {
    uint64_t sp, pc;
};

static const stakeout_call call_none = { { 0, 0 } };

static _Atomic(void (*)(void)) fork_child_hook; /* outlives forks: that is its point */
static _Atomic uint32_t fork_child_hook_pid;    /* the process in which it was set, or has run */

void call_on_fork_child(void (*on_fork_child)(void))
{
    atomic_store_explicit(&fork_child_hook_pid, hot.pid, memory_order_relaxed);
    atomic_store_explicit(&fork_child_hook, on_fork_child, memory_order_release);
}

/* The gate is closed. Wiped memory (pid 0) beside a hook that is set tells a forked child: there
 * the first begin, of whichever thread, starts the agent. */
static void gate_knock(void)
{
    void (*hook)(void) = atomic_load_explicit(&fork_child_hook, memory_order_acquire);

    if (!hook || hot.pid != 0) return;
    if (atomic_exchange_explicit(&fork_child_hook_pid, 0, memory_order_acq_rel) != 0) hook();
}

/* The slot of a thread that begins its first call here, or none. */
static struct slot *slot_enter(void)
{
    struct slot *slot;

    if (atomic_load_explicit(&hot.gate, memory_order_acquire) == 0) gate_knock();
    if (atomic_load_explicit(&hot.gate, memory_order_acquire) == 0) return NULL;
    slot = slot_acquire();
    if (!slot) note_count(HOT_NOTE_NO_SLOT);
    return slot;
}

/* Nobody wants to know of calls of this interface: without statistics, when no task watches it. In
 * wiped memory and before the first start the alert is 0, so that the gate is asked. */
static inline bool interface_is_ignored(uint32_t interface_id)
{
    return LIKELY(interface_id < INTERFACE_IDS) &&
           LIKELY(atomic_load_explicit(&hot.alert_ticks[interface_id], memory_order_relaxed) ==
                  UINT64_MAX) &&
           !atomic_load_explicit(&hot.statistics, memory_order_relaxed);
}

static inline void record_write(uint32_t index, uint32_t interface_id, const uint64_t trace[2],
                                struct anchor anchor)
{
    struct record *record = &hot.records[index];

    /* Pairs with the acquire fence in record_read(): a reader that finds one of these values finds
     * the record's earlier freeing as well. */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&record->began_ticks, ticks_now(), memory_order_relaxed);
    atomic_store_explicit(&record->interface_id, (uint16_t)interface_id, memory_order_relaxed);
    atomic_store_explicit(&record->anchor_sp, anchor.sp, memory_order_relaxed);
    atomic_store_explicit(&record->anchor_pc, anchor.pc, memory_order_relaxed);
    atomic_store_explicit(&record->trace[0], trace[0], memory_order_relaxed);
    atomic_store_explicit(&record->trace[1], trace[1], memory_order_relaxed);
}

static stakeout_call call_begin(uint32_t interface_id, const uint64_t trace[2],
                                struct anchor anchor)
{
    uint32_t gate = atomic_load_explicit(&hot.gate, memory_order_acquire);
    struct slot *slot = slot_face.slot;
    uint64_t state, token;
    uint32_t index;

    if (UNLIKELY(gate == 0 || slot_face.epoch != gate)) {
        slot = slot_enter();
        if (!slot || interface_is_ignored(interface_id)) return call_none;
    }
    if (UNLIKELY(interface_id - 1 >= INTERFACE_IDS - 1)) return call_none;

    index = record_take(slot_index(slot));
    if (UNLIKELY(index == INDEX_NONE)) {
        note_count(HOT_NOTE_NO_RECORD);
        return call_none;
    }
    state = atomic_load_explicit(&hot.records[index].state, memory_order_relaxed);
    token = token_make(index, state_generation(state));
    if (UNLIKELY(!slot_push(slot, token))) {
        note_count(HOT_NOTE_TOO_DEEP);
        record_free(index, state);
        return call_none;
    }
    record_write(index, interface_id, trace, anchor);
    state = state_with_slot(state_with_phase(state, RECORD_RUNNING), slot_index(slot));
    atomic_store_explicit(&hot.records[index].state, state, memory_order_release);
    return (stakeout_call){ { token, hot.epoch } };
}

/* The state of a token's call, in flight; false, and noted, if the token is stale. */
static inline bool token_resolve(stakeout_call call, uint64_t *ret_state)
{
    uint32_t index = token_record(call.opaque[0]);
    uint64_t state;

    if (LIKELY(index < RECORDS && call.opaque[1] == hot.epoch)) {
        state = atomic_load_explicit(&hot.records[index].state, memory_order_acquire);
        if (LIKELY(
                state_generation(state) == token_generation(call.opaque[0]) &&
                (state_phase(state) == RECORD_RUNNING || state_phase(state) == RECORD_DETACHED))) {
            *ret_state = state;
            return true;
        }
    }
    if (call.opaque[0] != 0) note_count(HOT_NOTE_STALE_TOKEN);
    return false;
}

/* CPU time of the thread that runs a call, now; 0 if it is gone. */
static uint64_t holder_cpu_ns(uint64_t state)
{
    uint32_t slot = state_slot(state);

    return thread_cpu_ns(atomic_load_explicit(&hot.slots[slot].tid, memory_order_relaxed));
}

/* The CPU time of a listened call so far: stints before, and the one that goes on. */
static uint64_t call_cpu_ns(const struct face *face, uint64_t state)
{
    uint64_t carried = atomic_load_explicit(&face->carried_cpu_ns, memory_order_relaxed);
    uint64_t stint = atomic_load_explicit(&face->stint_cpu_ns, memory_order_relaxed);
    uint64_t now = state_phase(state) == RECORD_RUNNING ? holder_cpu_ns(state) : 0;

    return now > stint ? carried + (now - stint) : carried;
}

static struct face *call_face(uint32_t index)
{
    return &hot.faces[atomic_load_explicit(&hot.records[index].face, memory_order_relaxed)];
}

/* Ends a call that the sampler listens to: leaves it what it must know, and wakes it. */
static bool call_hand_over(uint32_t index, uint64_t *state, uint64_t ended_ticks,
                           int32_t response_code)
{
    uint64_t moving = state_with_phase(*state, RECORD_MOVING);
    struct face *face = call_face(index);

    if (!record_change(index, state, moving)) return false;
    atomic_store_explicit(&face->end_cpu_ns, call_cpu_ns(face, *state), memory_order_relaxed);
    atomic_store_explicit(&face->ended_ticks, ended_ticks, memory_order_relaxed);
    atomic_store_explicit(&face->response_code, response_code, memory_order_relaxed);
    atomic_store_explicit(&hot.records[index].state, state_with_phase(moving, RECORD_ENDED),
                          memory_order_release);
    wake_sampler();
    return true;
}

/* A call took longer than any that stayed below so far: is it slow, or the slowest of those? */
static enum call_class call_alert(uint32_t interface_id, uint64_t ticks)
{
    _Atomic uint64_t *alert = &hot.alert_ticks[interface_id];
    uint64_t slowest = atomic_load_explicit(alert, memory_order_acquire);

    if (slowest == UINT64_MAX) return CALL_BELOW;
    if (ticks >= atomic_load_explicit(&hot.threshold_ticks[interface_id], memory_order_relaxed))
        return CALL_MISSED;
    while (ticks > slowest &&
           !atomic_compare_exchange_weak_explicit(alert, &slowest, ticks, memory_order_acq_rel,
                                                  memory_order_acquire)) {
    }
    return CALL_BELOW;
}

/* Ends a call whose state was `state`; the slot is the calling thread's, NULL if it has none. */
static inline void call_finish(struct slot *slot, uint64_t token, uint64_t state,
                               int32_t response_code)
{
    uint32_t index = token_record(token);
    struct record *record = &hot.records[index];
    uint64_t ended = ticks_now();
    uint64_t began = atomic_load_explicit(&record->began_ticks, memory_order_relaxed);
    uint32_t interface_id = atomic_load_explicit(&record->interface_id, memory_order_relaxed);
    enum call_class how = CALL_BELOW;
    uint64_t ticks;

    while (UNLIKELY(!(state_is_heard(state) ? call_hand_over(index, &state, ended, response_code)
                                            : record_free(index, state)))) {
        state = atomic_load_explicit(&record->state, memory_order_acquire);
        if (state_generation(state) == token_generation(token) &&
            (state_phase(state) == RECORD_RUNNING || state_phase(state) == RECORD_DETACHED))
            continue;                     /* the sampler has just begun or ceased to listen */
        note_count(HOT_NOTE_STALE_TOKEN); /* ended or moved by another thread at this moment */
        return;
    }
    ticks = LIKELY(ended > began) ? ended - began : 0;
    if (UNLIKELY(state & STATE_LISTENED)) {
        how = CALL_LISTENED;
    } else if (UNLIKELY(ticks > atomic_load_explicit(&hot.alert_ticks[interface_id],
                                                     memory_order_relaxed))) {
        how = call_alert(interface_id, ticks);
    }
    statistics_count(slot, interface_id, ticks, how);
}

void call_forget(uint64_t token)
{
    uint64_t state =
        atomic_load_explicit(&hot.records[token_record(token)].state, memory_order_acquire);

    if (state_generation(state) != token_generation(token)) return;
    note_count(HOT_NOTE_FORGOTTEN);
    call_finish(NULL, token, state, 0);
}

/* The call is not the innermost of its thread: those within it were forgotten. */
static void end_inner_calls(struct slot *slot, uint64_t token)
{
    bool is_listed = false;

    for (uint32_t i = 0; i < slot->depth; i++) {
        is_listed |= slot->running[i] == token;
    }
    while (is_listed && slot->depth > 0) {
        uint64_t inner = slot->running[--slot->depth];
        uint64_t state;

        if (inner == token) return;
        state = atomic_load_explicit(&hot.records[token_record(inner)].state, memory_order_acquire);
        if (state_generation(state) == token_generation(inner) &&
            state_phase(state) == RECORD_RUNNING && state_slot(state) == slot_index(slot))
            call_forget(inner);
    }
}

ENTRY stakeout_call stakeout_call_begin(stakeout_interface_id interface_id)
{
    static const uint64_t no_trace[2] = { 0, 0 };

    if (interface_is_ignored(interface_id)) return call_none;
    return call_begin(interface_id, no_trace, (struct anchor){ CALLER_SP(), CALLER_PC() });
}

stakeout_call stakeout_call_begin_traced(stakeout_interface_id interface_id,
                                         const char *traceparent)
{
    uint64_t trace[2] = { 0, 0 };

    if (interface_is_ignored(interface_id)) return call_none;
    traceparent_read(traceparent, trace);
    return call_begin(interface_id, trace, (struct anchor){ CALLER_SP(), CALLER_PC() });
}

void stakeout_call_end(stakeout_call call, int response_code)
{
    uint64_t token = call.opaque[0], state;
    struct slot *slot;

    if (token == 0) return;
    slot = slot_mine();
    if (UNLIKELY(!token_resolve(call, &state))) return;
    if (LIKELY(slot && state_phase(state) == RECORD_RUNNING &&
               state_slot(state) == slot_index(slot))) {
        if (LIKELY(slot->depth > 0 && slot->running[slot->depth - 1] == token)) {
            slot->depth--;
        } else {
            end_inner_calls(slot, token);
        }
    } else {
        note_count(HOT_NOTE_MOVED_END);
    }
    call_finish(slot, token, state, response_code);
}

void stakeout_call_detach(stakeout_call call, const char *waiting_for)
{
    struct slot *slot = slot_mine();
    uint32_t index = token_record(call.opaque[0]);
    uint64_t state;

    if (!token_resolve(call, &state)) return;
    do {
        if (state_generation(state) != token_generation(call.opaque[0]) ||
            state_phase(state) != RECORD_RUNNING) {
            note_count(HOT_NOTE_STALE_TOKEN);
            return;
        }
    } while (!record_change(index, &state, state_with_phase(state, RECORD_MOVING)));
    if (slot) slot_remove(slot, call.opaque[0]);
    if (state & STATE_FACED) {
        struct face *face = call_face(index);

        atomic_store_explicit(&face->carried_cpu_ns, call_cpu_ns(face, state),
                              memory_order_relaxed);
        atomic_store_explicit(&face->stint_cpu_ns, 0, memory_order_relaxed);
    }
    atomic_store_explicit(&hot.records[index].waiting_for, waiting_for, memory_order_relaxed);
    atomic_store_explicit(&hot.records[index].state,
                          state_moved(state_with_phase(state, RECORD_DETACHED)),
                          memory_order_release);
}

/* Moves a call in flight to a slot, on whose list it is already. */
static bool call_move(uint64_t token, uint64_t state, struct slot *slot, struct anchor anchor)
{
    uint32_t index = token_record(token);
    struct record *record = &hot.records[index];

    do {
        bool is_here =
            state_phase(state) == RECORD_RUNNING && state_slot(state) == slot_index(slot);

        if (state_generation(state) != token_generation(token) || is_here ||
            (state_phase(state) != RECORD_DETACHED && state_phase(state) != RECORD_RUNNING))
            return false;
    } while (!record_change(index, &state, state_with_phase(state, RECORD_MOVING)));
    if (state & STATE_FACED) {
        struct face *face = call_face(index);

        atomic_store_explicit(&face->carried_cpu_ns, call_cpu_ns(face, state),
                              memory_order_relaxed);
        atomic_store_explicit(&face->stint_cpu_ns, clock_thread_cpu_ns(), memory_order_relaxed);
    }
    atomic_store_explicit(&record->anchor_sp, anchor.sp, memory_order_relaxed);
    atomic_store_explicit(&record->anchor_pc, anchor.pc, memory_order_relaxed);
    state = state_with_slot(state_with_phase(state, RECORD_RUNNING), slot_index(slot));
    atomic_store_explicit(&record->state, state_moved(state), memory_order_release);
    return true;
}

void stakeout_call_attach(stakeout_call call)
{
    struct anchor anchor = { CALLER_SP(), CALLER_PC() };
    uint64_t token = call.opaque[0], state;
    struct slot *slot;

    if (!token_resolve(call, &state)) return;
    slot = slot_enter();
    if (!slot) return;
    if (state_phase(state) == RECORD_RUNNING && state_slot(state) == slot_index(slot)) {
        note_count(HOT_NOTE_STALE_TOKEN); /* it is here already */
        return;
    }
    if (!slot_push(slot, token)) {
        note_count(HOT_NOTE_TOO_DEEP);
        return;
    }
    if (call_move(token, state, slot, anchor)) return;
    slot_remove(slot, token);
    note_count(HOT_NOTE_STALE_TOKEN);
}

/* A good mixing of 64 bits (the finalizer of splitmix64). */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

void call_trace(const struct record_view *view, uint64_t ret[2])
{
    uint64_t token = token_make(view->index, state_generation(view->state));

    ret[0] = view->trace[0];
    ret[1] = view->trace[1];
    if (ret[0] != 0 || ret[1] != 0) return;
    ret[0] = mix(hot.trace_key[0] ^ mix(token ^ view->began_ticks));
    ret[1] = mix(hot.trace_key[1] + mix(token) + view->began_ticks) | 1; /* never all zero */
}

int stakeout_call_trace_id(stakeout_call call, char ret[33])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t index = token_record(call.opaque[0]);
    struct record_view view;
    uint64_t trace[2];

    ret[0] = '\0';
    if (index >= RECORDS || call.opaque[1] != hot.epoch) return -ESRCH;
    if (!record_read(index, &view)) return -ESRCH;
    if (state_generation(view.state) != token_generation(call.opaque[0])) return -ESRCH;
    call_trace(&view, trace);
    for (int i = 0; i < 32; i++) {
        ret[i] = digits[trace[i / 16] >> (60 - i % 16 * 4) & 15];
    }
    ret[32] = '\0';
    return 0;
}

stakeout_interface_id stakeout_interface(const char *name)
{
    if (!name) return 0;
    return registry_add((struct text){ name, strnlen(name, INTERFACE_SIZE_MAX + 1) });
}

/* How many of the records [from, to) hold a call. */
static uint32_t count_running(uint32_t from, uint32_t to)
{
    uint32_t count = 0;

    for (uint32_t i = from; i < to; i++) {
        uint64_t state = atomic_load_explicit(&hot.records[i].state, memory_order_relaxed);

        if (state_phase(state) != RECORD_FREE && state_phase(state) != RECORD_ENDED) count++;
    }
    return count;
}

uint32_t call_count_running(void)
{
    return count_running(0, atomic_load_explicit(&hot.slot_count, memory_order_acquire)) +
           count_running(THREADS_MAX, record_shared_end());
}
