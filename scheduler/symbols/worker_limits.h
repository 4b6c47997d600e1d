/* SPDX-License-Identifier: Apache-2.0 */
/* worker_limits.h: what the symbol worker may not do, set by itself before it reads anything. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_LIMITS_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_LIMITS_H

/* Bounds memory, files and core dumps, gives up every privilege that could be gained, and leaves
 * the system calls that reading files takes. 0, or -errno: then the worker must not go on. */
int worker_limits_set(void);

#endif
