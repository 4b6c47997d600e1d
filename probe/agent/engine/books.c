/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/books.h"

#include "probe/hot/registry.h"
#include "probe/hot/ticks.h"

#include <string.h>

/* Does this armed watch, and no other, have the interface? */
static bool watch_has(const struct books *books, const struct watch *watch, uint32_t id)
{
    return books->watch_of[id] == (uint16_t)(watch - books->watches + 1);
}

struct watch *books_find(struct books *books, const struct task_id *task)
{
    for (uint32_t i = 0; i < books->watch_end; i++) {
        struct watch *watch = &books->watches[i];

        if (watch->phase != WATCH_FREE && strcmp(watch->order.id.text, task->text) == 0)
            return watch;
    }
    return NULL;
}

/* From here on an ending call compares itself with the threshold. */
static void interface_watch(uint32_t id, uint64_t threshold_ns)
{
    atomic_store_explicit(&hot.threshold_ticks[id], ticks_from_ns(threshold_ns),
                          memory_order_relaxed);
    atomic_store_explicit(&hot.alert_ticks[id], 0, memory_order_release);
}

static void interface_unwatch(uint32_t id)
{
    atomic_store_explicit(&hot.alert_ticks[id], UINT64_MAX, memory_order_release);
}

static void match_one(struct books *books, struct watch *watch, uint32_t id)
{
    struct text name = registry_name(id);

    if (name.size == 0 || books->watch_of[id] != 0) return;
    if (!interface_matches(text_of(watch->order.interface), name)) return;
    books->watch_of[id] = (uint16_t)(watch - books->watches + 1);
    interface_watch(id, watch->order.threshold_ns);
}

