/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/allowance.h"

enum { FULL_S = 2, PPM = 1000000 };

/* What the share gives in so long; a share of at most 1 and ten seconds do not overflow. */
static int64_t part_ns(uint32_t share_ppm, uint64_t time_ns)
{
    return (int64_t)(time_ns * share_ppm / PPM);
}

int64_t allowance_full_ns(uint32_t share_ppm)
{
    return part_ns(share_ppm, FULL_S * NS_PER_S);
}

uint64_t allowance_refill(struct allowance *allowance, uint32_t share_ppm, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns > allowance->at_ns ? now_ns - allowance->at_ns : 0;
    int64_t gained_ns, full = allowance_full_ns(share_ppm);

    if (allowance->at_ns == 0) allowance->level_ns = full;
    if (passed_ns > ALLOWANCE_WINDOW_NS) passed_ns = ALLOWANCE_WINDOW_NS;
    gained_ns = part_ns(allowance_gain_ppm(share_ppm), passed_ns);
    if (gained_ns == 0) return 0; /* too short a time to give anything: it is not lost */
    allowance->at_ns = now_ns;
    allowance->level_ns += gained_ns;
    if (allowance->level_ns > full) allowance->level_ns = full;
    return (uint64_t)gained_ns;
}

static int64_t needed_ns(uint32_t share_ppm, uint64_t cost_ns)
{
    int64_t full = allowance_full_ns(share_ppm);

    return cost_ns > (uint64_t)full ? full : (int64_t)cost_ns;
}

bool allowance_covers(const struct allowance *allowance, uint32_t share_ppm, uint64_t cost_ns)
{
    return allowance->level_ns >= needed_ns(share_ppm, cost_ns);
}

void allowance_spend(struct allowance *allowance, uint32_t share_ppm, uint64_t spent_ns)
{
    int64_t debt_ns = part_ns(allowance_gain_ppm(share_ppm), ALLOWANCE_WINDOW_NS);

    if (spent_ns > ALLOWANCE_WINDOW_NS) spent_ns = ALLOWANCE_WINDOW_NS;
    allowance->level_ns -= (int64_t)spent_ns;
    if (allowance->level_ns < -debt_ns) allowance->level_ns = -debt_ns;
}

uint64_t allowance_wait_ns(const struct allowance *allowance, uint32_t share_ppm, uint64_t cost_ns)
{
    int64_t lacking_ns = needed_ns(share_ppm, cost_ns) - allowance->level_ns;
    uint32_t gain_ppm = allowance_gain_ppm(share_ppm);

    if (lacking_ns <= 0 || gain_ppm == 0) return 0;
    return (uint64_t)lacking_ns * PPM / gain_ppm + 1;
}
