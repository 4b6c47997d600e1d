/* SPDX-License-Identifier: Apache-2.0 */
/* sighting.h: what a source of stacks brings: a thread, as it was at one moment.
 *
 *     blocked_stack.h   of a thread that sleeps: read where it lies
 *     signal_copy.h     of one that runs: copied by itself, in our handler
 *     perf_watch.h      of one that runs: copied by the kernel
 *     closed_wait.h     of one that sleeps where /proc says nothing: its copy of before, verified
 *
 * A source fills a sighting, or says by -errno why it cannot. Which source is asked, and what is
 * made of what it brings, is the listener's. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_SIGHTING_H
#define STAKEOUT_PROBE_AGENT_ENGINE_SIGHTING_H

#include "probe/agent/look/blocked.h"
#include "probe/agent/unwind/unwinder.h"

struct sighting {
    uint64_t at_ns;
    uint64_t clock_ns; /* what the thread's CPU clock read then */
    /* While the CPU clock reads this, the thread has not run since, and its stack is the same.
     * 0: it has run since, or that is not known. */
    uint64_t still_clock_ns;
    struct stack_view stack; /* its bytes belong to the source, until the next sighting */
    struct wait_view wait;   /* sp 0: it was not waiting, or nobody can tell */
};

#endif
