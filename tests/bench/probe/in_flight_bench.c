/* SPDX-License-Identifier: Apache-2.0 */
/* in_flight_bench.c: what calls cost the sampler that only are in flight.
 *
 *     bench_in_flight [CALLS [SECONDS]]          default 10000, and 10
 *
 * So many calls of a watched interface are in flight at every moment; each ends below the
 * threshold, and another begins. None turns slow. They end in turn, as they began and as they lie
 * in memory, or in any order. What the sampler's thread takes of a core is
 * spent on watching alone, and with lookback also on looks at calls that may turn slow, which have
 * what the budget leaves. The default budget, 1 %, is the bar, and it is meant over any ten
 * seconds; so the figure is the mean of as long, from the order on. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "probe/agent/base/filters.h"
#include "tests/bench/pairs.h"
#include "tests/bench/probe/flights.h"
#include "tests/integration/probe/one_task.h"

#include <stdio.h>
#include <stdlib.h>

enum { THRESHOLD_MS = 50, BELOW_MS = 45, SPREAD_MS = 10, TURN_MS = 500 };

#define CORE_PERCENT_BAR 1.0

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    one_task_accept(take_sample);
    sample_free(take_sample);
}

static uint64_t sampler_cpu(void)
{
    struct sampler_cost cost;

    sampler_cost(&cost);
    return cost.cpu_ns;
}

/* One turn's share of a core. */
static double turn_percent(void)
{
    uint64_t cpu_ns = sampler_cpu(), begin_ns = clock_monotonic_ns();

    flights_keep(TURN_MS * NS_PER_MS);
    cpu_ns = sampler_cpu() - cpu_ns;
    return 100 * (double)cpu_ns / (double)(clock_monotonic_ns() - begin_ns);
}

struct scene {
    const char *says;
    bool lookback;
    uint64_t spread_ms;
};

static void bench(const struct scene *scene, uint32_t count, uint32_t turns)
{
    struct pairs_busy before = pairs_busy_read(), after;
    stakeout_interface_id interface =
        one_task_arm(&(struct one_task){ .interface = "in flight",
                                         .threshold_ms = THRESHOLD_MS,
                                         .frequency_ms = 100,
                                         .lookback = scene->lookback });
    double sum = 0, most = 0, percent;

    flights_begin(&(struct flights){ .interface = interface,
                                     .count = count,
                                     .lasts_ms = BELOW_MS,
                                     .spread_ms = scene->spread_ms });
    for (uint32_t i = 0; i < turns; i++) {
        percent = turn_percent();
        sum += percent;
        if (percent > most) most = percent;
    }
    flights_end();
    after = pairs_busy_read();
    sampler_set_tasks(NULL, 0);
    percent = sum / turns;
    printf("%-28s %.2f %% of a core, %.2f in half a second at most, bar %g: %s\n", scene->says,
           percent, most, CORE_PERCENT_BAR, percent <= CORE_PERCENT_BAR ? "met" : "missed");
    printf("%-28s %.0f ns for each call in each %d ms, others took %.0f %%\n", "",
           percent / 100 * THRESHOLD_MS * NS_PER_MS / count, THRESHOLD_MS,
           100 * pairs_busy_others(&before, &after));
}

static const struct scene scenes[] = {
    { "end in turn", false, 0 },
    { "end in turn, lookback", true, 0 },
    { "end in any order", false, SPREAD_MS },
    { "end in any order, lookback", true, SPREAD_MS },
};

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 10000;
    long seconds = argc > 2 ? strtol(argv[2], NULL, 10) : 10;
    uint32_t turns;

    if (count < 1 || count > FLIGHTS_MAX) count = 10000;
    if (seconds < 1 || seconds > 3600) seconds = 10;
    turns = (uint32_t)seconds * 1000 / TURN_MS;
    filters_keep_open(true); /* as the agent does, which has a table of its own */
    CHECK(sampler_start(&(struct sampler_options){ .on_sample = on_sample }, false) == 0);
    printf("%ld calls in flight, threshold %d ms, %ld s each\n", count, THRESHOLD_MS, seconds);
    for (uint32_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        bench(&scenes[i], (uint32_t)count, turns);
    }
    sampler_stop();
    return 0;
}
