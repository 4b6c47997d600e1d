/* SPDX-License-Identifier: Apache-2.0 */
/* ticks.c: is the time-stamp counter fit to be a clock, and how fast does it run?
 *
 * The kernel watches the counters of all cores against each other and gives "tsc" up when they
 * part: its judgement, in /sys, is better than any of ours. The processor's own flag (invariant:
 * the same speed in all power states) is asked as well, for hypervisors that lie about the
 * first. */
#include "probe/hot/ticks.h"

#include <cpuid.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

enum {
    PAIR_TRIES = 5,
    CALIBRATION_NS = 2000000,
    LEAF_POWER = (int)0x80000007,
    LEAF_POWER_INVARIANT = 1 << 8,
};

static bool kernel_trusts_tsc(void)
{
    char name[8] = { 0 };
    int fd = open(CLOCKSOURCE, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0) return false;
    size = read(fd, name, sizeof name - 1);
    close(fd);
    return size >= 3 && memcmp(name, "tsc", 3) == 0;
}

static bool tsc_is_invariant(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid((unsigned)LEAF_POWER, &a, &b, &c, &d)) return false;
    return (d & LEAF_POWER_INVARIANT) != 0;
}

struct tick_pair tick_pair_read(void)
{
    struct tick_pair best = { 0 };
    uint64_t width_min = UINT64_MAX;

    for (int i = 0; i < PAIR_TRIES; i++) {
        uint64_t before = ticks_now();
        uint64_t ns = clock_monotonic_ns();
        uint64_t width = ticks_now() - before;

        if (width >= width_min) continue;
        width_min = width;
        best = (struct tick_pair){ before + width / 2, ns };
    }
    return best;
}

void ticks_open(void)
{
    struct tick_pair from, to;
    uint64_t scale = UINT64_C(1) << 32;

    hot.uses_tsc = kernel_trusts_tsc() && tsc_is_invariant();
    if (hot.uses_tsc) {
        from = tick_pair_read();
        do {
            to = tick_pair_read();
        } while (to.monotonic_ns - from.monotonic_ns < CALIBRATION_NS);
        /* 64 bits hold it as long as the loop is not kept off its CPU for 4 s; then the sampler's
         * refinement puts it right. */
        scale = ((to.monotonic_ns - from.monotonic_ns) << 32) / (to.ticks - from.ticks);
    }
    atomic_store_explicit(&hot.ns_per_tick_q32, scale, memory_order_relaxed);
}
