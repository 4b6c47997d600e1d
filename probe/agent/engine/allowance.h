/* SPDX-License-Identifier: Apache-2.0 */
/* allowance.h: a share of the time that may be spent, and is never passed.
 *
 *     allowance_refill(&allowance, share_ppm, now_ns)       what the time gives
 *     if (allowance_covers(&allowance, share_ppm, cost_ns)) ... work ...
 *     allowance_spend(&allowance, share_ppm, spent_ns)      what it took, however much
 *
 * A bucket. It gains three quarters of the share, and holds what the share gives in two seconds.
 *
 * PROOF that work that was covered stays within the share, over any ten seconds. At their begin the
 * bucket holds at most 2 s of the share; in them it gains at most 7.5 s of it; and nothing is begun
 * that it does not cover. So what is spent is at most 9.5 s of the share, plus what the last piece
 * of work took beyond what it was expected to: half a second of the share is there for that, which
 * at 1 % are 5 ms, and a look takes 0.05.
 *
 * Work that must be done is spent without asking; the debt it leaves is worked off before anything
 * else, and is bounded by what 10 s give, so that nobody waits for longer.
 *
 * Values only: no clocks, no threads. A zeroed one is full. Shares are in millionths. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_ALLOWANCE_H
#define STAKEOUT_PROBE_AGENT_ENGINE_ALLOWANCE_H

#include "common/base/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define ALLOWANCE_WINDOW_NS (10 * NS_PER_S)

struct allowance {
    uint64_t at_ns;   /* until when the time was given; 0: never */
    int64_t level_ns; /* below 0: a debt */
};

/* Returns what was gained, also where the bucket had no room for it. */
uint64_t allowance_refill(struct allowance *allowance, uint32_t share_ppm, uint64_t now_ns);

/* Of work that costs more than a full bucket, a full bucket is asked. */
bool allowance_covers(const struct allowance *allowance, uint32_t share_ppm, uint64_t cost_ns);

void allowance_spend(struct allowance *allowance, uint32_t share_ppm, uint64_t spent_ns);

/* How long until it covers this, if nothing else is spent. */
uint64_t allowance_wait_ns(const struct allowance *allowance, uint32_t share_ppm, uint64_t cost_ns);

/* What it holds when it is full. */
int64_t allowance_full_ns(uint32_t share_ppm);

/* What it gains in a second, as a share of the time. */
static inline uint32_t allowance_gain_ppm(uint32_t share_ppm)
{
    return share_ppm / 4 * 3;
}

#endif
