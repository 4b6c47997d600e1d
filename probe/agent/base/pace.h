/* SPDX-License-Identifier: Apache-2.0 */
/* pace.h: when a call that is listened to is looked at next.
 *
 *     if (pace_is_due(&pace, now_ns)) ... look ...
 *     missed = pace_looked(&pace, now_ns, interval_ns)
 *     pace_retry(&pace, now_ns)          before that: the look could not be made, soon again
 *     pace_put_off(&pace, until_ns)      likewise: the budget does not cover it before
 *
 * Looks keep to a grid that begins with the first one, or that several calls share (`grid_ns`), so
 * that one wake-up serves them all: then the second look is on its first point that is half an
 * interval away or more. A late look does not shift those behind it, and grid points that passed
 * meanwhile are counted as missed, not made up for. A look that was put off, and an interval that
 * changed, begin anew.
 *
 * Values only: no clocks, no threads. Times are CLOCK_MONOTONIC in ns. */
#ifndef STAKEOUT_PROBE_AGENT_BASE_PACE_H
#define STAKEOUT_PROBE_AGENT_BASE_PACE_H

#include "common/base/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define PACE_RETRY_NS (200 * NS_PER_US) /* after a look that met a move */

struct pace {
    uint64_t next_ns;     /* 0: at once */
    uint64_t looked_ns;   /* when the last look was; 0: none was */
    uint64_t cost_ns;     /* what a look costs, of late */
    uint64_t spent_ns;    /* since the last one */
    uint64_t grid_ns;     /* where the grid begins that is shared; 0: it has its own */
    uint64_t interval_ns; /* as of the last look */
    bool is_put_off;
};

static inline bool pace_is_due(const struct pace *pace, uint64_t now_ns)
{
    return pace->next_ns <= now_ns;
}

static inline void pace_retry(struct pace *pace, uint64_t now_ns)
{
    pace->next_ns = now_ns + PACE_RETRY_NS;
}

static inline void pace_put_off(struct pace *pace, uint64_t until_ns)
{
    pace->next_ns = until_ns;
    pace->is_put_off = true;
}

/* What the next look is expected to cost. */
static inline uint64_t pace_cost_ns(const struct pace *pace)
{
    return pace->cost_ns > pace->spent_ns ? pace->cost_ns : pace->spent_ns;
}

/* A look was tried now. Returns how many were missed since the one before. After pace_retry() the
 * next one stays where that put it. */
uint64_t pace_looked(struct pace *pace, uint64_t now_ns, uint64_t interval_ns);

#endif
