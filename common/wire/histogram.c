/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.c: the buckets of a histogram as bytes (declared in report.h).
 *
 * For each bucket that is not 0, in rising order, two varints: how many empty buckets lie between
 * it and the one before, and its count. */
#include "common/model/problem.h"
#include "common/wire/report.h"
#include "common/wire/varint.h"

#include <inttypes.h>

int histogram_encode(const struct histogram *histogram, struct buf *to)
{
    uint32_t empty_count = 0;
    size_t size = to->size;

    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i] == 0) {
            empty_count++;
            continue;
        }
        varint_write(to, empty_count);
        varint_write(to, histogram->buckets[i]);
        empty_count = 0;
    }
    if (to->failed < 0) buf_shrink(to, size);
    return to->failed;
}

static int refuse(struct problem *problem, const char *why)
{
    return problem_set_body(problem, "buckets", "'buckets' %s.", why);
}

int histogram_decode(struct text bytes, struct histogram *ret, struct problem *problem)
{
    struct varint_reader reader = varint_reader_of(bytes);
    struct histogram histogram = { 0 };
    uint64_t bucket = 0;

    while (!varint_is_end(&reader)) {
        uint64_t empty_count = varint_read(&reader);
        uint64_t count = varint_read(&reader);

        if (reader.failed) return refuse(problem, "has a malformed number");
        if (empty_count >= HISTOGRAM_BUCKETS - bucket)
            return refuse(problem, "has a bucket behind the last");
        bucket += empty_count;
        if (count == 0) return refuse(problem, "has an empty bucket");
        if (__builtin_add_overflow(histogram.count, count, &histogram.count))
            return refuse(problem, "adds up to more than 64 bits");
        histogram.buckets[bucket++] = count;
    }
    *ret = histogram;
    return 0;
}
