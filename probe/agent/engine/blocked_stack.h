/* SPDX-License-Identifier: Apache-2.0 */
/* blocked_stack.h: the stack of a thread that is blocked, read where it lies. The thread notices
 * nothing of it.
 *
 *     rc = blocked_stack_read(&engine, &thread, clock_ns, &sighting);
 *     blocked_stack_walk(&engine, &sighting);                  the walk is in engine.walk
 *
 * Threads: the sampler's. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_BLOCKED_STACK_H
#define STAKEOUT_PROBE_AGENT_ENGINE_BLOCKED_STACK_H

#include "probe/agent/engine/engine.h"
#include "probe/agent/engine/sighting.h"

/* Fills *ret but for the anchors, which the caller may have set. `clock_ns`: what the thread's CPU
 * clock reads. Returns 0, with the bytes in engine->stack; -EAGAIN: the thread runs, or could;
 * -EBUSY: it ran in between, each time; -EFAULT: its stack cannot be read; or why the kernel does
 * not say where it is blocked. */
int blocked_stack_read(struct engine *engine, const struct stack_thread *thread, uint64_t clock_ns,
                       struct sighting *ret);

/* Walks it. Where the frame pointer can neither be told nor verified, the walk ends, and is marked
 * as cut: nobody is disturbed for the rest. */
void blocked_stack_walk(struct engine *engine, struct sighting *sighting);

/* The same for a thread that is in our handler, at the rest of a write or a wait
 * (hot/unfinished.h): it is shown in the call that it made, of which all registers are known.
 * False: it is in none. */
bool blocked_stack_of_unfinished(struct engine *engine, const struct stack_thread *thread,
                                 struct sighting *ret);

#endif
