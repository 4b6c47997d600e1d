/* SPDX-License-Identifier: Apache-2.0 */
/* truth_work.h: a call that does three things, and measures each itself.
 *
 * Built twice: into the test, with frame pointers, and into a library without them. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_TRUTH_WORK_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_TRUTH_WORK_H

#include <pthread.h>
#include <stdint.h>

/* What the host measured of one function: CLOCK_MONOTONIC and the thread's own clocks. */
struct truth_part {
    uint64_t wall_ns, cpu_ns, queue_ns;
};

struct truth {
    struct truth_part a, b, c;
    uint64_t queue_ns; /* of the whole call, from schedstat */
    _Atomic uint64_t
        c_begins_ns; /* when c() was about to wait; whoever holds the mutex waits for it */
};

struct truth_functions {
    void (*call)(pthread_mutex_t *cart_lock, struct truth *ret);
    void *a, *b, *c; /* where the functions begin */
};

/* 300 ms of CPU in a(), 500 ms asleep in b(), and in c() a wait for a mutex that somebody else
 * holds for 200 ms from then on. */
struct truth_functions truth_functions(void) __attribute__((visibility("default")));

/* 100 ms of CPU and 50 ms asleep. */
void truth_idle(void) __attribute__((visibility("default")));

/* 1 ms of CPU. */
void truth_idle_briefly(void) __attribute__((visibility("default")));

#endif
