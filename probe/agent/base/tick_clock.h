/* SPDX-License-Identifier: Apache-2.0 */
/* tick_clock.h: CLOCK_MONOTONIC times of moments that the hot path noted in ticks.
 *
 *     tick_clock_update(&clock)              now and then while something is watched
 *     tick_clock_ns(&clock, ticks)           to some 100 ns, for the last half minute
 *
 * The kernel slews CLOCK_MONOTONIC against the counter, by up to 500 ppm while NTP corrects it; a
 * single scale would be off by milliseconds over minutes. So pairs of both clocks are kept, a ring
 * of them half a second apart, and a moment is placed between its neighbours.
 *
 * Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_BASE_TICK_CLOCK_H
#define STAKEOUT_PROBE_AGENT_BASE_TICK_CLOCK_H

#include "probe/hot/ticks.h"

enum { TICK_PAIRS = 80 }; /* 40 s: a threshold is at most 30 s */

struct tick_clock {
    struct tick_pair pairs[TICK_PAIRS]; /* a ring; `count` ever written */
    uint32_t count;
};

/* Adds a pair if the latest is half a second old, and refines the hot path's scale. */
void tick_clock_update(struct tick_clock *clock);

/* The CLOCK_MONOTONIC time of a moment: between pairs, or by the scale beyond them. */
uint64_t tick_clock_ns(const struct tick_clock *clock, uint64_t ticks);

#endif
