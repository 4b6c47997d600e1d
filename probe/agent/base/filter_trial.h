/* SPDX-License-Identifier: Apache-2.0 */
/* filter_trial.h: which of our system calls a filter kills, found out in a process that may die.
 *
 *     uint64_t killed;
 *     rc = filter_trial(is_inherited, &killed);           0, or -errno: it cannot be tried
 *     if (killed & TRIED_VITAL) ...
 *     if (killed & TRIED_BIT(TRIED_unshare)) ...
 *
 * The calls stand in tried_calls.def. The child is a copy of the process, as of fork(), but without
 * its handlers: of glibc's, of the host's (all signals are blocked), and of pthread_atfork(). It
 * tells its parent nothing when it ends, so that no wait() of the host's finds it.
 *
 * A filter answers to the calling thread: what was tried holds for threads with the same filters.
 *
 * Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_BASE_FILTER_TRIAL_H
#define STAKEOUT_PROBE_AGENT_BASE_FILTER_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

enum tried_call {
#define VITAL(name, ...) TRIED_##name,
#define SPARE(name, ...) TRIED_##name,
#include "probe/agent/base/tried_calls.def"
#undef VITAL
#undef SPARE
    TRIED_CALLS
};

_Static_assert(TRIED_CALLS <= 64, "a bit each");

#define TRIED_BIT(call) (UINT64_C(1) << (call))

/* Those without which there is no probe. */
uint64_t filter_trial_vital(void);

/* As in "unshare". */
const char *filter_trial_name(enum tried_call call);

/* `is_inherited`: the filters were there when the program began; then a copy of the process can be
 * made in the way that may be forbidden to a program that locked itself up. */
int filter_trial(bool is_inherited, uint64_t *ret_killed);

#endif
