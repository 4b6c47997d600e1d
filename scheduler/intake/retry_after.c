/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/intake/retry_after.h"

uint32_t retry_after_s(size_t instance_count, uint64_t random)
{
    size_t spread_s = 1 + instance_count / RETRY_PER_SECOND_MAX;

    if (spread_s > RETRY_AFTER_S_MAX) spread_s = RETRY_AFTER_S_MAX;
    return (uint32_t)(1 + random % spread_s);
}
