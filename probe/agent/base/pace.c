/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/base/pace.h"

/* The first point of a grid at `at_ns` or later. */
static uint64_t grid_point(uint64_t grid_ns, uint64_t interval_ns, uint64_t at_ns)
{
    if (at_ns <= grid_ns) return grid_ns;
    return grid_ns + (at_ns - grid_ns + interval_ns - 1) / interval_ns * interval_ns;
}

uint64_t pace_looked(struct pace *pace, uint64_t now_ns, uint64_t interval_ns)
{
    bool begins = pace->next_ns == 0 || pace->is_put_off || pace->interval_ns != interval_ns;
    uint64_t missed;

    if (pace->next_ns > now_ns) return 0;
    pace->cost_ns = pace->cost_ns == 0 ? pace->spent_ns : (3 * pace->cost_ns + pace->spent_ns) / 4;
    pace->spent_ns = 0;
    pace->looked_ns = now_ns;
    pace->is_put_off = false;
    pace->interval_ns = interval_ns;
    if (begins && pace->grid_ns != 0) {
        pace->next_ns = grid_point(pace->grid_ns, interval_ns, now_ns + interval_ns / 2);
        return 0;
    }
    if (pace->next_ns == 0) pace->next_ns = now_ns;
    pace->next_ns += interval_ns;
    if (pace->next_ns > now_ns) return 0;
    missed = (now_ns - pace->next_ns) / interval_ns + 1;
    pace->next_ns += missed * interval_ns;
    return missed;
}
