/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c: one slow call's thread, looked at in one of three ways.
 *
 * 1. Its CPU clock reads what it read at the last look: it has not run, and so its stack is the
 *    same.
 * 2. It is blocked: its stack is read where it lies (blocked_stack.c). Where that lacks the frame
 *    pointer, and the walk did not even reach the call's begin, one signal per wait is spent on it.
 * 3. It is running, or could: it copies its stack itself, in our handler (signal_copy.c).
 *
 * The ways bring sightings, which go into the draft of the call's sample, or drops, which are
 * counted there.
 *
 * INVARIANTS
 *
 * (1) A thread is sent a signal only after the copy before came back, or the thread changed.
 * (2) A sighting stands (`still_clock_ns`) only if its clock value is of the very moment of the
 *     stack. After a signal it is not: the thread ran on.
 * (3) A look that was due ends as a snapshot, as a counted drop, or is tried again soon. */
#include "probe/agent/listener.h"

#include "probe/agent/blocked_stack.h"
#include "probe/agent/self_memory.h"
#include "probe/hot/call.h"
#include "probe/hot/memory.h"

#include <errno.h>

enum { DETACH_NAME_SIZE = WAITING_FOR_SIZE_MAX - 16 }; /* beside "detached: " */

/* ---- begin ---- */

int listening_begin(struct engine *engine, struct listening *listening, uint32_t face,
                    struct watch *watch, const struct record_view *view)
{
    uint64_t began_ns = tick_clock_ns(&engine->clock, view->began_ticks);
    uint64_t state = view->state, cpu_ns = 0;
    struct draft draft;
    int rc = draft_begin(&draft, watch, view, began_ns);

    if (rc < 0) return rc;
    if (state_phase(state) == RECORD_RUNNING)
        cpu_ns = thread_cpu_ns(draft.builder.sample->thread_id);
    atomic_store_explicit(&hot.faces[face].carried_cpu_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&hot.faces[face].stint_cpu_ns, cpu_ns, memory_order_relaxed);
    atomic_store_explicit(&hot.records[view->index].face, (uint16_t)face, memory_order_relaxed);
    if (!record_change(view->index, &state, state | STATE_LISTENED | STATE_FACED)) {
        draft_done(&draft);
        return -EAGAIN;
    }
    *listening = (struct listening){
        .is_used = true,
        .record = view->index,
        .draft = draft,
        .copy = SIGNAL_COPY_NONE,
    };
    stint_begin(&listening->stint, view);
    return 0;
}

/* The call is on another thread, or on none. */
static void listening_move(struct listening *listening, const struct record_view *view)
{
    if (signal_copy_is_under_way(&listening->copy)) {
        signal_copy_close(&listening->copy);
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
    }
    stint_begin(&listening->stint, view);
    listening->waits = (struct known_waits){ 0 };
    listening->closed = (struct closed_wait){ 0 };
    listening->draft.still_clock_ns = 0;
}

/* ---- looks ---- */

static uint64_t queue_since(struct engine *engine, struct listening *listening)
{
    uint64_t queue_ns = 0;

    if (stint_queue_since(&listening->stint, &engine->files, &queue_ns) < 0)
        engine->schedstat_unreadable |= thread_cpu_ns(listening->stint.tid) != 0;
    return queue_ns;
}

static void look_detached(struct listening *listening, const struct record_view *view,
                          uint64_t now_ns)
{
    char waiting_for[DETACH_NAME_SIZE];
    uint64_t cpu_ns;

    self_read_text((uint64_t)(uintptr_t)view->waiting_for, waiting_for, sizeof waiting_for);
    if (stint_cpu_ns(&listening->stint, 0, &cpu_ns)) {
        draft_add_detached(&listening->draft, waiting_for, now_ns, cpu_ns);
    } else {
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
    }
}

static enum snapshot_drop drop_of_request(int rc)
{
    switch (rc) {
    case -ENOBUFS:
        return SNAPSHOT_DROP_NO_BUFFER;
    case -EBUSY:
        return SNAPSHOT_DROP_HANDLER_TAKEN;
    case -ESRCH:
        return SNAPSHOT_DROP_CALL_ENDED;
    default:
        return SNAPSHOT_DROP_LOAN_LOST;
    }
}

/* Asks the thread for a copy of its stack: for that of a wait or, with NULL, because it runs.
 * Returns 0: it is to be expected; -EALREADY: another call of this thread asked, as a rule, and our
 * turn comes when that copy is back; or another -errno, which is counted. */
static int copy_ask(struct engine *engine, struct listening *listening,
                    const struct record_view *view, const struct wait_view *wait)
{
    struct stint *stint = &listening->stint;
    struct stack_thread thread = stint_thread(stint);
    struct loan_order order = {
        .tid = stint->tid, .slot = stint->slot, .record = listening->record, .state = view->state
    };
    uint64_t now_ns = clock_monotonic_ns();
    int rc;

    if (stint->bounds.high == 0 &&
        known_stacks_find(&engine->stacks, &thread, view->anchor_sp, &stint->bounds) < 0) {
        draft_drop(&listening->draft, SNAPSHOT_DROP_UNREADABLE);
        return -EFAULT;
    }
    order.low = stint->bounds.low;
    order.high = stint->bounds.high;
    rc = signal_copy_send(&listening->copy, &order, wait, now_ns);
    if (rc == -EALREADY) pace_retry(&listening->pace, now_ns);
    if (rc == 0 || rc == -EALREADY) return rc;
    engine->handler_taken |= rc == -EBUSY;
    draft_drop(&listening->draft, drop_of_request(rc));
    return rc;
}

