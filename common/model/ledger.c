/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c: the sums of a ledger and the words of drops.def.
 *
 * Counts come from outside too, so the sums are made with the overflow in view: two wrong counts
 * that add up modulo 2^64 are not sound. */
#include "common/model/ledger.h"

#include <errno.h>

struct reason {
    const char *slug, *says;
};

static const struct reason call_drops[] = {
#define CALL_DROP(name, slug, says) { slug, says },
#define SNAPSHOT_DROP(name, slug, says)
#define NOTE(name, slug, says)
#include "common/model/drops.def"
#undef CALL_DROP
#undef SNAPSHOT_DROP
#undef NOTE
};

static const struct reason snapshot_drops[] = {
#define CALL_DROP(name, slug, says)
#define SNAPSHOT_DROP(name, slug, says) { slug, says },
#define NOTE(name, slug, says)
#include "common/model/drops.def"
#undef CALL_DROP
#undef SNAPSHOT_DROP
#undef NOTE
};

static const struct reason notes[] = {
#define CALL_DROP(name, slug, says)
#define SNAPSHOT_DROP(name, slug, says)
#define NOTE(name, slug, says) { slug, says },
#include "common/model/drops.def"
#undef CALL_DROP
#undef SNAPSHOT_DROP
#undef NOTE
};

/* Adds `count` values to *sum. False if that is more than a uint64_t holds. */
static bool add_all(const uint64_t *values, size_t count, uint64_t *sum)
{
    for (size_t i = 0; i < count; i++) {
        if (__builtin_add_overflow(*sum, values[i], sum)) return false;
    }
    return true;
}

bool ledger_is_sound(const struct ledger *ledger)
{
    uint64_t seen[] = { ledger->below, ledger->triggered };
    uint64_t triggered[] = { ledger->sampled, ledger->over_cap, ledger->pending };
    uint64_t seen_sum = 0, triggered_sum = 0;

    if (!add_all(seen, 2, &seen_sum) || !add_all(triggered, 3, &triggered_sum)) return false;
    if (!add_all(ledger->drops, CALL_DROP_COUNT, &triggered_sum)) return false;
    return ledger->seen == seen_sum && ledger->triggered == triggered_sum;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void ledger_add(struct ledger *to, const struct ledger *from)
{
    to->seen += from->seen;
    to->below += from->below;
    to->triggered += from->triggered;
    to->sampled += from->sampled;
    to->over_cap += from->over_cap;
    to->pending += from->pending;
    for (uint32_t i = 0; i < CALL_DROP_COUNT; i++) {
        to->drops[i] += from->drops[i];
    }
    to->snapshots += from->snapshots;
    to->signals += from->signals;
    to->perf += from->perf;
    to->reads += from->reads;
    to->repeats += from->repeats;
    to->interrupted += from->interrupted;
    for (uint32_t i = 0; i < SNAPSHOT_DROP_COUNT; i++) {
        to->snapshot_drops[i] += from->snapshot_drops[i];
    }
    to->slowest_below_ns = greater(to->slowest_below_ns, from->slowest_below_ns);
    to->stretched_ns = greater(to->stretched_ns, from->stretched_ns);
    to->late_ns_max = greater(to->late_ns_max, from->late_ns_max);
    to->pause_ns_p50 = greater(to->pause_ns_p50, from->pause_ns_p50);
    to->pause_ns_p99 = greater(to->pause_ns_p99, from->pause_ns_p99);
    to->cpu_ns += from->cpu_ns;
    to->armed_ns += from->armed_ns;
}

const char *call_drop_slug(enum call_drop drop)
{
    return drop < CALL_DROP_COUNT ? call_drops[drop].slug : "unknown";
}

const char *call_drop_says(enum call_drop drop)
{
    return drop < CALL_DROP_COUNT ? call_drops[drop].says : "for an unknown reason";
}

const char *snapshot_drop_slug(enum snapshot_drop drop)
{
    return drop < SNAPSHOT_DROP_COUNT ? snapshot_drops[drop].slug : "unknown";
}

const char *snapshot_drop_says(enum snapshot_drop drop)
{
    return drop < SNAPSHOT_DROP_COUNT ? snapshot_drops[drop].says : "for an unknown reason";
}

const char *note_slug(enum note note)
{
    return note < NOTE_COUNT ? notes[note].slug : "unknown";
}

const char *note_says(enum note note)
{
    return note < NOTE_COUNT ? notes[note].says : "for an unknown reason";
}

/* The row with this slug, or -EINVAL. */
static int find(const struct reason *reasons, uint32_t count, struct text slug)
{
    for (uint32_t i = 0; i < count; i++) {
        if (text_is_equal(text_of(reasons[i].slug), slug)) return (int)i;
    }
    return -EINVAL;
}

int call_drop_parse(struct text slug, enum call_drop *ret)
{
    int row = find(call_drops, CALL_DROP_COUNT, slug);

    if (row < 0) return row;
    *ret = (enum call_drop)row;
    return 0;
}

int snapshot_drop_parse(struct text slug, enum snapshot_drop *ret)
{
    int row = find(snapshot_drops, SNAPSHOT_DROP_COUNT, slug);

    if (row < 0) return row;
    *ret = (enum snapshot_drop)row;
    return 0;
}

int note_parse(struct text slug, enum note *ret)
{
    int row = find(notes, NOTE_COUNT, slug);

    if (row < 0) return row;
    *ret = (enum note)row;
    return 0;
}
