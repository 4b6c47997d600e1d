/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/probe/flights.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <time.h>

static struct flights now_flying;
static uint64_t begun_count;
static struct flight {
    stakeout_call call;
    uint64_t ends_ns;
} flights[FLIGHTS_MAX];

static void flight_begin(struct flight *flight, uint64_t now_ns, uint64_t lasts_ms)
{
    flight->call = stakeout_call_begin(now_flying.interface);
    stakeout_call_detach(flight->call, "the bench");
    flight->ends_ns = now_ns + ms_to_ns(lasts_ms);
}

static uint64_t next_lasts_ms(void)
{
    begun_count++;
    if (now_flying.slow_part > 0 && begun_count % now_flying.slow_part == 0)
        return now_flying.slow_ms;
    if (now_flying.spread_ms == 0) return now_flying.lasts_ms;
    return now_flying.lasts_ms -
           begun_count * UINT64_C(0x9e3779b97f4a7c15) / 65536 % now_flying.spread_ms;
}

void flights_begin(const struct flights *options)
{
    CHECK(options->count <= FLIGHTS_MAX);
    now_flying = *options;
    for (uint32_t i = 0; i < options->count; i++) {
        flight_begin(&flights[i], clock_monotonic_ns(), 1 + i * options->lasts_ms / options->count);
    }
}

void flights_keep(uint64_t time_ns)
{
    uint64_t end_ns = clock_monotonic_ns() + time_ns, now_ns;

    while ((now_ns = clock_monotonic_ns()) < end_ns) {
        for (uint32_t i = 0; i < now_flying.count; i++) {
            if (flights[i].ends_ns > now_ns) continue;
            stakeout_call_end(flights[i].call, 0);
            flight_begin(&flights[i], now_ns, next_lasts_ms());
        }
        nanosleep(&(struct timespec){ .tv_nsec = NS_PER_MS }, NULL);
    }
}

void flights_end(void)
{
    for (uint32_t i = 0; i < now_flying.count; i++) {
        stakeout_call_end(flights[i].call, 0);
    }
}
