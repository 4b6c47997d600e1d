/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c: one slow call, from its trigger to its end: when its thread is looked at, and which
 * of three ways is the cheapest that is true.
 *
 * 1. Its CPU clock reads what it read at the last look: it has not run, and so its stack is the
 *    same (listener_blocked.c).
 * 2. It is blocked: its stack is read where it lies (the same).
 * 3. It is running, or could. Where perf events are used, the kernel copied its stack when it had
 *    run for an interval, and the look takes what came; the first is made to come at once
 *    (listener_perf.c). Else it is sent a signal, and copies its stack itself (listener_signal.c).
 *
 * Where the kernel does not say what a thread is in, the signal is the only look. It is spent once
 * on a wait, which is then known by what came of it (closed_wait.c).
 *
 * The ways bring sightings, which go into the draft of the call's sample, or drops, which are
 * counted there.
 *
 * INVARIANTS
 *
 * (1) A look that was due ends as a snapshot, as a counted drop, or is tried again soon.
 * (2) A sighting stands (`still_clock_ns`) only if its clock value is of the very moment of the
 *     stack. After a copy it is not: the thread ran on. */
#include "probe/agent/engine/listener.h"

#include "probe/agent/base/filters.h"
#include "probe/agent/engine/listener_steps.h"
#include "probe/agent/unwind/self_memory.h"
#include "probe/hot/call.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"

#include <errno.h>

enum {
    DETACH_NAME_SIZE = WAITING_FOR_SIZE_MAX - 16, /* beside "detached: " */
    LOOK_RETRIES_MAX = 3,                         /* of one look, 200 us apart */
    COVERED_MS = 100,                             /* so long a look at a thread's filters holds */
};

/* ---- begin ---- */

/* `marks`: what the state says of it from here on. */
static int listening_claim(struct engine *engine, struct listening *listening, struct watch *watch,
                           const struct record_view *view, uint64_t marks)
{
    uint32_t face = listening->face;
    uint64_t began_ns = tick_clock_ns(&engine->clock, view->began_ticks);
    uint64_t state = view->state, cpu_ns = 0;
    struct draft draft;
    int rc = draft_begin(&draft, watch, view, began_ns);

    if (rc < 0) return rc;
    draft.is_lookback = !(marks & STATE_LISTENED);
    if (state_phase(state) == RECORD_RUNNING)
        cpu_ns = thread_cpu_ns(draft.builder.sample->thread_id);
    atomic_store_explicit(&hot.faces[face].carried_cpu_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&hot.faces[face].stint_cpu_ns, cpu_ns, memory_order_relaxed);
    atomic_store_explicit(&hot.records[view->index].face, (uint16_t)face, memory_order_relaxed);
    if (!record_change(view->index, &state, state | marks)) {
        draft_done(&draft);
        return -EAGAIN;
    }
    *listening = (struct listening){
        .is_used = true,
        .face = face,
        .record = view->index,
        .generation = state_generation(view->state),
        .draft = draft,
        .copy = SIGNAL_COPY_NONE,
        .lock = LOCK_WATCH_NONE,
    };
    stint_begin(&listening->stint, view);
    return 0;
}

int listening_begin(struct engine *engine, struct listening *listening, struct watch *watch,
                    const struct record_view *view)
{
    int rc = listening_claim(engine, listening, watch, view, STATE_LISTENED | STATE_FACED);

    if (rc == 0) draft_trigger(&listening->draft);
    return rc;
}

int listening_begin_early(struct engine *engine, struct listening *listening, struct watch *watch,
                          const struct record_view *view)
{
    return listening_claim(engine, listening, watch, view, STATE_FACED);
}

int listening_trigger(struct listening *listening)
{
    uint64_t state =
        atomic_load_explicit(&hot.records[listening->record].state, memory_order_acquire);

    if (listening_has_ended(listening)) return -EAGAIN;
    if (state_phase(state) != RECORD_RUNNING && state_phase(state) != RECORD_DETACHED)
        return -EAGAIN;
    if (state_generation(state) != listening->generation ||
        !record_change(listening->record, &state, state | STATE_LISTENED))
        return -EAGAIN;
    draft_trigger(&listening->draft);
    listening->pace.next_ns = 0;
    return 0;
}

