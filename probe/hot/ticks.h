/* SPDX-License-Identifier: Apache-2.0 */
/* ticks.h: the clock of the hot path.
 *
 * The time-stamp counter where the kernel itself trusts it (its clocksource is "tsc", and the
 * processor says that it is invariant), because reading it costs 0.4 of clock_gettime; elsewhere
 * CLOCK_MONOTONIC, a tick being a nanosecond. The scale is measured for 2 ms at start, good to some
 * 20 ppm, which is plenty for histograms and thresholds; the sampler refines it, and times
 * what it reports by pairs of both clocks (agent/base/tick_clock.h).
 *
 * Async-signal-safe. */
#ifndef STAKEOUT_PROBE_HOT_TICKS_H
#define STAKEOUT_PROBE_HOT_TICKS_H

#include "common/base/clock.h"
#include "probe/hot/memory.h"

static inline uint64_t ticks_now(void)
{
    return __builtin_expect(hot.uses_tsc, 1) ? clock_ticks() : clock_monotonic_ns();
}

static inline uint64_t ticks_to_ns(uint64_t ticks)
{
    uint64_t scale = atomic_load_explicit(&hot.ns_per_tick_q32, memory_order_relaxed);

    return (uint64_t)((unsigned __int128)ticks * scale >> 32);
}

static inline uint64_t ticks_from_ns(uint64_t ns)
{
    uint64_t scale = atomic_load_explicit(&hot.ns_per_tick_q32, memory_order_relaxed);

    return scale != 0 ? (uint64_t)(((unsigned __int128)ns << 32) / scale) : 0;
}

/* CPU time of a thread of this process; 0 if it is gone. */
static inline uint64_t thread_cpu_ns(uint32_t tid)
{
    enum { CLOCK_OF_THREAD = 6 }; /* the kernel's CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED */

    return tid != 0 ? clock_read_ns((clockid_t)(~tid << 3 | CLOCK_OF_THREAD)) : 0;
}

/* Both clocks at one moment, to some 50 ns: the best of a few tries. */
struct tick_pair {
    uint64_t ticks, monotonic_ns;
};
struct tick_pair tick_pair_read(void);

/* Chooses the clock and measures its scale. Once per process, before the gate opens. */
void ticks_open(void);

#endif
