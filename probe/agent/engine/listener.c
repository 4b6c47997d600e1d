/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c: one slow call's thread, looked at in one of three ways.
 *
 * 1. Its CPU clock reads what it read at the last look: it has not run, and so its stack is the
 *    same.
 * 2. It is blocked: its stack is read where it lies (blocked_stack.c).
 * 3. It is running, or could. Where perf events are used (listener_perf.c), the kernel copied its
 *    stack when it had run for an interval, and the look takes what came; the first is made to come
 *    at once. Else it copies its stack itself, in our handler (signal_copy.c). It may be about to
 *    sleep, and then the signal meets the call that it sleeps in; which is repaired if the call is
 *    young (hot/repair.c). So a thread that woke just now, or was not given a CPU yet, and may
 *    stand in a sleep that began long ago, is given a moment first, three times. One that is queued
 *    for longer, or of which there is no snapshot yet, is signalled all the same; should it come
 *    from such a sleep, the host sees it, as with any signal, and it is counted.
 *
 * Where the kernel does not say what a thread is in, the signal is the only look. It is spent once
 * on a wait, which is then known by what came of it (closed_wait.c).
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
#include "probe/agent/engine/listener.h"

#include "probe/agent/base/filters.h"
#include "probe/agent/engine/blocked_stack.h"
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

#define WAKE_CLOCK_NS   (20 * NS_PER_US)  /* more than a wake that finds nothing to do takes */
#define ON_CPU_ERROR_NS NS_PER_US         /* of two readings, beside when they were made */
#define LEFT_CLOCK_NS   (50 * NS_PER_US)  /* more than several of them take between two looks */
#define OFF_CPU_NS      (50 * NS_PER_US)  /* our own round, and signals */
#define RUN_ON_NS_MAX   (100 * NS_PER_MS) /* in longer times, the clocks part by more than that */

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

/* Puts a look off by a moment. False: it was often enough. */
static bool look_again(struct listening *listening, uint64_t now_ns)
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

/* What a copy takes from its thread: as the last one, and before that as a signal does. */
static uint64_t pause_ns_of(const struct engine *engine, const struct listening *listening)
{
    return listening->pause_ns > 0 ? listening->pause_ns : engine->signal_ns;
}

/* May the thread be paused now? If not, the look is put off. */
static bool pause_is_covered(struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    uint64_t pause_ns = pause_ns_of(engine, listening);
    uint32_t tid = listening->stint.tid;

    if (draft_is_new(&listening->draft) ||
        budget_thread_covers(&engine->budget, tid, now_ns, pause_ns))
        return true;
    listening_put_off(listening,
                      now_ns + budget_thread_wait_ns(&engine->budget, tid, now_ns, pause_ns));
    return false;
}

/* What the kernel said of a thread that does not sleep. */
struct run_seen {
    bool was_running;
    uint64_t at_ticks; /* it was asked after this moment, */
    uint64_t clock_ns; /* when its CPU clock read this */
};

/* May our signal be sent now, and may the handler repair what it meets? In a handler of the host's
 * that blocks it, it would come later, and meet what the host's signal did. */
static bool signal_may_go(struct engine *engine, struct listening *listening,
                          struct loan_order *order)
{
    int defers = thread_files_defers(&engine->files, order->tid, stack_copy_signal());

    order->may_repair = defers == 0;
    if (defers <= 0) return true;
    if (!look_again(listening, clock_monotonic_ns())) look_drop(listening, SNAPSHOT_DROP_LOAN_LOST);
    return false;
}

/* Tells the handler what the thread's CPU clock reads, if the thread has been on a CPU since it was
 * seen: then it need not ask. That costs us what it would cost the host. */
static void order_clock(struct loan_order *order, const struct run_seen *seen)
{
    uint64_t clock_ns = thread_cpu_ns(order->tid), now = ticks_now();
    int64_t off_ns = (int64_t)(ticks_to_ns(now - seen->at_ticks) - (clock_ns - seen->clock_ns));

    if (off_ns > (int64_t)ON_CPU_ERROR_NS) return;
    order->clock_ticks = now;
    order->clock_ns = clock_ns;
}

/* The wait in which it was seen last, unless it has used more CPU since than it takes to be woken in
 * vain, again and again: then it has left it, though it may have entered another one there. */
static struct old_wait wait_not_left(const struct listening *listening, uint64_t clock_ns)
{
    if (clock_ns > listening->old_wait.clock_ns + LEFT_CLOCK_NS) return (struct old_wait){ 0 };
    return listening->old_wait;
}

