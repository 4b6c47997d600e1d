/* SPDX-License-Identifier: Apache-2.0 */
/* init.h: the duties of process 1, where stakeoutd is that: in a container without an init.
 *
 *     exit_code = init_split();
 *     if (exit_code >= 0) return exit_code;     process 1, at its end
 *     ...                                       everybody else; the child of process 1 */
#ifndef STAKEOUT_SCHEDULER_INIT_H
#define STAKEOUT_SCHEDULER_INIT_H

/* -1 at once where we are not process 1. Where we are, forks: -1 in the child, which is to do the
 * work; in process 1 its exit code, or 128 and the signal that ended it. */
int init_split(void);

#endif
