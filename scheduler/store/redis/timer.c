/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/store/redis/timer.h"

#include <event2/event.h>

#include "common/base/check.h"

void timer_arm(struct event *timer, uint64_t ms)
{
    struct timeval after = { .tv_sec = (time_t)(ms / 1000),
                             .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

    CHECK(event_add(timer, &after) == 0);
}
