/* SPDX-License-Identifier: Apache-2.0 */
/* wake.h: how the host's threads and the agent's wake the sampler, and it waits for them.
 *
 * A word that rises with each wake, and a futex on it. The ends of calls that are listened to come
 * here, so the system call is made only while the sampler really sleeps. */
#ifndef STAKEOUT_PROBE_HOT_WAKE_H
#define STAKEOUT_PROBE_HOT_WAKE_H

#include <stdint.h>

/* Async-signal-safe. Threads: any. */
void wake_sampler(void);

/* What to pass to wake_wait(), read before looking whether there is anything to do. */
uint32_t wake_now(void);

/* Returns when a wake came since `seen` was read, at the deadline, or for no reason. */
void wake_wait(uint32_t seen, uint64_t deadline_monotonic_ns);

#endif
