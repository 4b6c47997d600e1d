/* SPDX-License-Identifier: Apache-2.0 */
/* flights.h: as many calls in flight as one likes, at every moment, and one thread that runs them.
 *
 *     flights_begin(&(struct flights){ .interface = id, .count = 1000, .lasts_ms = 45 });
 *     flights_keep(10 * NS_PER_S);
 *     flights_end();
 *
 * They are detached. Their ends are spread evenly from the beginning on: each ends when it has
 * lasted for so long, as of the next millisecond, and another begins in its place. */
#ifndef STAKEOUT_TESTS_BENCH_PROBE_FLIGHTS_H
#define STAKEOUT_TESTS_BENCH_PROBE_FLIGHTS_H

#include "probe/include/stakeout/stakeout.h"

#include <stdint.h>

enum { FLIGHTS_MAX = 16000 };

struct flights {
    stakeout_interface_id interface;
    uint32_t count;
    uint64_t lasts_ms;
    uint64_t spread_ms; /* each lasts up to so much less: they end in any order */
    uint32_t slow_part; /* one in so many lasts for slow_ms instead; 0: none does */
    uint64_t slow_ms;
};

void flights_begin(const struct flights *flights);
void flights_keep(uint64_t time_ns);
void flights_end(void);

#endif
