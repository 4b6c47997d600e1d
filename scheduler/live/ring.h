/* SPDX-License-Identifier: Apache-2.0 */
/* ring.h: how long the calls of one interface took, in turns of 10 s of the last 15 minutes.
 *
 *     ring_add(&ring, now_ns, bucket, count, &size);      per bucket that grew
 *     ring_sum(&ring, now_ns, 60, &histogram);            the last 60 s
 *
 * Sparse: a turn without calls costs nothing, one with calls 24 bytes and 4 per bucket that was
 * hit; a busy interface has about 6 KB. `size` is the caller's account of bytes. */
#ifndef STAKEOUT_SCHEDULER_LIVE_RING_H
#define STAKEOUT_SCHEDULER_LIVE_RING_H

#include "common/model/histogram.h"

#include <stdbool.h>
#include <stddef.h>

enum { RING_TURN_S = 10, RING_KEEP_S = 900 };

struct ring_slot;

struct ring {
    struct ring_slot *newest; /* each knows the one before; owned */
};

void ring_done(struct ring *ring, size_t *size);
void ring_add(struct ring *ring, uint64_t now_ns, uint32_t bucket, uint64_t count, size_t *size);
void ring_max(struct ring *ring, uint64_t now_ns, uint64_t max_ns, size_t *size);

/* Frees what is older than RING_KEEP_S. */
void ring_trim(struct ring *ring, uint64_t now_ns, size_t *size);

/* Frees the oldest turn but the newest one. Returns whether there was one. */
bool ring_shorten(struct ring *ring, size_t *size);

/* At least the last `seconds`, at most one turn more. Its count is the sum of its buckets. */
void ring_sum(const struct ring *ring, uint64_t now_ns, uint32_t seconds, struct histogram *ret);

#endif
