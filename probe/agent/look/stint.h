/* SPDX-License-Identifier: Apache-2.0 */
/* stint.h: a call's stay on one thread, and what time it took of that thread's.
 *
 *     stint_begin(&stint, &view)                      the call triggered, or was attached
 *     if (!stint_holds(&stint, state)) ...            it moved: another stint
 *     stint_cpu_ns(&stint, clock_ns, &cpu_ns)         the thread's CPU clock as the call's CPU time
 *     stint_queue_since(&stint, &files, &queue_ns)    and its time in the run queue
 *
 * Threads: the sampler's. What of it changes under our eyes is the record and its face, which the
 * call's thread writes: see hot/record.h. */
#ifndef STAKEOUT_PROBE_AGENT_LOOK_STINT_H
#define STAKEOUT_PROBE_AGENT_LOOK_STINT_H

#include "probe/agent/look/thread_files.h"
#include "probe/agent/unwind/known_stacks.h"
#include "probe/hot/record.h"

struct stint {
    uint32_t record, tid, slot;
    uint64_t moves; /* of the record's state; another: the call moved */
    struct stack_bounds bounds;
    uint64_t queue_ns; /* schedstat at the last look: its time in the run queue, */
    uint64_t turns;    /* and how often it was given a CPU; 0: that cannot be told */
    bool has_queue;
    bool is_opaque; /* its syscall file cannot be read: a signal is the only look */
};

void stint_begin(struct stint *stint, const struct record_view *view);

/* Is the call still in this stint, or has it ended in it? */
bool stint_holds(const struct stint *stint, uint64_t state);

/* The call's CPU time since it triggered, when its thread's clock reads this. False: the call moved
 * meanwhile, and the clock would be set against another thread's. */
bool stint_cpu_ns(const struct stint *stint, uint64_t clock_ns, uint64_t *ret);

/* The thread's time in the run queue since the last time that this was asked; 0 the first time.
 * Returns 0, or -errno where the kernel does not tell. */
int stint_queue_since(struct stint *stint, struct thread_files *files, uint64_t *ret);

/* The same, but so much of it at most; the rest is left to the next time. */
int stint_queue_part(struct stint *stint, struct thread_files *files, uint64_t part_ns,
                     uint64_t *ret);

/* The thread, for known_stacks_find(). */
struct stack_thread stint_thread(const struct stint *stint);

#endif