/* Spends a signal on the frame pointer of a wait. Returns whether a look will come of it. */
static bool copy_ask_for_wait(struct engine *engine, struct listening *listening,
                              const struct record_view *view, const struct wait_view *wait)
{
    int rc;

    if (signal_copy_is_under_way(&listening->copy)) return false;
    rc = copy_ask(engine, listening, view, wait);
    if (rc == -EALREADY) return true;
    known_waits_add(&listening->waits, wait, &engine->walk);
    return rc == 0;
}

/* A blocked stack could not be read. Returns whether that was the look; else it is asked. */
static bool heed_unread(struct engine *engine, struct listening *listening, int rc)
{
    switch (rc) {
    case -EAGAIN: /* it runs */
        return false;
    case -EBUSY:
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
        return false;
    case -EFAULT:
        draft_drop(&listening->draft, SNAPSHOT_DROP_UNREADABLE);
        return true;
    default:
        listening->stint.is_opaque = true;
        engine->syscall_unreadable |= thread_cpu_ns(listening->stint.tid) != 0;
        return false;
    }
}

static void look_sighted(struct engine *engine, struct listening *listening,
                         const struct sighting *sighting)
{
    struct look_times times;

    if (!stint_cpu_ns(&listening->stint, sighting->clock_ns, &times.cpu_ns)) {
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
        return;
    }
    times.queue_ns = queue_since(engine, listening);
    draft_add_sighting(&listening->draft, engine, listening->stint.tid, sighting, &times);
}

/* Way 2. Returns false if it does not apply. */
static bool look_blocked(struct engine *engine, struct listening *listening,
                         const struct record_view *view, uint64_t clock_ns)
{
    struct sighting sighting = { .stack = { .anchor_sp = view->anchor_sp,
                                            .anchor_pc = view->anchor_pc } };
    int rc = blocked_stack_read(engine, &listening->stint, clock_ns, &sighting);

    if (rc < 0) return heed_unread(engine, listening, rc);
    if (blocked_stack_walk(engine, &listening->waits, &sighting) == BLOCKED_WALK_WANTS_COPY &&
        copy_ask_for_wait(engine, listening, view, &sighting.wait))
        return true;
    look_sighted(engine, listening, &sighting);
    return true;
}

/* The same for an opaque thread, if the copy before was of a wait. */
static bool look_closed(struct engine *engine, struct listening *listening, uint64_t clock_ns)
{
    struct sighting sighting;

    if (!closed_wait_sight(&listening->closed, engine, listening->stint.tid, clock_ns, &sighting))
        return false;
    look_sighted(engine, listening, &sighting);
    return true;
}

/* Way 1. */
static void look_unchanged(struct engine *engine, struct listening *listening, uint64_t clock_ns,
                           uint64_t now_ns)
{
    struct look_times times;

    if (stint_cpu_ns(&listening->stint, clock_ns, &times.cpu_ns)) {
        times.queue_ns = queue_since(engine, listening);
        draft_add_unchanged(&listening->draft, now_ns, &times);
    } else {
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
    }
}

static void look_attached(struct engine *engine, struct listening *listening,
                          const struct record_view *view, uint64_t now_ns)
{
    uint64_t clock_ns = thread_cpu_ns(listening->stint.tid);

    if (draft_is_unchanged(&listening->draft, clock_ns)) {
        look_unchanged(engine, listening, clock_ns, now_ns);
        return;
    }
    listening->draft.still_clock_ns = 0;
    if (look_blocked(engine, listening, view, clock_ns)) return;
    if (look_closed(engine, listening, clock_ns)) return;
    if (!signal_copy_is_under_way(&listening->copy)) copy_ask(engine, listening, view, NULL);
}

bool listening_look(struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    struct record_view view;
    uint64_t late;

    if (listening_has_ended(listening)) return false;
    if (!record_read(listening->record, &view)) {
        pace_retry(&listening->pace, now_ns); /* it is on the move */
        return true;
    }
    if (state_phase(view.state) == RECORD_ENDED) return false;
    if (!stint_holds(&listening->stint, view.state)) listening_move(listening, &view);
    if (state_phase(view.state) == RECORD_DETACHED) {
        look_detached(listening, &view, now_ns);
    } else {
        look_attached(engine, listening, &view, now_ns);
    }
    late = pace_looked(&listening->pace, now_ns, listening->draft.builder.sample->interval_ns);
    listening->draft.watch->counts.snapshot_drops[SNAPSHOT_DROP_LATE] += late;
    return true;
}

/* ---- copies ---- */

