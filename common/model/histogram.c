/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.c: a percentile is interpolated within its bucket, as if durations were spread
 * evenly there, and never above the longest one that was seen. */
#include "common/model/histogram.h"

void histogram_add(struct histogram *to, const struct histogram *from)
{
    to->count += from->count;
    if (from->max_ns > to->max_ns) to->max_ns = from->max_ns;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        to->buckets[i] += from->buckets[i];
    }
}

/* Where within a bucket the rank-th of its `count` durations lies, if they are spread evenly. */
static uint64_t within_bucket(uint32_t bucket, double rank, uint64_t count, uint64_t max_ns)
{
    uint64_t begin = histogram_bucket_begin_ns(bucket);
    uint64_t end = histogram_bucket_begin_ns(bucket + 1);

    if (max_ns > begin && max_ns < end) end = max_ns;
    if (end == UINT64_MAX) return max_ns > begin ? max_ns : begin;
    return begin + (uint64_t)((double)(end - begin) * rank / (double)count);
}

uint64_t histogram_percentile_ns(const struct histogram *histogram, unsigned percent)
{
    double rank = (double)histogram->count * percent / 100.0;
    uint64_t below = 0, ns;

    if (histogram->count == 0) return 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t count = histogram->buckets[i];

        if (count > 0 && (double)(below + count) >= rank) {
            ns = within_bucket(i, rank - (double)below, count, histogram->max_ns);
            return histogram->max_ns > 0 && ns > histogram->max_ns ? histogram->max_ns : ns;
        }
        below += count;
    }
    return histogram->max_ns;
}
