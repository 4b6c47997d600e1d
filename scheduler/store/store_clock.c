/* SPDX-License-Identifier: Apache-2.0 */
/* store_clock.c: what Redis' wall clock says now, without asking it: our monotonic clock, and the
 * offset between them as its answers show it. It is the one clock that all schedulers share. */
#include "common/base/clock.h"
#include "scheduler/store/store_private.h"

enum { CLOCK_TRUST_MS = 10000 };

static int64_t monotonic_ms(void)
{
    return (int64_t)ns_to_ms(clock_monotonic_ns());
}

/* An answer that was long on its way makes Redis' clock look late, never early: so the largest
 * offset is the truest, for CLOCK_TRUST_MS; then a lower one may be a clock that was set back. */
void store_note_clock(struct store *store, uint64_t wall_ms)
{
    int64_t now_ms = monotonic_ms(), offset_ms = (int64_t)wall_ms - now_ms;

    if (wall_ms == 0) return;
    if (store->clock_known && offset_ms < store->clock_offset_ms &&
        now_ms - store->clock_noted_ms < CLOCK_TRUST_MS) {
        return;
    }
    store->clock_offset_ms = offset_ms;
    store->clock_noted_ms = now_ms;
    store->clock_known = true;
}

/* It may be another Redis now: what it says first counts. */
void store_distrust_clock(struct store *store)
{
    store->clock_noted_ms -= CLOCK_TRUST_MS;
}

uint64_t store_now_wall_ms(const struct store *store)
{
    if (!store->clock_known) return ns_to_ms(clock_wall_ns());
    return (uint64_t)(monotonic_ms() + store->clock_offset_ms);
}

void store_read_time(struct store *store, const struct redis_value *value)
{
    uint64_t seconds = redis_value_u64(redis_value_at(value, 0));
    uint64_t micros = redis_value_u64(redis_value_at(value, 1));

    store_note_clock(store, seconds * 1000 + micros / 1000);
}