/* Asks the thread for a copy of its stack. */
static void copy_ask(struct engine *engine, struct listening *listening,
                     const struct record_view *view, const struct run_seen *seen)
{
    const struct stint *stint = &listening->stint;
    struct old_wait old_wait = wait_not_left(listening, seen->clock_ns);
    uint64_t now_ns = clock_monotonic_ns();
    struct loan_order order = { .tid = stint->tid,
                                .slot = stint->slot,
                                .record = listening->record,
                                .state = view->state,
                                .low = stint->bounds.low,
                                .high = stint->bounds.high,
                                .stack_is_own = stint->bounds.is_own,
                                .account = listening->draft.watch->account,
                                .was_running = seen->was_running,
                                .seen_ticks = seen->at_ticks,
                                .old_pc = old_wait.pc,
                                .old_sp = old_wait.sp };
    int rc;

    if (!pause_is_covered(engine, listening, now_ns)) return;
    if (stack_copy_is_open() && !signal_may_go(engine, listening, &order)) return;
    if (!listening->stint.is_opaque) order_clock(&order, seen);
    listening->copy_unloads = unwinder_unloads(engine->unwinder);
    listening->copy_queue_ns = look_queue_since(engine, listening);
    listening->asked =
        (struct run_point){ tick_clock_ns(&engine->clock, seen->at_ticks), seen->clock_ns };
    rc = signal_copy_send(&listening->copy, &order, now_ns);
    listening->retry_count = 0;
    if (rc == 0) return;
    if (rc == -ENOBUFS && look_again(listening, now_ns)) return;
    if (rc == -EALREADY) { /* another call of this thread asked: our turn comes after it */
        pace_retry(&listening->pace, now_ns);
        return;
    }
    engine->handler_taken |= rc == -EBUSY;
    draft_drop(&listening->draft, drop_of_request(rc));
}

/* Who holds the lock for which it waits, if it does. `still_clock_ns`: as in a sighting. */
static void look_at_owner(struct engine *engine, struct listening *listening,
                          uint64_t still_clock_ns)
{
    struct waiter waiter = { listening->stint.tid, still_clock_ns };

    if (listening->draft.owner_at != 0)
        lock_watch_look(&listening->lock, engine, &listening->draft, &waiter);
}

void look_count_way(const struct listening *listening, uint64_t *count)
{
    if (!listening->draft.is_lookback) (*count)++;
}

static void look_sighted(struct engine *engine, struct listening *listening,
                         const struct sighting *sighting)
{
    struct look_times times;

    listening->retry_count = 0;
    if (!stint_cpu_ns(&listening->stint, sighting->clock_ns, &times.cpu_ns)) {
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
        return;
    }
    times.queue_ns = look_queue_since(engine, listening);
    if (!draft_add_sighting(&listening->draft, engine, listening->stint.tid, sighting, &times))
        return;
    look_count_way(listening, &listening->draft.watch->counts.reads);
    look_at_owner(engine, listening, sighting->still_clock_ns);
}

/* What a look at a thread that may sleep came to. */
enum sleep_look {
    SLEEP_LOOK_DONE,    /* it was the look, or is put off, or is counted as a drop */
    SLEEP_LOOK_RUNNING, /* it was seen running */
    SLEEP_LOOK_CLOSED,  /* nobody tells */
};

/* A blocked stack could not be read. */
static enum sleep_look heed_unread(struct engine *engine, struct listening *listening, int rc)
{
    switch (rc) {
    case -EAGAIN:
        return SLEEP_LOOK_RUNNING;
    case -EBUSY:
        if (!look_again(listening, clock_monotonic_ns())) look_drop(listening, SNAPSHOT_DROP_MOVED);
        return SLEEP_LOOK_DONE;
    case -EFAULT:
        look_drop(listening, SNAPSHOT_DROP_UNREADABLE);
        return SLEEP_LOOK_DONE;
    default:
        listening->stint.is_opaque = true;
        engine->syscall_unreadable |= thread_cpu_ns(listening->stint.tid) != 0;
        return SLEEP_LOOK_CLOSED;
    }
}

