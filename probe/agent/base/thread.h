/* SPDX-License-Identifier: Apache-2.0 */
/* thread.h: threads as a guest has them: deaf to signals from the first instruction, named, nice,
 * with small stacks.
 *
 * Threads: any. */
#ifndef STAKEOUT_PROBE_AGENT_BASE_THREAD_H
#define STAKEOUT_PROBE_AGENT_BASE_THREAD_H

#include <pthread.h>

/* Starts a thread that blocks all signals. Returns 0 or -errno. */
int thread_start(pthread_t *ret, void *(*run)(void *), void *argument);

/* The calling thread's name, at most 15 bytes. */
void thread_name(const char *name);

/* Makes the calling thread yield to the host's: nice 10, if it is not nicer already. Threads that
 * it starts from then on are as nice. Returns what it was before. */
int thread_yield_to_host(void);

/* Tries to take that back, for the last second: a host that ends waits for us. Many may not. */
void thread_catch_up(int nice);

#endif
