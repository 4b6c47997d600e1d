/* SPDX-License-Identifier: Apache-2.0 */
/* listener_steps.h: what the listener's files share: the steps of a look.
 *
 * listener.c decides; each other file has a way to look. Nobody else includes this. Threads: the
 * sampler's, under its lock. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_LISTENER_STEPS_H
#define STAKEOUT_PROBE_AGENT_ENGINE_LISTENER_STEPS_H

#include "probe/agent/engine/listener.h"

/* ---- listener.c ---- */

/* The thread's time in the run queue since this was last asked. */
uint64_t look_queue_since(struct engine *engine, struct listening *listening);

/* Puts the look off by a moment. False: it was often enough. */
bool look_again(struct listening *listening, uint64_t now_ns);

/* The look that was due failed. */
void look_drop(struct listening *listening, enum snapshot_drop drop);

/* How a snapshot came. Those of before the trigger do not count: the call may never turn slow. */
void look_count_way(const struct listening *listening, uint64_t *count);

/* Are the thread's filters those under which our calls were tried? In our handler, and at the end
 * of a call that is listened to, it makes some of them itself. If not, is_uncovered is set, unless
 * the thread is gone. */
bool listening_is_covered(struct engine *engine, struct listening *listening);

/* ---- listener_blocked.c ---- */

/* The thread has not run since the last look: its CPU clock reads the same, clock_ns. */
void look_unchanged(struct engine *engine, struct listening *listening, uint64_t clock_ns,
                    uint64_t now_ns);

/* What a look at a thread that may sleep came to. */
enum sleep_look {
    SLEEP_LOOK_DONE,    /* it was the look, or is put off, or is counted as a drop */
    SLEEP_LOOK_RUNNING, /* it was seen running */
    SLEEP_LOOK_CLOSED,  /* nobody tells */
};

/* Reads its stack where it lies. `clock_ns`: its CPU clock, read before. */
enum sleep_look look_blocked(struct engine *engine, struct listening *listening,
                             const struct record_view *view, uint64_t clock_ns);

/* The same for an opaque thread, if the copy before was of a wait. */
bool look_closed(struct engine *engine, struct listening *listening, uint64_t clock_ns);

/* ---- listener_perf.c ---- */

/* Adds the stack that came since the last look. False: none did. */
bool look_at_event(struct engine *engine, struct listening *listening,
                   const struct record_view *view, uint64_t now_ns);

/* Of a thread that was seen running: is its stack to come by a perf event? If not, it is sent a
 * signal. `has_come`: one did just now; `clock_ns`: what the thread's CPU clock reads. */
bool look_by_event(struct engine *engine, struct listening *listening, bool has_come,
                   uint64_t clock_ns);

/* The thread sleeps: its event, if there is one, is not to fire as soon as it runs. */
void look_rest_event(struct engine *engine, struct listening *listening);

/* ---- listener_signal.c ---- */

/* What the kernel said of a thread that does not sleep. */
struct run_seen {
    bool was_running;
    bool was_awake;    /* past its waking: it is not in the sleep that it was woken from */
    uint64_t at_ticks; /* it was asked after this moment, */
    uint64_t clock_ns; /* when its CPU clock read this */
    bool has_status;   /* `status` was read since then */
    struct thread_status status;
};

/* Asks the thread for a copy of its stack; listening_collect() takes it up. Or puts the look off,
 * or drops it. `seen` is brought up to date. */
void look_by_signal(struct engine *engine, struct listening *listening,
                    const struct record_view *view, uint64_t clock_ns, struct run_seen *seen);

/* Takes up the copy that came back, if it did. */
void look_at_copy(struct engine *engine, struct listening *listening, uint64_t now_ns);

#endif
