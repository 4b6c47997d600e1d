/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/base/tick_clock.h"

#define PAIR_INTERVAL_NS (NS_PER_S / 2)

static const struct tick_pair *pair_at(const struct tick_clock *clock, uint32_t number)
{
    return &clock->pairs[number % TICK_PAIRS];
}

static uint32_t oldest(const struct tick_clock *clock)
{
    return clock->count > TICK_PAIRS ? clock->count - TICK_PAIRS : 0;
}

/* The scale over all that the ring holds: the longer, the finer. */
static void scale_refine(const struct tick_clock *clock)
{
    const struct tick_pair *from = pair_at(clock, oldest(clock));
    const struct tick_pair *to = pair_at(clock, clock->count - 1);
    uint64_t scale;

    if (to->ticks <= from->ticks) return;
    scale = (uint64_t)(((unsigned __int128)(to->monotonic_ns - from->monotonic_ns) << 32) /
                       (to->ticks - from->ticks));
    atomic_store_explicit(&hot.ns_per_tick_q32, scale, memory_order_relaxed);
}

void tick_clock_update(struct tick_clock *clock)
{
    struct tick_pair now;

    if (clock->count > 0 &&
        clock_monotonic_ns() - pair_at(clock, clock->count - 1)->monotonic_ns < PAIR_INTERVAL_NS)
        return;
    now = tick_pair_read();
    if (clock->count > 0 && now.ticks <= pair_at(clock, clock->count - 1)->ticks) return;
    clock->pairs[clock->count++ % TICK_PAIRS] = now;
    if (clock->count > 1) scale_refine(clock);
}

/* A moment near a pair, by the scale. */
static uint64_t beside(const struct tick_pair *pair, uint64_t ticks)
{
    if (ticks >= pair->ticks) return pair->monotonic_ns + ticks_to_ns(ticks - pair->ticks);
    return pair->monotonic_ns - ticks_to_ns(pair->ticks - ticks);
}

uint64_t tick_clock_ns(const struct tick_clock *clock, uint64_t ticks)
{
    uint32_t number = clock->count;

    if (clock->count == 0) {
        struct tick_pair now = tick_pair_read();

        return beside(&now, ticks);
    }
    while (number > oldest(clock) && pair_at(clock, number - 1)->ticks > ticks) {
        number--;
    }
    if (number == clock->count) return beside(pair_at(clock, number - 1), ticks);
    if (number == oldest(clock)) return beside(pair_at(clock, number), ticks);
    {
        const struct tick_pair *from = pair_at(clock, number - 1), *to = pair_at(clock, number);
        unsigned __int128 part =
            (unsigned __int128)(to->monotonic_ns - from->monotonic_ns) * (ticks - from->ticks);

        return from->monotonic_ns + (uint64_t)(part / (to->ticks - from->ticks));
    }
}
