/* SPDX-License-Identifier: Apache-2.0 */
/* perf_event.h: the kernel takes a thread's registers and stack, each time the thread has run for
 * so long.
 *
 *     rc = perf_event_open(&event, &(struct perf_order){ .tid = tid, .period_ns = period_ns, ... })
 *     rc = perf_event_take(&event, &moment, bytes, size)      the newest since the last take
 *     rc = perf_event_pace(&event, period_ns)
 *     perf_event_close(&event)
 *
 * A timer of the kernel, on the thread's own CPU time, interrupts it, and what it was doing goes
 * into a ring that we read when we come to it. No signal is sent: no call of the host can end with
 * EINTR or short of its count for it.
 *
 * It never says by itself that it is to fire once (PERF_EVENT_IOC_REFRESH), nor asks for more
 * interrupts than the kernel's limit: both make the kernel stop the timer from within the timer,
 * which hung machines with Linux 6.16 and 6.17.
 *
 * Costs: one interrupt per period; a descriptor; a mapping in the host's memory, which a forked
 * child does not have, of perf_event_size() bytes, locked. Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_LOOK_PERF_EVENT_H
#define STAKEOUT_PROBE_AGENT_LOOK_PERF_EVENT_H

#include "probe/hot/stack_copy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PERF_STACK_SMALL = 14 * 1024, /* bytes of stack: two records fit in 8 pages; */
    PERF_STACK_LARGE = 60 * 1024, /* and in 32. A record is below 64 KB */
    PERF_SIZE_LARGE = 132 * 1024, /* bytes: perf_event_size() of the latter */
    PERF_RATE_MIN = 25000,        /* interrupts a second that the kernel must allow */
};

struct perf_order {
    uint32_t tid;
    uint64_t period_ns;   /* of the thread's CPU time, from 10 us on */
    bool is_deep;         /* takes PERF_STACK_LARGE */
    bool excludes_kernel; /* what runs in the kernel at that moment is not taken */
};

struct perf_event {
    int fd;
    unsigned char *ring; /* NULL: it is closed */
    size_t ring_size;    /* of the data, behind a page of words */
    uint64_t period_ns;
    uint32_t stack_size;
};

/* What the thread was doing, when it had run for `count_ns` since the event was opened. */
struct perf_moment {
    uint64_t at_ns; /* CLOCK_MONOTONIC */
    uint64_t count_ns;
    uint64_t registers[REGISTERS]; /* by DWARF number */
    size_t size;                   /* bytes of stack, from the stack pointer up */
    bool is_cut;                   /* there may be more of it */
    uint32_t interrupts;           /* since the last take: this one, and those that it hides */
};

/* Returns 0; or -errno: -EACCES, -EPERM: it is not allowed here, or no more locked memory is;
 * -EMFILE, -ENOMEM, -ESRCH. */
int perf_event_open(struct perf_event *event, const struct perf_order *order);
void perf_event_close(struct perf_event *event); /* accepts a zeroed struct */

static inline bool perf_event_is_open(const struct perf_event *event)
{
    return event->ring != NULL;
}

static inline size_t perf_event_size(const struct perf_event *event)
{
    return event->ring ? event->ring_size + 4096 : 0;
}

/* From now on, and counted from now. Returns 0 or -errno. */
int perf_event_pace(struct perf_event *event, uint64_t period_ns);

/* Is there one? */
bool perf_event_has(const struct perf_event *event);

/* Copies up to `size` bytes. Returns 0, or -EAGAIN: there is none. */
int perf_event_take(struct perf_event *event, struct perf_moment *ret, unsigned char *bytes,
                    size_t size);

/* Does the kernel allow as many interrupts as we may ask for? */
bool perf_rate_suffices(void);

#endif