/* Way 2. */
static enum sleep_look look_blocked(struct engine *engine, struct listening *listening,
                                    const struct record_view *view, uint64_t clock_ns)
{
    struct stack_thread thread = stint_thread(&listening->stint);
    struct sighting sighting = { .stack = { .anchor_sp = view->anchor_sp,
                                            .anchor_pc = view->anchor_pc } };
    uint64_t unloads = unwinder_unloads(engine->unwinder);
    bool is_in_transfer = blocked_stack_of_transfer(engine, &thread, &sighting);
    int rc = is_in_transfer ? 0 : blocked_stack_read(engine, &thread, clock_ns, &sighting);

    if (rc == 0 && !unwinder_stands(engine->unwinder, unloads)) rc = -EBUSY;
    if (rc < 0) return heed_unread(engine, listening, rc);
    if (is_in_transfer) {
        unwinder_walk(engine->unwinder, &sighting.stack, &engine->walk);
    } else {
        blocked_stack_walk(engine, &sighting);
    }
    listening->slept_clock_ns = sighting.clock_ns;
    listening->old_wait =
        (struct old_wait){ sighting.wait.pc, sighting.wait.sp, sighting.clock_ns };
    look_sighted(engine, listening, &sighting);
    return SLEEP_LOOK_DONE;
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

    listening->retry_count = 0;
    if (stint_cpu_ns(&listening->stint, clock_ns, &times.cpu_ns)) {
        times.queue_ns = look_queue_since(engine, listening);
        if (!draft_add_unchanged(&listening->draft, now_ns, &times)) return;
        look_count_way(listening, &listening->draft.watch->counts.repeats);
        look_at_owner(engine, listening, clock_ns);
    } else {
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
    }
}

/* Has it been on a CPU nearly all the time since the copy before? Then whatever it does now began
 * just now. On a core that is taken, it is off it because we are on. */
static bool has_run_on(const struct engine *engine, const struct listening *listening,
                       const struct run_seen *seen)
{
    uint64_t passed_ns = tick_clock_ns(&engine->clock, seen->at_ticks) - listening->ran.at_ns;
    uint64_t used_ns = seen->clock_ns - listening->ran.clock_ns;

    if (listening->ran.at_ns == 0 || passed_ns > RUN_ON_NS_MAX) return false;
    return (int64_t)(passed_ns - used_ns) <= (int64_t)OFF_CPU_NS;
}

/* Has it run since an earlier look, for longer than a wake takes, without going to sleep? Then it
 * is in no old sleep, though others have its CPU. It costs ten microseconds to ask. */
static bool has_not_slept(struct listening *listening, uint64_t clock_ns)
{
    uint64_t sleeps = thread_files_sleeps(listening->stint.tid);

    if (sleeps == THREAD_SLEEPS_UNKNOWN) return false;
    if (listening->awake.clock_ns != 0 && listening->awake.sleeps == sleeps)
        return clock_ns - listening->awake.clock_ns >= WAKE_CLOCK_NS;
    listening->awake.sleeps = sleeps;
    listening->awake.clock_ns = thread_cpu_ns(listening->stint.tid); /* of behind the count */
    return false;
}

static bool is_past_waking(const struct engine *engine, struct listening *listening,
                           const struct run_seen *seen)
{
    uint64_t clock_ns = seen->clock_ns;

    if (listening->slept_clock_ns != 0 && clock_ns - listening->slept_clock_ns < WAKE_CLOCK_NS)
        return false; /* it woke just now */
    return has_run_on(engine, listening, seen) ||
           thread_is_on_cpu(listening->stint.tid, clock_ns) || has_not_slept(listening, clock_ns);
}

/* Are the thread's filters those under which our calls were tried? In our handler, and at the end
 * of a call that is listened to, it makes some of them itself. */
static bool thread_is_covered(struct engine *engine, struct listening *listening)
{
    uint32_t now_ms = (uint32_t)(clock_monotonic_ns() / NS_PER_MS) | 1; /* is not 0 */

    if (listening->covered_ms != 0 && now_ms - listening->covered_ms <= COVERED_MS) return true;
    if (filters_cover(listening->stint.tid)) {
        listening->covered_ms = now_ms;
        return true;
    }
    listening->is_uncovered = thread_cpu_ns(listening->stint.tid) != 0; /* else it is gone */
    engine->has_uncovered |= listening->is_uncovered;
    return false;
}

