/* SPDX-License-Identifier: Apache-2.0 */
/* host_threads.h: is anybody here but us?
 *
 * A process ends with its last thread. Where a host leaves its end to that, by pthread_exit() of
 * main() and of all others, ours would keep it alive for ever: so they look, and leave. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_HOST_THREADS_H
#define STAKEOUT_PROBE_AGENT_LINK_HOST_THREADS_H

#include <stdbool.h>

/* Have all threads ended but ours? False where it cannot be told. Threads: any of ours; costs a
 * system call while main() is there. */
bool host_threads_have_ended(void);

#endif
