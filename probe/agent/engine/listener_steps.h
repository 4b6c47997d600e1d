/* SPDX-License-Identifier: Apache-2.0 */
/* listener_steps.h: what the listener's files share: the steps of a look.
 *
 * listener.c looks; listener_perf.c does where perf events bring the stacks. Nobody else includes
 * this. Threads: the sampler's, under its lock. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_LISTENER_STEPS_H
#define STAKEOUT_PROBE_AGENT_ENGINE_LISTENER_STEPS_H

#include "probe/agent/engine/listener.h"

/* ---- listener.c ---- */

/* The thread's time in the run queue since this was last asked. */
uint64_t look_queue_since(struct engine *engine, struct listening *listening);

/* The look that was due failed. */
void look_drop(struct listening *listening, enum snapshot_drop drop);

/* How a snapshot came. Those of before the trigger do not count: the call may never turn slow. */
void look_count_way(const struct listening *listening, uint64_t *count);

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

#endif
