/* SPDX-License-Identifier: Apache-2.0 */
/* lock_watch.c: the owner of a lock, at a moment, together with its stack at that moment.
 *
 * An owner that sleeps is read where it lies, like a waiter (blocked_stack.c). Its CPU clock reads
 * the same before and after; the lock's word names it in between. It did not run, so it did not
 * give the lock up: word and stack are of one moment.
 *
 * An owner that runs is sent our signal. Its handler reads the word itself, and copies the stack:
 * while it is in the handler it cannot give the lock up. Where its stack lies is not known at
 * first; a first signal tells (stack pointer and thread pointer, no copy), a second one copies.
 *
 * To read the word twice from here, before and after the copy, was tried and is wrong: with several
 * waiters an owner gives the lock up and has it again within a microsecond, and the copy in between
 * shows a function that holds nothing.
 *
 * INVARIANTS
 *
 * (1) An owner is told only while the waiter stands still: its CPU clock, read last, is as it was
 *     at its own look. So it waited for this lock at the moment of which the owner is told.
 * (2) An owner is a thread of this process: only of these the kernel gives us the CPU clock. A word
 *     that is not one (a lock shared with another process, memory that is a lock no more) has none.
 * (3) A visited thread is read by the system call that our own thread reads by; so it is visited
 *     only if the same filters of system calls (seccomp) are set for both. */
#include "probe/agent/engine/lock_watch.h"

#include "probe/agent/base/filters.h"
#include "probe/agent/engine/blocked_stack.h"
#include "probe/agent/look/lock_owner.h"
#include "probe/hot/index_stack.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"

#include <errno.h>

static bool waits_still(const struct waiter *waiter)
{
    return thread_cpu_ns(waiter->tid) == waiter->clock_ns;
}

/* ---- an owner that runs ---- */

/* What a visit takes from its thread: as the last one, and before that as a signal does. */
static uint64_t pause_ns_of(const struct lock_watch *watch, const struct engine *engine)
{
    return watch->pause_ns > 0 ? watch->pause_ns : engine->signal_ns;
}

/* Does it run, or could it? A while ago it did; should it have gone to sleep since, a signal would
 * end that sleep. Asked last, right before the signal. */
static bool is_awake(uint32_t tid)
{
    return thread_is_on_cpu(tid, thread_cpu_ns(tid)) || thread_files_state(tid) == 'R';
}

static void visit_send(struct lock_watch *watch, struct engine *engine, struct draft *draft)
{
    struct owner_visit *visit = &watch->visit;
    struct loan_order order = { .tid = visit->tid,
                                .record = INDEX_NONE,
                                .lock_owner_at = visit->at,
                                .account = draft->watch->account,
                                .was_running = false }; /* it may have waited for long */
    uint64_t now_ns = clock_monotonic_ns();
    int defers;

    if (!budget_thread_covers(&engine->budget, visit->tid, now_ns, pause_ns_of(watch, engine)))
        return; /* it is named, without its stack */
    defers = thread_files_defers(&engine->files, visit->tid, stack_copy_signal());

    if (defers > 0 || !is_awake(visit->tid)) return;
    order.may_repair = defers == 0;
    if (watch->stack.tid == visit->tid) {
        order.thread_pointer = watch->stack.pointer;
        order.low = watch->stack.bounds.low;
        order.high = watch->stack.bounds.high;
        order.stack_is_own = watch->stack.bounds.is_own;
    }
    signal_copy_send(&visit->copy, &order, now_ns);
}

struct running_owner {
    uint32_t tid;
    uint64_t clock_ns; /* what its CPU clock read before it was found running */
};

static void visit_begin(struct lock_watch *watch, struct engine *engine, struct draft *draft,
                        const struct waiter *waiter, const struct running_owner *owner)
{
    if (signal_copy_is_under_way(&watch->visit.copy) || !filters_cover(owner->tid)) return;
    watch->visit = (struct owner_visit){ .copy = SIGNAL_COPY_NONE,
                                         .waiter = *waiter,
                                         .tid = owner->tid,
                                         .snapshot = draft_newest(draft),
                                         .last_snapshot = draft_newest(draft),
                                         .clock_ns = owner->clock_ns,
                                         .thinned_count = draft->builder.thinned_count,
                                         .at = draft->owner_at };
    visit_send(watch, engine, draft);
}

/* Its stack is not where we thought, or that was not known. Returns whether it is now. */
static bool visit_learn(struct lock_watch *watch, const struct engine *engine,
                        const struct loan *loan)
{
    struct owner_stack *stack = &watch->stack;
    bool was_known = stack->tid == watch->visit.tid && stack->pointer == loan->thread_pointer;

    *stack = (struct owner_stack){ .tid = watch->visit.tid, .pointer = loan->thread_pointer };
    if (!was_known &&
        known_stacks_read(&engine->stacks,
                          &(struct stack_thread){ .tid = stack->tid, .pointer = stack->pointer },
                          loan->registers[REGISTER_RSP], &stack->bounds) == 0)
        return true;
    stack->tid = 0;
    return false;
}

static void visit_take(struct lock_watch *watch, struct engine *engine, struct draft *draft)
{
    const struct owner_visit *visit = &watch->visit;
    struct sighting sighting;
    uint32_t owner;

    signal_copy_sight(&visit->copy, &engine->clock, &sighting);
    unwinder_walk(engine->unwinder, &sighting.stack, &engine->walk);
    if (!waits_still(&visit->waiter) || visit->thinned_count != draft->builder.thinned_count)
        return;
    owner = draft_add_owner(draft, engine, visit->snapshot,
                            &(struct owner_view){ .tid = visit->tid, .has_walk = true });
    for (uint32_t i = visit->snapshot + 1; i <= visit->last_snapshot; i++)
        draft_set_owner(draft, i, owner);
}

