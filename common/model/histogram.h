/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.h: how long calls took, in buckets that are the same everywhere.
 *
 * A duration in ns falls into a bucket by its highest bit and the two bits below it: four
 * buckets to an octave, so that a bucket's bounds differ by at most 25 % and its middle is at
 * most 12 % off. 1.02 us and less is the first, 137 s and more the last.
 *
 * Header-only and async-signal-safe: begin and end count in these buckets (probe/hot). */
#ifndef STAKEOUT_COMMON_MODEL_HISTOGRAM_H
#define STAKEOUT_COMMON_MODEL_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_OCTAVE_MIN = 10, /* 2^10 ns */
    HISTOGRAM_OCTAVE_MAX = 37, /* 2^37 ns */
    HISTOGRAM_PARTS = 4,       /* buckets to an octave */
    HISTOGRAM_BUCKETS = (HISTOGRAM_OCTAVE_MAX - HISTOGRAM_OCTAVE_MIN) * HISTOGRAM_PARTS + 1,
};

static inline uint32_t histogram_bucket(uint64_t ns)
{
    uint32_t octave;

    if (ns < UINT64_C(1) << HISTOGRAM_OCTAVE_MIN) return 0;
    octave = 63 - (uint32_t)__builtin_clzll(ns);
    if (octave >= HISTOGRAM_OCTAVE_MAX) return HISTOGRAM_BUCKETS - 1;
    return (octave - HISTOGRAM_OCTAVE_MIN) * HISTOGRAM_PARTS + (uint32_t)(ns >> (octave - 2) & 3);
}

/* The smallest duration that falls into a bucket, in ns; UINT64_MAX behind the last bucket. */
static inline uint64_t histogram_bucket_begin_ns(uint32_t bucket)
{
    uint32_t octave = bucket / HISTOGRAM_PARTS + HISTOGRAM_OCTAVE_MIN;

    if (bucket == 0) return 0;
    if (bucket >= HISTOGRAM_BUCKETS) return UINT64_MAX;
    return (uint64_t)(HISTOGRAM_PARTS + bucket % HISTOGRAM_PARTS) << (octave - 2);
}

/* A sum over any number of threads, instances and times. */
struct histogram {
    uint64_t count;  /* of all buckets */
    uint64_t max_ns; /* the longest single duration; 0: unknown or none */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *to, const struct histogram *from);

/* The duration that `percent` of 100 did not exceed, interpolated within its bucket and never
 * above max_ns; 0 for an empty histogram. */
uint64_t histogram_percentile_ns(const struct histogram *histogram, unsigned percent);

#endif
