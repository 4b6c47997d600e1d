/* SPDX-License-Identifier: Apache-2.0 */
/* filters.h: filters of system calls (seccomp), which may kill the host for a call of ours.
 *
 *     rc = filters_try();                                 before we start; 0, or we stay off
 *     if (!filters_allow(TRIED_unshare)) ...              go without it, as if it were refused
 *     if (!filters_cover(tid)) ...                        no signal to that thread: its filters
 *                                                         are not those that were tried
 *     filters_heed(max_age_ns);                           our threads, when they come to work
 *
 * Where filters are set, our calls are tried in a process that may die (filter_trial.h), before the
 * first of our threads starts and whenever our threads' filters have changed. Where one dies that
 * we cannot do without, the probe stays off, or ends at once: each thread of ours that comes to
 * work leaves, by one system call, and does not return. The host's calls are not watched then.
 *
 * OURS AND THEIRS. Our threads never set a filter, and filters are never taken away. So a thread of
 * the host has ours and maybe more, and as many means the same; unless the filters that ours began
 * with were set by a single thread of several. What is left: README.md of probe/agent.
 *
 * Threads: any, but where said. */
#ifndef STAKEOUT_PROBE_AGENT_BASE_FILTERS_H
#define STAKEOUT_PROBE_AGENT_BASE_FILTERS_H

#include "probe/agent/base/filter_trial.h"

#include <stddef.h>

/* How old what is known of our own filters may be: where threads are looked at, and where calls are
 * only watched, which takes hardly a system call. To ask takes up to 40 us. */
#define FILTERS_AGE_NS          UINT64_C(20000000)
#define FILTERS_AGE_WATCHING_NS UINT64_C(100000000)

/* Which filters a thread has: their mode and number, for comparison. 0: none. */
#define FILTERS_UNKNOWN UINT64_MAX
uint64_t filters_of_thread(uint32_t tid);
uint64_t filters_parse(const char *status); /* out of the text of /proc/PID/status */

/* On the thread that starts ours. Returns 0; -EPERM: a call that we need would kill; or
 * -EOPNOTSUPP: that cannot be tried. Nothing is tried where the filters are known. */
int filters_try(void);

/* Is a call not known to kill? */
bool filters_allow(enum tried_call call);
bool filters_allow_signals(void); /* sent to a thread, and handled by it */

/* Has this thread of the host the filters that were tried? */
bool filters_cover(uint32_t tid);

/* At the start of our first thread: in a descriptor table of our own, its status is kept open. */
void filters_keep_open(bool is_own_table);

/* For threads of ours, which hold no lock: what is known is no older than that. */
void filters_heed(uint64_t max_age_ns);
bool filters_are_fresh(uint64_t max_age_ns);

/* Called by each thread that leaves, to tell the host's that nobody watches: without a system call,
 * and more than once. */
typedef void filters_end_fn(void);
void filters_at_end(filters_end_fn *on_end);

/* Our threads have left, or are about to. */
bool filters_have_ended_us(void);

/* What does not work, in a sentence; "": all does. Returns ret. */
const char *filters_say(char *ret, size_t ret_size);
const char *filters_say_why_not(int rc, char *ret, size_t ret_size); /* of filters_try() */

/* In a forked child. */
void filters_forget(void);

#endif