static void copy_take(struct engine *engine, struct listening *listening)
{
    struct sighting sighting;
    struct look_times times;

    signal_copy_sight(&listening->copy, &engine->clock, &sighting);
    unwinder_walk(engine->unwinder, &sighting.stack, &engine->walk);
    if (listening->stint.is_opaque) {
        closed_wait_read(&sighting.stack, &sighting.wait);
        closed_wait_note(&listening->closed, engine, &sighting);
    } else if (sighting.wait.sp != 0) {
        known_waits_learn(&listening->waits, sighting.stack.registers[REGISTER_RBP]);
    }
    /* The handler made sure that the call was there when it copied, though it moved since. */
    if (!stint_cpu_ns(&listening->stint, sighting.clock_ns, &times.cpu_ns))
        times.cpu_ns = listening->draft.builder.cpu_ns;
    times.queue_ns = queue_since(engine, listening);
    draft_add_sighting(&listening->draft, engine, listening->stint.tid, &sighting, &times);
}

static void copy_heed(struct engine *engine, struct listening *listening)
{
    switch (signal_copy_loan(&listening->copy)->outcome) {
    case LOAN_COPIED:
        copy_take(engine, listening);
        break;
    case LOAN_CALL_ENDED:
        draft_drop(&listening->draft, SNAPSHOT_DROP_CALL_ENDED);
        break;
    case LOAN_STACK_BOUNDS:
        draft_drop(&listening->draft, SNAPSHOT_DROP_STACK_BOUNDS);
        listening->stint.bounds.high = 0; /* look again where its stack is */
        break;
    }
}

void listening_collect(struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    struct signal_copy *copy = &listening->copy;
    int rc;

    if (!signal_copy_is_under_way(copy)) return;
    rc = signal_copy_poll(copy, now_ns);
    if (rc == -ETIMEDOUT) draft_drop(&listening->draft, SNAPSHOT_DROP_LOAN_LOST);
    if (rc < 0) return;
    draft_count_pause(&listening->draft, ticks_to_ns(signal_copy_loan(copy)->pause_ticks));
    copy_heed(engine, listening);
    signal_copy_close(copy);
}

uint64_t listening_deadline_ns(const struct listening *listening, uint64_t now_ns)
{
    uint64_t look_ns = listening->pace.next_ns, poll_ns;

    if (!signal_copy_is_under_way(&listening->copy)) return look_ns;
    poll_ns = signal_copy_poll_at_ns(&listening->copy, now_ns);
    return poll_ns < look_ns ? poll_ns : look_ns;
}

/* ---- end ---- */

bool listening_has_ended(const struct listening *listening)
{
    uint64_t state =
        atomic_load_explicit(&hot.records[listening->record].state, memory_order_acquire);

    return state_phase(state) == RECORD_ENDED;
}

/* Returns the loan and the record, and forgets the rest. */
static void listening_close(struct listening *listening)
{
    signal_copy_close(&listening->copy);
    draft_done(&listening->draft);
    *listening = (struct listening){ .copy = SIGNAL_COPY_NONE };
}

struct sample *listening_end(struct engine *engine, struct listening *listening)
{
    const struct record *record = &hot.records[listening->record];
    const struct face *face = &hot.faces[atomic_load_explicit(&record->face, memory_order_relaxed)];
    uint64_t state = atomic_load_explicit(&record->state, memory_order_acquire);
    uint64_t ended_ticks = atomic_load_explicit(&face->ended_ticks, memory_order_relaxed);
    struct call_end end = {
        .ended_ns = tick_clock_ns(&engine->clock, ended_ticks),
        .cpu_ns = atomic_load_explicit(&face->end_cpu_ns, memory_order_relaxed),
        .response_code = atomic_load_explicit(&face->response_code, memory_order_relaxed),
    };
    struct sample *sample;

    if (state_phase(state) != RECORD_ENDED) return NULL;
    listening_collect(engine, listening, end.ended_ns);
    if (signal_copy_is_under_way(&listening->copy))
        draft_drop(&listening->draft, SNAPSHOT_DROP_CALL_ENDED);
    if (stint_holds(&listening->stint, state)) end.queue_ns = queue_since(engine, listening);
    sample = draft_end(&listening->draft, &end);
    record_free(listening->record, state);
    listening_close(listening);
    return sample;
}

struct sample *listening_report(struct listening *listening, uint64_t now_ns)
{
    uint64_t clock_ns = thread_cpu_ns(listening->stint.tid), cpu_ns = 0;

    if (!stint_cpu_ns(&listening->stint, clock_ns, &cpu_ns)) cpu_ns = 0;
    return draft_report(&listening->draft, now_ns, cpu_ns);
}

bool listening_abandon(struct listening *listening)
{
    uint64_t state =
        atomic_load_explicit(&hot.records[listening->record].state, memory_order_acquire);

    while (state_phase(state) == RECORD_RUNNING || state_phase(state) == RECORD_DETACHED) {
        if (record_change(listening->record, &state, state & ~STATE_FACED)) {
            listening_close(listening);
            return true;
        }
    }
    if (state_phase(state) != RECORD_ENDED) return false;
    record_free(listening->record, state);
    listening_close(listening);
    return true;
}
