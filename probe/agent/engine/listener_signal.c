/* SPDX-License-Identifier: Apache-2.0 */
/* listener_signal.c: looks at a thread that runs, or could, by a copy that it makes of itself.
 *
 * The thread is sent our signal, and its handler copies registers and stack (signal_copy.c). It may
 * be about to sleep, and then the signal meets the call that it sleeps in; which is repaired where
 * that takes nothing from the host (hot/repair.c). So a thread that woke just now, or was not given
 * a CPU yet, and may stand in a sleep that began long ago, is given a moment first, three times.
 * One that is queued for longer is signalled all the same, unless it was last seen in a sleep of
 * which nobody knows how much is left (epoll_wait: hot/repair.c), and may be there yet: it could
 * see our signal in that. Then there is no snapshot, and that is counted.
 *
 * The copy is taken up later, when it is back: in the next round, or soon where that matters.
 *
 * INVARIANTS
 *
 * (1) A thread is sent a signal only after the copy before came back, or the thread changed.
 * (2) None is sent to a thread whose filters of system calls were not found to be ours; nor, but
 *     for a call's first snapshot, one whose pause its budget does not cover.
 * (3) A copy is walked only if no code was unloaded since it was asked for. */
#include "probe/agent/engine/listener_steps.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"

#include <errno.h>

#define WAKE_CLOCK_NS   (20 * NS_PER_US)  /* more than a wake that finds nothing to do takes */
#define ON_CPU_ERROR_NS NS_PER_US         /* of two readings, beside when they were made */
#define OFF_CPU_NS      (50 * NS_PER_US)  /* our own round, and signals */
#define RUN_ON_NS_MAX   (100 * NS_PER_MS) /* in longer times, the clocks part by more than that */

/* ---- may it be disturbed? ---- */

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

/* May our signal be sent now, and may the handler repair what it meets? In a handler of the host's
 * that blocks it, it would come later, and meet what the host's signal did. */
static bool signal_may_go(struct engine *engine, struct listening *listening,
                          const struct run_seen *seen, struct loan_order *order)
{
    int defers = seen->has_status
                     ? seen->status.defers
                     : thread_files_defers(&engine->files, order->tid, stack_copy_signal());

    order->may_repair = defers == 0;
    if (defers <= 0) return true;
    if (!look_again(listening, clock_monotonic_ns())) look_drop(listening, SNAPSHOT_DROP_LOAN_LOST);
    return false;
}

/* Has it been on a CPU nearly all the time since the copy before? Then whatever it does now began
 * just now. On a core that is taken, it is off it because we are on. */
static bool was_on_cpu(const struct engine *engine, const struct listening *listening,
                       const struct run_seen *seen)
{
    uint64_t passed_ns = tick_clock_ns(&engine->clock, seen->at_ticks) - listening->ran.at_ns;
    uint64_t used_ns = seen->clock_ns - listening->ran.clock_ns;

    if (listening->ran.at_ns == 0 || passed_ns > RUN_ON_NS_MAX) return false;
    return (int64_t)(passed_ns - used_ns) <= (int64_t)OFF_CPU_NS;
}

/* Has it run since an earlier look, for longer than a wake takes, without going to sleep? Then it
 * is in no old sleep, though others have its CPU. */
static bool has_not_slept(struct engine *engine, struct listening *listening, struct run_seen *seen)
{
    uint64_t sleeps;

    thread_files_status(&engine->files, listening->stint.tid, stack_copy_signal(), &seen->status);
    seen->has_status = true;
    sleeps = seen->status.sleeps;
    if (sleeps == THREAD_SLEEPS_UNKNOWN) return false;
    if (listening->awake.clock_ns != 0 && listening->awake.sleeps == sleeps)
        return seen->clock_ns - listening->awake.clock_ns >= WAKE_CLOCK_NS;
    listening->awake.sleeps = sleeps;
    listening->awake.clock_ns = thread_cpu_ns(listening->stint.tid); /* of behind the count */
    return false;
}

/* Is it in a wait whose age matters, for all that is known? It has left it, though it may have
 * entered another one there, if it used more CPU since than it takes to be woken in vain each time
 * that it was given one. */
static bool may_be_in_old_wait(struct engine *engine, const struct listening *listening,
                               uint64_t clock_ns)
{
    const struct old_wait *old = &listening->old_wait;
    uint64_t turns;

    if (old->pc == 0 || !old->asks_for_age) return false;
    turns = thread_files_turns(&engine->files, listening->stint.tid); /* it had no more by then */
    return old->turns == 0 || turns <= old->turns ||
           clock_ns - old->clock_ns < (turns - old->turns) * WAKE_CLOCK_NS;
}

static bool is_past_waking(struct engine *engine, struct listening *listening,
                           struct run_seen *seen)
{
    uint64_t clock_ns = seen->clock_ns;

    if (listening->slept_clock_ns != 0 && clock_ns - listening->slept_clock_ns < WAKE_CLOCK_NS)
        return false; /* it woke just now */
    if (was_on_cpu(engine, listening, seen)) return true;
    if (!may_be_in_old_wait(engine, listening, clock_ns) &&
        thread_is_on_cpu(listening->stint.tid, clock_ns))
        return true;
    return has_not_slept(engine, listening, seen);
}

