/* SPDX-License-Identifier: Apache-2.0 */
/* backoff.h: how long to leave a scheduler alone that did not answer.
 *
 * Full jitter: a random time between 0 and a bound that doubles from 0.5 s to 30 s, so that a
 * thousand instances that lost one scheduler at the same moment do not return at the same moment.
 * A Retry-After is waited for in full, with as much jitter behind it. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_BACKOFF_H
#define STAKEOUT_PROBE_AGENT_LINK_BACKOFF_H

#include "common/base/clock.h"

#define BACKOFF_NS_MIN (NS_PER_S / 2)
#define BACKOFF_NS_MAX (30 * NS_PER_S)

struct backoff {
    uint64_t bound_ns; /* of the next delay; 0: no failure yet */
};

/* The delay after one more failure. `retry_after_s`: what the scheduler asked for, or 0;
 * `random`: any 64 random bits. */
static inline uint64_t backoff_next_ns(struct backoff *backoff, uint32_t retry_after_s,
                                       uint64_t random)
{
    uint64_t bound_ns = backoff->bound_ns ? backoff->bound_ns : BACKOFF_NS_MIN;

    backoff->bound_ns = bound_ns * 2 < BACKOFF_NS_MAX ? bound_ns * 2 : BACKOFF_NS_MAX;
    return retry_after_s * NS_PER_S + random % (bound_ns + 1);
}

static inline void backoff_reset(struct backoff *backoff)
{
    backoff->bound_ns = 0;
}

#endif
