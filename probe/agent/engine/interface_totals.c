/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/interface_totals.h"

#include "probe/hot/registry.h"
#include "probe/hot/ticks.h"

#include <stdlib.h>
#include <string.h>

struct interface_total {
    struct histogram histogram;          /* max_ns: since the latest acknowledged reading */
    uint32_t buckets[HISTOGRAM_BUCKETS]; /* sums over blocks at the latest reading, modulo 2^32 */
    uint32_t sums[HISTOGRAM_BUCKETS];    /* of the reading under way */
};

void interface_totals_done(struct interface_totals *totals)
{
    for (uint32_t i = 0; i < INTERFACE_IDS; i++) {
        free(totals->by_id[i]);
        totals->by_id[i] = NULL;
    }
}

/* Adds a block to its interface's sums. A block that never counted makes no total. */
static void block_add(struct interface_totals *totals, uint32_t index)
{
    struct block *block = &hot.blocks[index];
    struct interface_total **total = &totals->by_id[statistics_interface(index)];
    uint64_t max_ns;

    if (atomic_load_explicit(&block->count, memory_order_acquire) == 0) return;
    if (!*total) *total = calloc(1, sizeof **total);
    if (!*total) return;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        (*total)->sums[i] += atomic_load_explicit(&block->buckets[i], memory_order_relaxed);
    }
    max_ns = ticks_to_ns(atomic_exchange_explicit(&block->max_ticks, 0, memory_order_relaxed));
    if (max_ns > (*total)->histogram.max_ns) (*total)->histogram.max_ns = max_ns;
}

static void total_close(struct interface_total *total)
{
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint32_t moved = total->sums[i] - total->buckets[i];

        total->histogram.buckets[i] += moved;
        total->histogram.count += moved;
    }
    memcpy(total->buckets, total->sums, sizeof total->buckets);
    memset(total->sums, 0, sizeof total->sums);
}

void interface_totals_refresh(struct interface_totals *totals)
{
    uint32_t end = registry_end();

    for (uint32_t i = 1; i < end; i++) {
        block_add(totals, i);
    }
    block_add(totals, INTERFACE_OTHER);
    for (uint32_t i = BLOCKS_SHARED; i < statistics_end(); i++) {
        block_add(totals, i);
    }
    for (uint32_t i = 1; i < INTERFACE_IDS; i++) {
        if (totals->by_id[i]) total_close(totals->by_id[i]);
    }
}

void interface_totals_each(const struct interface_totals *totals,
                           void (*on_interface)(void *context,
                                                const struct interface_statistics *statistics),
                           void *context)
{
    for (uint32_t i = 1; i < INTERFACE_IDS; i++) {
        struct interface_statistics statistics = { .interface_id = i };

        if (!totals->by_id[i]) continue;
        statistics.name = registry_name(i);
        statistics.histogram = totals->by_id[i]->histogram;
        if (statistics.name.size > 0) on_interface(context, &statistics);
    }
}

void interface_totals_acknowledged(struct interface_totals *totals)
{
    for (uint32_t i = 1; i < INTERFACE_IDS; i++) {
        if (totals->by_id[i]) totals->by_id[i]->histogram.max_ns = 0;
    }
}
