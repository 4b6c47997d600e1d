/* SPDX-License-Identifier: Apache-2.0 */
/* fork_gate.h: no thread of ours is inside the loader or the resolver while the host forks.
 *
 *     if (!fork_gate_enter()) return ...;      a fork is under way: not now
 *     dl_iterate_phdr(...);
 *     fork_gate_leave();
 *
 * A child of fork() inherits the C library's locks as they were. Those of the loader and of the
 * resolver are not made anew there: had a thread of ours held one, dlopen() and getaddrinfo() would
 * hang in the child for ever.
 *
 * Threads: any of the agent. Limits: a fork waits for us at most FORK_WAIT_NS_MAX; vfork(),
 * posix_spawn() and _Fork() do not ask. */
#ifndef STAKEOUT_PROBE_AGENT_BASE_FORK_GATE_H
#define STAKEOUT_PROBE_AGENT_BASE_FORK_GATE_H

#include "common/base/clock.h"

#include <stdbool.h>

#define FORK_WAIT_NS_MAX (500 * NS_PER_MS) /* a thread of ours may have lost its CPU in there */

/* Asks to be told of forks, once per process; until then nobody waits for us. */
void fork_gate_open(void);

/* Returns false, and nothing was entered, while a fork is under way. */
bool fork_gate_enter(void);
void fork_gate_enter_late(void); /* waits for the end of the fork: it takes some ms at most */
void fork_gate_leave(void);

#endif