/* The call is on another thread, or on none. */
static void listening_move(struct listening *listening, const struct record_view *view)
{
    if (signal_copy_is_under_way(&listening->copy)) {
        signal_copy_close(&listening->copy);
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
    }
    perf_watch_end(&listening->perf);
    listening->perf = PERF_WATCH_NONE;
    stint_begin(&listening->stint, view);
    lock_watch_close(&listening->lock);
    listening->slept_clock_ns = 0;
    listening->old_wait = (struct old_wait){ 0 };
    listening->retry_count = 0;
    listening->covered_ms = 0;
    listening->closed = (struct closed_wait){ 0 };
    listening->draft.still_clock_ns = 0;
    listening->ran = (struct run_point){ 0 };
    listening->awake.clock_ns = 0;
}

/* ---- looks ---- */

uint64_t look_queue_since(struct engine *engine, struct listening *listening)
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

bool look_again(struct listening *listening, uint64_t now_ns)
{
    if (listening->retry_count == LOOK_RETRIES_MAX) return false;
    listening->retry_count++;
    pace_retry(&listening->pace, now_ns);
    return true;
}

void look_drop(struct listening *listening, enum snapshot_drop drop)
{
    listening->retry_count = 0;
    draft_drop(&listening->draft, drop);
}

void listening_put_off(struct listening *listening, uint64_t until_ns)
{
    struct draft *draft = &listening->draft;
    struct pace *pace = &listening->pace;

    pace_put_off(pace, until_ns);
    if (draft->is_lookback || pace->looked_ns == 0) return;
    if (until_ns - pace->looked_ns > draft->builder.interval_ns)
        draft_put_off(draft, until_ns - pace->looked_ns);
}

void look_count_way(const struct listening *listening, uint64_t *count)
{
    if (!listening->draft.is_lookback) (*count)++;
}

bool listening_is_covered(struct engine *engine, struct listening *listening)
{
    uint32_t now_ms = (uint32_t)(clock_monotonic_ns() / NS_PER_MS) | 1; /* is not 0 */
    uint64_t clock_ns;

    if (listening->covered_ms != 0 && now_ms - listening->covered_ms <= COVERED_MS) return true;
    /* Who did not run set no filter; and one that another thread sets for all is ours, too. */
    clock_ns = thread_cpu_ns(listening->stint.tid);
    if ((listening->covered_ms != 0 && clock_ns != 0 && clock_ns == listening->covered_clock_ns) ||
        filters_cover(listening->stint.tid)) {
        listening->covered_ms = now_ms;
        listening->covered_clock_ns = clock_ns;
        return true;
    }
    listening->is_uncovered = thread_cpu_ns(listening->stint.tid) != 0; /* else it is gone */
    engine->has_uncovered |= listening->is_uncovered;
    return false;
}

static void look_attached(struct engine *engine, struct listening *listening,
                          const struct record_view *view, uint64_t now_ns)
{
    uint64_t clock_ns = thread_cpu_ns(listening->stint.tid);
    struct run_seen seen = { .at_ticks = ticks_now(), .clock_ns = clock_ns };
    bool has_come = look_at_event(engine, listening, view, now_ns);

    if (draft_is_unchanged(&listening->draft, clock_ns)) {
        look_unchanged(engine, listening, clock_ns, now_ns);
        return;
    }
    listening->draft.still_clock_ns = 0;
    switch (look_blocked(engine, listening, view, clock_ns)) {
    case SLEEP_LOOK_DONE:
        look_rest_event(engine, listening);
        return;
    case SLEEP_LOOK_RUNNING:
        seen.was_running = true;
        break;
    case SLEEP_LOOK_CLOSED:
        if (look_closed(engine, listening, clock_ns)) return;
        seen.was_running = thread_files_state(listening->stint.tid) == 'R';
        break;
    }
    if (signal_copy_is_under_way(&listening->copy)) {
        look_drop(listening, SNAPSHOT_DROP_LOAN_LOST);
    } else if (!seen.was_running || !look_by_event(engine, listening, has_come, clock_ns)) {
        look_by_signal(engine, listening, view, clock_ns, &seen);
    }
}

/* Before the call turns slow, each look is twice as late in it as the one before. */
static uint64_t early_interval_ns(const struct listening *listening, uint64_t now_ns)
{
    return now_ns - listening->draft.builder.began_ns;
}

