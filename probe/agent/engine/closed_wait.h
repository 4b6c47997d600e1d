/* SPDX-License-Identifier: Apache-2.0 */
/* closed_wait.h: the wait of a thread of which /proc/self/task/TID/syscall tells us nothing,
 * because the host gave up its rights, or never had them.
 *
 * There a signal is the only look, and it disturbs. So one is spent on a wait, and from then on the
 * thread's CPU clock says that it goes on:
 *
 *     closed_wait_note(&wait, &engine, &sighting)              a copy came back: of a wait?
 *     if (closed_wait_sight(&wait, &engine, tid, clock_ns, &sighting)) ...   the look after
 *
 * Threads: the sampler's. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_CLOSED_WAIT_H
#define STAKEOUT_PROBE_AGENT_ENGINE_CLOSED_WAIT_H

#include "probe/agent/engine/engine.h"
#include "probe/agent/engine/sighting.h"

struct closed_wait {
    uint64_t clock_ns;       /* the thread's CPU clock at the copy; 0: there is none to go by */
    uint64_t frames;         /* a hash of the walk then, */
    struct stack_view stack; /* over this part of the stack; without its bytes */
    struct wait_view wait;
};

/* Fills *ret as /proc would, if the thread was copied in a system call that the signal interrupted;
 * else nothing tells whether it waited. */
bool closed_wait_read(const struct stack_view *stack, struct wait_view *ret);

/* Remembers a copy if it is of a wait, forgets what was remembered if not. The walk is in
 * engine->walk. */
void closed_wait_note(struct closed_wait *wait, const struct engine *engine,
                      const struct sighting *sighting);

/* Did the thread go back to sleep where it was copied? Then fills *ret; the walk is in
 * engine->walk. Answered once to a copy. */
bool closed_wait_sight(struct closed_wait *wait, struct engine *engine, uint32_t tid,
                       uint64_t clock_ns, struct sighting *ret);

#endif
