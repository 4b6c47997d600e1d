/* SPDX-License-Identifier: Apache-2.0 */
/* process.h: what Prometheus wants to know of every process, from /proc/self. */
#ifndef STAKEOUT_SCHEDULER_METRICS_PROCESS_H
#define STAKEOUT_SCHEDULER_METRICS_PROCESS_H

struct metrics;

/* A collector; `context` is not used. What cannot be read is 0. */
void process_collect(void *context, struct metrics *metrics);

#endif