/* Sets when the next look is due, and keeps how far apart the budget put them. */
static void look_done(const struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    struct draft *draft = &listening->draft;
    struct pace *pace = &listening->pace;
    uint64_t interval_ns = budget_interval_ns(&engine->budget, draft->builder.interval_ns), late;

    if (pace->next_ns > now_ns) return; /* it was put off */
    if (draft->is_lookback) {
        pace_looked(pace, now_ns, early_interval_ns(listening, now_ns));
        pace->next_ns = now_ns + early_interval_ns(listening, now_ns);
        return;
    }
    pace->grid_ns = engine->grid_ns;
    if (pace->is_put_off && now_ns - pace->looked_ns > interval_ns)
        interval_ns = now_ns - pace->looked_ns;
    if (interval_ns > draft->builder.interval_ns) draft_stretch(draft, interval_ns);
    late =
        pace_looked(pace, now_ns, budget_interval_ns(&engine->budget, draft->builder.interval_ns));
    draft->watch->counts.snapshot_drops[SNAPSHOT_DROP_LATE] += late;
}

bool listening_look(struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    struct record_view view;

    if (listening_has_ended(listening)) return false;
    if (!record_read(listening->record, &view)) {
        pace_retry(&listening->pace, now_ns); /* it is on the move */
        return true;
    }
    if (state_phase(view.state) == RECORD_ENDED) return false;
    if (state_generation(view.state) != listening->generation) return false;
    if (!stint_holds(&listening->stint, view.state)) listening_move(listening, &view);
    if (state_phase(view.state) == RECORD_DETACHED) {
        look_detached(listening, &view, now_ns);
    } else if (draft_is_new(&listening->draft) || listening_is_covered(engine, listening)) {
        look_attached(engine, listening, &view, now_ns);
    }
    look_done(engine, listening, now_ns);
    return true;
}

void listening_collect(struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    lock_watch_collect(&listening->lock, engine, &listening->draft, now_ns);
    look_at_copy(engine, listening, now_ns);
}

uint64_t listening_deadline_ns(const struct engine *engine, const struct listening *listening,
                               uint64_t now_ns)
{
    uint64_t next_ns = listening->pace.next_ns;
    uint64_t owner_ns = lock_watch_poll_at_ns(&listening->lock, now_ns);

    if (owner_ns < next_ns) next_ns = owner_ns;
    if (signal_copy_is_under_way(&listening->copy)) {
        bool is_urgent = engine->collects_soon || listening->stint.is_opaque;
        uint64_t poll_ns = signal_copy_poll_at_ns(&listening->copy, now_ns, is_urgent);

        if (poll_ns < next_ns) next_ns = poll_ns;
    }
    return next_ns;
}

/* ---- end ---- */

bool listening_has_ended(const struct listening *listening)
{
    uint64_t state =
        atomic_load_explicit(&hot.records[listening->record].state, memory_order_acquire);

    return state_phase(state) == RECORD_ENDED || state_generation(state) != listening->generation;
}

/* Returns the loan and the record, and forgets the rest. */
static void listening_close(struct listening *listening)
{
    signal_copy_close(&listening->copy);
    perf_watch_end(&listening->perf);
    lock_watch_close(&listening->lock);
    draft_done(&listening->draft);
    *listening = (struct listening){ .face = listening->face,
                                     .copy = SIGNAL_COPY_NONE,
                                     .lock = LOCK_WATCH_NONE };
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
    if (listening->pace.is_put_off &&
        end.ended_ns > listening->pace.looked_ns + listening->draft.builder.interval_ns)
        draft_stretch(&listening->draft, end.ended_ns - listening->pace.looked_ns);
    if (stint_holds(&listening->stint, state)) end.queue_ns = look_queue_since(engine, listening);
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

    while (state_generation(state) == listening->generation &&
           (state_phase(state) == RECORD_RUNNING || state_phase(state) == RECORD_DETACHED)) {
        if (record_change(listening->record, &state, state & ~STATE_FACED)) {
            listening_close(listening);
            return true;
        }
    }
    if (state_generation(state) == listening->generation) {
        if (state_phase(state) != RECORD_ENDED) return false;
        record_free(listening->record, state);
    } /* else it ended before it turned slow, and is free already */
    listening_close(listening);
    return true;
}
