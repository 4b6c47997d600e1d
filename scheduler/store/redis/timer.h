/* SPDX-License-Identifier: Apache-2.0 */
/* timer.h: an event of libevent, once, after so many milliseconds. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_TIMER_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_TIMER_H

#include <stdint.h>

struct event;

/* Armed already, it begins anew. */
void timer_arm(struct event *timer, uint64_t ms);

#endif
