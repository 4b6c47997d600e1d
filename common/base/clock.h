/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h: the clocks that we read, always in nanoseconds.
 *
 * Header-only, so that probe/hot and its signal handler may use it: async-signal-safe. */
#ifndef STAKEOUT_COMMON_BASE_CLOCK_H
#define STAKEOUT_COMMON_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

static inline uint64_t clock_read_ns(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0) return 0;
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Since an arbitrary moment; never goes back. For every duration and deadline. */
static inline uint64_t clock_monotonic_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

/* Since 1970, UTC; may jump. For what people read, and for nothing else. */
static inline uint64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

/* Of the calling thread. */
static inline uint64_t clock_thread_cpu_ns(void)
{
    return clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* The time-stamp counter, in ticks of its own. */
static inline uint64_t clock_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* For calls that wait until a moment, or for a time. */
static inline struct timespec ns_to_timespec(uint64_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };
}

static inline uint64_t ns_to_ms(uint64_t ns)
{
    return ns / NS_PER_MS;
}
static inline uint64_t ms_to_ns(uint64_t ms)
{
    return ms * NS_PER_MS;
}

#endif
