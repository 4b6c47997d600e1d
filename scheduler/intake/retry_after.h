/* SPDX-License-Identifier: Apache-2.0 */
/* retry_after.h: when a probe that was refused for want of room is to come again.
 *
 * All that are refused in one moment must not come back in one moment; and a fleet of three has
 * no use for a spread. So a second is added for each RETRY_PER_SECOND_MAX instances. Pure. */
#ifndef STAKEOUT_SCHEDULER_INTAKE_RETRY_AFTER_H
#define STAKEOUT_SCHEDULER_INTAKE_RETRY_AFTER_H

#include <stddef.h>
#include <stdint.h>

enum {
    RETRY_PER_SECOND_MAX = 512, /* as many as may wait for the store at once */
    RETRY_AFTER_S_MAX = 10,     /* a pulse's interval: later than that it would come anyway */
};

/* Seconds, from 1 on. `random` is any number; equal ones lead to equal seconds. */
uint32_t retry_after_s(size_t instance_count, uint64_t random);

#endif
