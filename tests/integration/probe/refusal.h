/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.h: a kernel that refuses: what containers, seccomp filters and limits do to a host.
 *
 * For good: neither can be taken back. Ends the process where that fails. Threads: any. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_REFUSAL_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_REFUSAL_H

/* From now on two system calls of this process fail with `error`; its threads may start none of
 * their own that is not so treated. */
void refuse_calls(unsigned one, unsigned other, unsigned error);

/* From now on this process belongs to a user that is nobody else's, where it may choose (root), and
 * that user may have `count` threads. Returns whether it could choose: where it could not, others
 * of the same user count as well. */
int refuse_threads_past(unsigned count);

#endif