/* Way 3. */
static void look_running(struct engine *engine, struct listening *listening,
                         const struct record_view *view, uint64_t clock_ns, struct run_seen *seen)
{
    struct stint *stint = &listening->stint;
    struct stack_thread thread = stint_thread(stint);
    bool is_awake;

    /* To find out takes a while: then it is looked at once more. */
    if (stint->bounds.high == 0 || listening->covered_ms == 0) {
        if (!thread_is_covered(engine, listening)) return;
        if (stint->bounds.high == 0 &&
            known_stacks_find(&engine->stacks, &thread, view->anchor_sp, &stint->bounds) < 0) {
            look_drop(listening, SNAPSHOT_DROP_UNREADABLE);
            return;
        }
        seen->at_ticks = ticks_now();
        if (look_blocked(engine, listening, view, clock_ns) == SLEEP_LOOK_DONE) return;
    }
    is_awake = is_past_waking(engine, listening, seen);
    if (seen->was_running && !is_awake && listening->draft.builder.sample->snapshot_count > 0 &&
        look_again(listening, clock_monotonic_ns()))
        return;
    seen->was_running &= is_awake;
    copy_ask(engine, listening, view, seen);
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
        look_running(engine, listening, view, clock_ns, &seen);
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
    } else if (draft_is_new(&listening->draft) || thread_is_covered(engine, listening)) {
        look_attached(engine, listening, &view, now_ns);
    }
    look_done(engine, listening, now_ns);
    return true;
}

/* ---- copies ---- */

/* The copy is taken up later than it was made. Of the time for which the thread was queued since it
 * was asked, that belongs to the copy for which it was off its CPU, having our signal to heed. */
static uint64_t queued_since_asked(struct engine *engine, struct listening *listening,
                                   const struct sighting *sighting)
{
    uint64_t passed_ns = sighting->at_ns - listening->asked.at_ns;
    uint64_t used_ns = sighting->clock_ns - listening->asked.clock_ns, queued_ns = 0;

    if ((int64_t)passed_ns <= (int64_t)used_ns) return 0;
    stint_queue_part(&listening->stint, &engine->files, passed_ns - used_ns, &queued_ns);
    return queued_ns;
}

static void copy_take(struct engine *engine, struct listening *listening)
{
    struct sighting sighting;
    struct look_times times;

    if (!unwinder_stands(engine->unwinder, listening->copy_unloads)) {
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED); /* other code may lie there by now */
        return;
    }
    signal_copy_sight(&listening->copy, &engine->clock, &sighting);
    unwinder_walk(engine->unwinder, &sighting.stack, &engine->walk);
    if (listening->stint.is_opaque) {
        closed_wait_read(&sighting.stack, &sighting.wait);
        closed_wait_note(&listening->closed, engine, &sighting);
    }
    /* The handler made sure that the call was there when it copied, though it moved since. */
    if (!stint_cpu_ns(&listening->stint, sighting.clock_ns, &times.cpu_ns))
        times.cpu_ns = listening->draft.builder.cpu_ns;
    times.queue_ns = listening->copy_queue_ns + queued_since_asked(engine, listening, &sighting);
    listening->ran = (struct run_point){ sighting.at_ns, sighting.clock_ns };
    if (draft_add_sighting(&listening->draft, engine, listening->stint.tid, &sighting, &times))
        look_count_way(listening, &listening->draft.watch->counts.signals);
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

static void pause_heed(struct engine *engine, struct listening *listening, const struct loan *loan,
                       uint64_t now_ns)
{
    draft_count_pause(&listening->draft, ticks_to_ns(loan->pause_ticks));
    engine->signal_count++;
    listening->pause_ns = ticks_to_ns(loan_charge_ticks(loan)) + engine->signal_ns;
    budget_thread_spend(&engine->budget, loan->order.tid, now_ns, listening->pause_ns);
}

/* The thread copied itself in the wait that we knew, or in one that it enters again; or it left. */
static void old_wait_heed(struct listening *listening, const struct loan *loan)
{
    struct old_wait here = { loan->registers[REGISTER_RIP], loan->registers[REGISTER_RSP],
                             loan->cpu_ns };
    struct old_wait *old = &listening->old_wait;

    if (loan->outcome == LOAN_CALL_ENDED) return; /* then it copied no registers */
    if (loan->is_made_again) {
        *old = here;
    } else if (here.pc != old->pc || here.sp != old->sp) {
        *old = (struct old_wait){ 0 };
    }
}

void listening_collect(struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    struct signal_copy *copy = &listening->copy;
    int rc;

    lock_watch_collect(&listening->lock, engine, &listening->draft, now_ns);
    if (!signal_copy_is_under_way(copy)) return;
    rc = signal_copy_poll(copy, now_ns);
    if (rc == -ETIMEDOUT) draft_drop(&listening->draft, SNAPSHOT_DROP_LOAN_LOST);
    if (rc < 0) return;
    pause_heed(engine, listening, signal_copy_loan(copy), now_ns);
    old_wait_heed(listening, signal_copy_loan(copy));
    copy_heed(engine, listening);
    signal_copy_close(copy);
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
