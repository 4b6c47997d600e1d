/* SPDX-License-Identifier: Apache-2.0 */
/* listener_blocked.c: looks at a thread that is off its CPU: whose stack stands still.
 *
 * It has not run since the last look, and its stack is the one that we have; or it is blocked, and
 * its stack is read where it lies (blocked_stack.c). Where the kernel does not say what it is in,
 * a copy that it made of itself in this wait is verified to stand still (closed_wait.c). None of
 * that disturbs it. And should it wait for a lock, it is asked who holds that (lock_watch.c).
 *
 * INVARIANT: what is added here is of one moment. The thread's CPU clock reads the same before its
 * stack was read and behind it, or our handler is in the same call (hot/unfinished.h). Else the
 * look is made again, or ends as a drop, or finds that the thread runs. And the call had not ended
 * by then: a thread that has no call any more sleeps where it likes. */
#include "probe/agent/engine/blocked_stack.h"
#include "probe/agent/engine/listener_steps.h"
#include "probe/hot/repair.h"

#include <errno.h>
#include <string.h>

/* Who holds the lock for which it waits, if it does. `still_clock_ns`: as in a sighting. */
static void look_at_owner(struct engine *engine, struct listening *listening,
                          uint64_t still_clock_ns)
{
    struct waiter waiter = { listening->stint.tid, still_clock_ns };

    if (listening->draft.owner_at != 0)
        lock_watch_look(&listening->lock, engine, &listening->draft, &waiter);
}

static void look_sighted(struct engine *engine, struct listening *listening,
                         const struct sighting *sighting)
{
    struct look_times times;

    listening->retry_count = 0;
    if (listening_has_ended(listening)) { /* maybe before: it may sleep anywhere by now */
        draft_drop(&listening->draft, SNAPSHOT_DROP_CALL_ENDED);
        return;
    }
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

/* A blocked stack could not be read. */
static enum sleep_look look_unread(struct engine *engine, struct listening *listening, int rc)
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

/* Where it sleeps: it may be found there again. Only of a call of which its age matters then. */
static void look_note_wait(struct engine *engine, struct listening *listening,
                           const struct sighting *sighting)
{
    struct made_call call = { .number = sighting->wait.syscall };
    struct old_wait wait = { .pc = sighting->wait.pc, .sp = sighting->wait.sp };

    memcpy(call.arguments, sighting->wait.arguments, sizeof call.arguments);
    if (repair_asks_for_age(&call)) {
        wait.asks_for_age = true;
        wait.clock_ns = sighting->clock_ns;
        wait.turns = thread_files_turns(&engine->files, listening->stint.tid);
        if (thread_cpu_ns(listening->stint.tid) != wait.clock_ns) wait.turns = 0;
    }
    listening->slept_clock_ns = sighting->clock_ns;
    listening->old_wait = wait;
}

enum sleep_look look_blocked(struct engine *engine, struct listening *listening,
                             const struct record_view *view, uint64_t clock_ns)
{
    struct stack_thread thread = stint_thread(&listening->stint);
    struct sighting sighting = { .stack = { .anchor_sp = view->anchor_sp,
                                            .anchor_pc = view->anchor_pc } };
    uint64_t unloads = unwinder_unloads(engine->unwinder);
    bool is_unfinished = blocked_stack_of_unfinished(engine, &thread, &sighting);
    int rc = is_unfinished ? 0 : blocked_stack_read(engine, &thread, clock_ns, &sighting);

    if (rc == 0 && !unwinder_stands(engine->unwinder, unloads)) rc = -EBUSY;
    if (rc < 0) return look_unread(engine, listening, rc);
    if (is_unfinished) {
        unwinder_walk(engine->unwinder, &sighting.stack, &engine->walk);
    } else {
        blocked_stack_walk(engine, &sighting);
    }
    look_note_wait(engine, listening, &sighting);
    look_sighted(engine, listening, &sighting);
    return SLEEP_LOOK_DONE;
}

bool look_closed(struct engine *engine, struct listening *listening, uint64_t clock_ns)
{
    struct sighting sighting;

    if (!closed_wait_sight(&listening->closed, engine, listening->stint.tid, clock_ns, &sighting))
        return false;
    look_sighted(engine, listening, &sighting);
    return true;
}

void look_unchanged(struct engine *engine, struct listening *listening, uint64_t clock_ns,
                    uint64_t now_ns)
{
    struct look_times times = { .queue_ns = 0 }; /* it shows when the thread has got a CPU */

    listening->retry_count = 0;
    if (stint_cpu_ns(&listening->stint, clock_ns, &times.cpu_ns)) {
        if (!draft_add_unchanged(&listening->draft, now_ns, &times)) return;
        look_count_way(listening, &listening->draft.watch->counts.repeats);
        look_at_owner(engine, listening, clock_ns);
    } else {
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
    }
}
