/* SPDX-License-Identifier: Apache-2.0 */
/* filter_trial.h: which of our system calls a filter kills, found out in a process that may die.
 *
 *     bool killed[TRIED_CALLS];
 *     rc = filter_trial(is_inherited, killed);            0, or -errno: it cannot be tried
 *     if (killed[TRIED_unshare]) ...
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

/* Is it one without which there is no probe? */
bool filter_trial_is_vital(enum tried_call call);

/* As in "unshare". */
const char *filter_trial_name(enum tried_call call);

/* `is_inherited`: the filters were there when the program began; then a copy of the process can be
 * made in the way that may be forbidden to a program that locked itself up. */
int filter_trial(bool is_inherited, bool ret_killed[TRIED_CALLS]);

#endif
