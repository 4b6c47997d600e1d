/* SPDX-License-Identifier: Apache-2.0 */
/* statistics.h: how long the calls of each interface took, counted by whoever ends them.
 *
 * Each thread counts in a block of its own per interface, with plain loads and stores: no line is
 * shared. A small cache in the slot finds the block; behind it is one hash table for all. When the
 * private blocks are used up, a thread counts in the interface's shared block, with atomic adds,
 * and that is noted once per thread and interface.
 *
 * Counters never go back and are never reset. Of the three below, `count` is written last and read
 * first, so that count - slow is never more than the calls that were below.
 *
 * Threads: count: the slot's own (slot NULL: any). Reading: any. */
#ifndef STAKEOUT_PROBE_HOT_STATISTICS_H
#define STAKEOUT_PROBE_HOT_STATISTICS_H

#include "common/model/histogram.h"
#include "common/model/limits.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

struct slot;

enum {
    BLOCKS_PRIVATE = 2048,                   /* of one thread and interface: 1 MB */
    BLOCKS_SHARED = INTERFACES_MAX + 2,      /* one per interface id: 2 MB, used last */
    BLOCKS = BLOCKS_SHARED + BLOCKS_PRIVATE, /* a shared block's index is its interface's id */
    BLOCK_TABLE_SIZE = 2 * BLOCKS_PRIVATE,   /* half empty at the fullest: short probes */
    BLOCK_TABLE_MASK = BLOCK_TABLE_SIZE - 1,
};

struct block {
    _Alignas(64) _Atomic uint64_t count; /* calls that ended */
    _Atomic uint64_t slow;               /* of these, not below: listened to, or missed */
    _Atomic uint64_t missed;             /* of these, ended slow before the sampler saw them */
    _Atomic uint64_t max_ticks;          /* a reader that takes the maximum puts 0 here */
    _Atomic uint32_t owner;              /* slot index << 16 | interface id; private blocks */
    _Atomic uint32_t buckets[HISTOGRAM_BUCKETS]; /* modulo 2^32: readers add up differences */
};

static_assert(sizeof(struct block) <= 512, "eight lines");
static_assert(BLOCKS <= UINT16_MAX, "a block's index fits into the table's entries");

enum call_class {
    CALL_BELOW,    /* not slow, or nobody watches */
    CALL_LISTENED, /* the sampler has counted it as triggered */
    CALL_MISSED,   /* slow, and the sampler did not see it in time */
};

void statistics_count(struct slot *slot, uint32_t interface_id, uint64_t ticks,
                      enum call_class how);

/* How many blocks can be in use: shared ones are [0, INTERFACES_MAX + 2), private ones
 * [BLOCKS_SHARED, statistics_end()). */
uint32_t statistics_end(void);

/* The interface that a block counts for; 0: none. */
uint32_t statistics_interface(uint32_t block);

#endif