/* ---- asking ---- */

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

/* The wait in which it was seen last, unless it has left it. */
static struct old_wait wait_not_left(const struct listening *listening, bool is_awake)
{
    if (is_awake && listening->old_wait.asks_for_age) return (struct old_wait){ 0 };
    return listening->old_wait;
}

/* signal_copy_send() said so. */
static void copy_refused(struct engine *engine, struct listening *listening, int rc,
                         uint64_t now_ns)
{
    if (rc == -ENOBUFS && look_again(listening, now_ns)) return;
    if (rc == -EALREADY) { /* another call of this thread asked: our turn comes after it */
        pace_retry(&listening->pace, now_ns);
        return;
    }
    engine->handler_taken |= rc == -EBUSY;
    draft_drop(&listening->draft, drop_of_request(rc));
}

static void copy_ask(struct engine *engine, struct listening *listening,
                     const struct record_view *view, const struct run_seen *seen)
{
    const struct stint *stint = &listening->stint;
    struct old_wait old_wait = wait_not_left(listening, seen->was_awake);
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
                                .was_awake = seen->was_awake,
                                .seen_ticks = seen->at_ticks,
                                .old_pc = old_wait.pc,
                                .old_sp = old_wait.sp };
    int rc;

    if (!pause_is_covered(engine, listening, now_ns)) return;
    if (stack_copy_is_open() && !signal_may_go(engine, listening, seen, &order)) return;
    if (!listening->stint.is_opaque) order_clock(&order, seen);
    listening->copy_unloads = unwinder_unloads(engine->unwinder);
    listening->copy_queue_ns = look_queue_since(engine, listening);
    listening->asked_turns = stint->turns; /* of the same reading */
    listening->asked =
        (struct run_point){ tick_clock_ns(&engine->clock, seen->at_ticks), seen->clock_ns };
    rc = signal_copy_send(&listening->copy, &order, now_ns);
    listening->retry_count = 0;
    if (rc < 0) copy_refused(engine, listening, rc, now_ns);
}

void look_by_signal(struct engine *engine, struct listening *listening,
                    const struct record_view *view, uint64_t clock_ns, struct run_seen *seen)
{
    struct stint *stint = &listening->stint;
    struct stack_thread thread = stint_thread(stint);

    /* To find out takes a while: then it is looked at once more. */
    if (stint->bounds.high == 0 || listening->covered_ms == 0) {
        if (!listening_is_covered(engine, listening)) return;
        if (stint->bounds.high == 0 &&
            known_stacks_find(&engine->stacks, &thread, view->anchor_sp, &stint->bounds) < 0) {
            look_drop(listening, SNAPSHOT_DROP_UNREADABLE);
            return;
        }
        seen->at_ticks = ticks_now();
        if (look_blocked(engine, listening, view, clock_ns) == SLEEP_LOOK_DONE) return;
    }
    seen->was_awake = is_past_waking(engine, listening, seen);
    if (seen->was_running && !seen->was_awake) {
        if (look_again(listening, clock_monotonic_ns())) return;
        if (listening->old_wait.asks_for_age) {
            look_drop(listening, SNAPSHOT_DROP_MOVED);
            return;
        }
    }
    copy_ask(engine, listening, view, seen);
}

/* ---- taking up ---- */

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

static void copy_settle(struct engine *engine, struct listening *listening)
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

static void pause_charge(struct engine *engine, struct listening *listening,
                         const struct loan *loan, uint64_t now_ns)
{
    draft_count_pause(&listening->draft, ticks_to_ns(loan->pause_ticks));
    engine->signal_count++;
    listening->pause_ns = ticks_to_ns(loan_charge_ticks(loan)) + engine->signal_ns;
    budget_thread_spend(&engine->budget, loan->order.tid, now_ns, listening->pause_ns);
}

/* The thread copied itself in the wait that we knew, or in one that it enters again; or it left. */
static void old_wait_learn(struct listening *listening, const struct loan *loan)
{
    struct old_wait here = { .pc = loan->registers[REGISTER_RIP],
                             .sp = loan->registers[REGISTER_RSP],
                             .asks_for_age = loan->was_young,
                             .clock_ns = loan->cpu_ns,
                             .turns = listening->asked_turns };
    struct old_wait *old = &listening->old_wait;

    if (loan->outcome == LOAN_CALL_ENDED) return; /* then it copied no registers */
    if (loan->is_made_again) {
        *old = here;
    } else if (here.pc != old->pc || here.sp != old->sp) {
        *old = (struct old_wait){ 0 };
    }
}

void look_at_copy(struct engine *engine, struct listening *listening, uint64_t now_ns)
{
    struct signal_copy *copy = &listening->copy;
    int rc;

    if (!signal_copy_is_under_way(copy)) return;
    rc = signal_copy_poll(copy, now_ns);
    if (rc == -ETIMEDOUT) draft_drop(&listening->draft, SNAPSHOT_DROP_LOAN_LOST);
    if (rc < 0) return;
    pause_charge(engine, listening, signal_copy_loan(copy), now_ns);
    old_wait_learn(listening, signal_copy_loan(copy));
    copy_settle(engine, listening);
    signal_copy_close(copy);
}
