/* SPDX-License-Identifier: Apache-2.0 */
/* blocked_stack.h: the stack of a thread that is blocked, read where it lies. The thread notices
 * nothing of it.
 *
 *     rc = blocked_stack_read(&engine, &stint, clock_ns, &sighting);
 *     end = blocked_stack_walk(&engine, &known_waits, &sighting);     the walk is in engine.walk
 *
 * Threads: the sampler's. */
#ifndef STAKEOUT_PROBE_AGENT_BLOCKED_STACK_H
#define STAKEOUT_PROBE_AGENT_BLOCKED_STACK_H

#include "probe/agent/engine.h"
#include "probe/agent/known_waits.h"
#include "probe/agent/sighting.h"
#include "probe/agent/stint.h"

/* Fills *ret but for the anchors, which the caller may have set. `clock_ns`: what the thread's CPU
 * clock reads. Returns 0, with the bytes in engine->stack; -EAGAIN: the thread runs, or could;
 * -EBUSY: it ran in between, each time; -EFAULT: its stack cannot be read; or why the kernel does
 * not say where it is blocked. */
int blocked_stack_read(struct engine *engine, const struct stint *stint, uint64_t clock_ns,
                       struct sighting *ret);

enum blocked_walk {
    BLOCKED_WALK_SURE,       /* it can be relied upon as a whole */
    BLOCKED_WALK_WANTS_COPY, /* it lacks the frame pointer, and a signal may be spent on that */
    BLOCKED_WALK_CUT,        /* it stays cut: a signal did not help, or is not worth it */
};

enum blocked_walk blocked_stack_walk(struct engine *engine, const struct known_waits *waits,
                                     struct sighting *sighting);

#endif