/* Goes on where it stopped; an id whose name is still being written stops it. */
static void watch_match(struct books *books, struct watch *watch)
{
    while (watch->matched_end < registry_end()) {
        if (registry_name(watch->matched_end).size == 0 && !registry_is_vacant(watch->matched_end))
            break;
        match_one(books, watch, watch->matched_end++);
    }
    if (!watch->matched_other && registry_name(INTERFACE_OTHER).size > 0) {
        watch->matched_other = true;
        match_one(books, watch, INTERFACE_OTHER);
    }
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void count_armed(struct books *books)
{
    books->armed_count = 0;
    books->threshold_ns_min = books->lookback_ns_min = UINT64_MAX;
    for (uint32_t i = 0; i < books->watch_end; i++) {
        const struct watch *watch = &books->watches[i];

        if (watch->phase != WATCH_ARMED) continue;
        books->armed_count++;
        books->threshold_ns_min = lesser(books->threshold_ns_min, watch->order.threshold_ns);
        if (watch->order.lookback)
            books->lookback_ns_min = lesser(books->lookback_ns_min, watch_lookback_ns(watch));
    }
}

/* Adds a block's counters to those of its interface. Count first: see statistics.h. */
static void tally_block(uint32_t index, struct tally *by_interface)
{
    const struct block *block = &hot.blocks[index];
    struct tally *tally = &by_interface[statistics_interface(index)];

    tally->count += atomic_load_explicit(&block->count, memory_order_acquire);
    tally->slow += atomic_load_explicit(&block->slow, memory_order_relaxed);
    tally->missed += atomic_load_explicit(&block->missed, memory_order_relaxed);
}

static void tally_all(struct tally by_interface[INTERFACE_IDS])
{
    uint32_t end = registry_end();

    memset(by_interface, 0, INTERFACE_IDS * sizeof *by_interface);
    for (uint32_t i = 1; i < end; i++) {
        tally_block(i, by_interface);
    }
    tally_block(INTERFACE_OTHER, by_interface);
    for (uint32_t i = BLOCKS_SHARED; i < statistics_end(); i++) {
        tally_block(i, by_interface);
    }
}

static struct tally tally_of(const struct books *books, const struct watch *watch)
{
    struct tally sum = { 0 };

    for (uint32_t id = 1; id < INTERFACE_IDS; id++) {
        if (!watch_has(books, watch, id)) continue;
        sum.count += books->tallies[id].count;
        sum.slow += books->tallies[id].slow;
        sum.missed += books->tallies[id].missed;
    }
    return sum;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What a watch has seen; nothing here ever goes back, whatever the races of the reading. */
static void watch_refresh(const struct books *books, struct watch *watch)
{
    struct tally now = tally_of(books, watch);
    uint64_t below_before = watch->since.count - watch->since.slow;
    uint64_t below_now = (now.count - watch->base.count) - (now.slow - watch->base.slow);

    if (below_now > UINT64_MAX / 2) below_now = 0; /* slow is ahead of count for a moment */
    watch->since.missed = larger(watch->since.missed, now.missed - watch->base.missed);
    watch->since.slow = larger(watch->since.slow, now.slow - watch->base.slow);
    watch->since.count = watch->since.slow + larger(below_before, below_now);
    for (uint32_t id = 1; id < INTERFACE_IDS; id++) {
        uint64_t slowest;

        if (!watch_has(books, watch, id)) continue;
        slowest = atomic_load_explicit(&hot.alert_ticks[id], memory_order_relaxed);
        if (slowest != UINT64_MAX)
            watch->slowest_below_ns = larger(watch->slowest_below_ns, ticks_to_ns(slowest));
    }
}

void books_refresh(struct books *books)
{
    if (books->armed_count == 0) return;
    tally_all(books->tallies);
    for (uint32_t i = 0; i < books->watch_end; i++) {
        if (books->watches[i].phase == WATCH_ARMED) watch_refresh(books, &books->watches[i]);
    }
}

/* Begins to watch; what ended before, or while this begins, does not count. */
static void watch_begin(struct books *books, struct watch *watch, uint64_t now_ns)
{
    struct tally now;

    watch->watched_from_ns = now_ns;
    watch->phase = WATCH_ARMED;
    watch->matched_end = 1;
    watch->matched_other = false;
    watch_match(books, watch);
    tally_all(books->tallies);
    now = tally_of(books, watch);
    watch->base = (struct tally){ now.count - watch->since.count, now.slow - watch->since.slow,
                                  now.missed - watch->since.missed };
    count_armed(books);
}

static_assert((int)INTERRUPTION_ACCOUNTS == (int)SAMPLER_TASKS_MAX, "one to a watch");

static uint32_t interrupted_now(const struct watch *watch)
{
    return atomic_load_explicit(&hot.interrupted[watch->account], memory_order_relaxed);
}

struct watch *books_arm(struct books *books, const struct task_order *order, uint64_t now_ns,
                        uint64_t cpu_ns)
{
    struct watch *watch = NULL;

    for (uint32_t i = 0; i < SAMPLER_TASKS_MAX && !watch; i++) {
        if (books->watches[i].phase == WATCH_FREE) watch = &books->watches[i];
    }
    if (!watch) return NULL;
    if (watch >= books->watches + books->watch_end)
        books->watch_end = (uint32_t)(watch - books->watches) + 1;
    *watch = (struct watch){ .order = *order, .armed_at_ns = now_ns, .cpu_base_ns = cpu_ns };
    watch->account = (uint32_t)(watch - books->watches);
    watch->interrupted_base = interrupted_now(watch);
    watch_begin(books, watch, now_ns);
    return watch;
}

void books_rearm(struct books *books, struct watch *watch, uint64_t now_ns, uint64_t cpu_ns)
{
    watch->armed_at_ns = now_ns - (watch->over_at_ns - watch->armed_at_ns);
    watch->cpu_base_ns = cpu_ns - watch->cpu_ns;
    watch_begin(books, watch, now_ns);
}

void books_disarm(struct books *books, struct watch *watch, uint64_t now_ns, uint64_t cpu_ns)
{
    uint16_t mine = (uint16_t)(watch - books->watches + 1);

    books_refresh(books);
    for (uint32_t id = 0; id < INTERFACE_IDS; id++) {
        if (books->watch_of[id] != mine) continue;
        interface_unwatch(id);
        books->watch_of[id] = 0;
    }
    watch->phase = WATCH_OVER;
    watch->over_at_ns = now_ns;
    watch->cpu_ns = cpu_ns - watch->cpu_base_ns;
    count_armed(books);
}

void books_free(struct books *books, struct watch *watch)
{
    watch->phase = WATCH_FREE;
    while (books->watch_end > 0 && books->watches[books->watch_end - 1].phase == WATCH_FREE) {
        books->watch_end--;
    }
}

void books_match_new(struct books *books)
{
    for (uint32_t i = 0; i < books->watch_end; i++) {
        if (books->watches[i].phase == WATCH_ARMED) watch_match(books, &books->watches[i]);
    }
}

struct ledger books_ledger(const struct watch *watch, uint64_t now_ns, uint64_t cpu_ns)
{
    struct ledger ledger = watch->counts;
    bool is_armed = watch->phase == WATCH_ARMED;

    ledger.below = watch->since.count - watch->since.slow;
    ledger.drops[CALL_DROP_NO_SNAPSHOT] += watch->since.missed;
    ledger.triggered = watch->listened + watch->since.missed;
    ledger.seen = ledger.below + ledger.triggered;
    ledger.interrupted = interrupted_now(watch) - watch->interrupted_base;
    ledger.slowest_below_ns = watch->slowest_below_ns;
    ledger.pause_ns_p50 = histogram_percentile_ns(&watch->pauses, 50);
    ledger.pause_ns_p99 = histogram_percentile_ns(&watch->pauses, 99);
    ledger.cpu_ns = is_armed ? cpu_ns - watch->cpu_base_ns : watch->cpu_ns;
    ledger.armed_ns = (is_armed ? now_ns : watch->over_at_ns) - watch->armed_at_ns;
    return ledger;
}

bool books_is_final(const struct watch *watch)
{
    return watch->phase == WATCH_OVER && watch->counts.pending == 0;
}