void lock_watch_collect(struct lock_watch *watch, struct engine *engine, struct draft *draft,
                        uint64_t now_ns)
{
    struct owner_visit *visit = &watch->visit;
    const struct loan *loan;
    bool again = false;

    if (!signal_copy_is_under_way(&visit->copy) || signal_copy_poll(&visit->copy, now_ns) < 0)
        return;
    loan = signal_copy_loan(&visit->copy);
    draft_count_pause(draft, ticks_to_ns(loan->pause_ticks));
    engine->signal_count++;
    watch->pause_ns = ticks_to_ns(loan_charge_ticks(loan)) + engine->signal_ns;
    budget_thread_spend(&engine->budget, visit->tid, now_ns, watch->pause_ns);
    if (loan->outcome == LOAN_COPIED) visit_take(watch, engine, draft);
    if (loan->outcome == LOAN_STACK_BOUNDS) again = visit_learn(watch, engine, loan);
    signal_copy_close(&visit->copy);
    if (again && waits_still(&visit->waiter)) visit_send(watch, engine, draft);
}

uint64_t lock_watch_poll_at_ns(const struct lock_watch *watch, uint64_t now_ns)
{
    const struct signal_copy *copy = &watch->visit.copy;

    return signal_copy_is_under_way(copy) ? signal_copy_poll_at_ns(copy, now_ns, true) : UINT64_MAX;
}

void lock_watch_close(struct lock_watch *watch)
{
    signal_copy_close(&watch->visit.copy);
    *watch = LOCK_WATCH_NONE;
}

/* ---- one that sleeps ---- */

enum owner_state {
    OWNER_GONE,    /* it is not the owner any more */
    OWNER_ASLEEP,  /* its walk is in engine->walk */
    OWNER_RUNNING, /* or could */
    OWNER_HIDDEN,  /* it sleeps, and nobody tells where */
};

/* Looks at the thread that the word at `at` named a moment ago. *ret_clock_ns: of ASLEEP alone. */
static enum owner_state owner_read(struct engine *engine, uint64_t at, uint32_t tid,
                                   uint64_t *ret_clock_ns)
{
    struct stack_thread thread = { .tid = tid };
    struct sighting sighting = { 0 };
    bool is_unfinished = blocked_stack_of_unfinished(engine, &thread, &sighting);
    int rc = 0;

    if (!is_unfinished) rc = blocked_stack_read(engine, &thread, thread_cpu_ns(tid), &sighting);
    if (lock_owner_read(at) != tid) return OWNER_GONE;
    if (rc == -EAGAIN || rc == -EBUSY) return OWNER_RUNNING;
    if (rc < 0) return thread_files_state(tid) == 'R' ? OWNER_RUNNING : OWNER_HIDDEN;
    if (sighting.still_clock_ns == 0 || thread_cpu_ns(tid) != sighting.still_clock_ns)
        return OWNER_RUNNING;
    if (is_unfinished) {
        unwinder_walk(engine->unwinder, &sighting.stack, &engine->walk);
    } else {
        blocked_stack_walk(engine, &sighting);
    }
    *ret_clock_ns = sighting.still_clock_ns;
    return OWNER_ASLEEP;
}

/* An owner that was asked for a copy, and has not had a CPU since: what it copies when it has one
 * is how it is now. */
static bool owner_is_queued(const struct lock_watch *watch, const struct draft *draft, uint32_t tid)
{
    const struct owner_visit *visit = &watch->visit;

    return signal_copy_is_under_way(&visit->copy) && visit->tid == tid &&
           visit->at == draft->owner_at && visit->clock_ns == thread_cpu_ns(tid);
}

static void owner_look(struct lock_watch *watch, struct engine *engine, struct draft *draft,
                       const struct waiter *waiter, uint32_t tid)
{
    struct owner_view view = { .tid = tid };
    struct running_owner running = { tid, thread_cpu_ns(tid) };
    uint64_t clock_ns = 0;
    enum owner_state state = owner_read(engine, draft->owner_at, tid, &clock_ns);

    watch->tid = 0;
    if (state == OWNER_GONE || !waits_still(waiter)) return;
    view.has_walk = state == OWNER_ASLEEP;
    watch->owner = draft_add_owner(draft, engine, draft_newest(draft), &view);
    if (state == OWNER_RUNNING && owner_is_queued(watch, draft, tid))
        watch->visit.last_snapshot = draft_newest(draft);
    else if (state == OWNER_RUNNING && !draft->is_lookback)
        visit_begin(watch, engine, draft, waiter, &running);
    if (state != OWNER_ASLEEP) return;
    watch->tid = tid;
    watch->clock_ns = clock_ns;
    watch->thinned_count = draft->builder.thinned_count;
}

void lock_watch_look(struct lock_watch *watch, struct engine *engine, struct draft *draft,
                     const struct waiter *waiter)
{
    uint32_t tid = waiter->clock_ns != 0 ? lock_owner_read(draft->owner_at) : 0;
    uint64_t clock_ns = tid != 0 && tid != waiter->tid ? thread_cpu_ns(tid) : 0;

    if (clock_ns == 0 || draft_newest(draft) == INDEX_NONE) return;
    if (watch->tid != tid || watch->clock_ns != clock_ns ||
        watch->thinned_count != draft->builder.thinned_count) {
        owner_look(watch, engine, draft, waiter, tid);
    } else if (waits_still(waiter)) {
        draft_set_owner(draft, draft_newest(draft), watch->owner);
    }
}
