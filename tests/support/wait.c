/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/wait.h"

#include "common/base/clock.h"

#include <time.h>

bool wait_until(bool (*condition)(void *context), void *context, uint64_t deadline_ms)
{
    uint64_t deadline_ns = clock_monotonic_ns() + ms_to_ns(deadline_ms);

    while (!condition(context)) {
        if (clock_monotonic_ns() > deadline_ns) return condition(context);
        nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
    }
    return true;
}
