/* SPDX-License-Identifier: Apache-2.0 */
/* drop_counts.c: a hash by task and incarnation, and the same in the order of hearing. A ledger
 * that was forgotten and comes again is one with a past: nothing is ever counted twice. */
#include "scheduler/intake/drop_counts.h"

#include "common/base/check.h"
#include "scheduler/metrics/metrics.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { BUCKETS = 1024 };

struct kept {
    LIST_ENTRY(kept) hash;
    TAILQ_ENTRY(kept) age;
    struct task_id task;
    uint64_t incarnation;
    uint64_t drops[CALL_DROP_COUNT];
    uint64_t snapshot_drops[SNAPSHOT_DROP_COUNT];
};

struct drop_counts {
    struct metrics *metrics;
    size_t kept_count;
    LIST_HEAD(, kept) buckets[BUCKETS];
    TAILQ_HEAD(, kept) ages; /* heard of longest ago first */
};

/* Every reason is there before it happens: a rate sees the first one as well. */
static void begin_at_zero(struct metrics *metrics)
{
    for (enum call_drop drop = 0; drop < CALL_DROP_COUNT; drop++) {
        metrics_add(metrics, METRIC_CALL_DROPS, call_drop_slug(drop), NULL, 0);
    }
    for (enum snapshot_drop drop = 0; drop < SNAPSHOT_DROP_COUNT; drop++) {
        metrics_add(metrics, METRIC_SNAPSHOT_DROPS, snapshot_drop_slug(drop), NULL, 0);
    }
}

struct drop_counts *drop_counts_new(struct metrics *metrics)
{
    struct drop_counts *counts = mem_zalloc(1, sizeof *counts);

    counts->metrics = metrics;
    TAILQ_INIT(&counts->ages);
    begin_at_zero(metrics);
    return counts;
}

static void kept_free(struct drop_counts *counts, struct kept *kept)
{
    LIST_REMOVE(kept, hash);
    TAILQ_REMOVE(&counts->ages, kept, age);
    counts->kept_count--;
    free(kept);
}

struct drop_counts *drop_counts_free(struct drop_counts *counts)
{
    if (!counts) return NULL;
    while (!TAILQ_EMPTY(&counts->ages)) {
        kept_free(counts, TAILQ_FIRST(&counts->ages));
    }
    free(counts);
    return NULL;
}

static size_t bucket_of(const struct task_ledger *ledger)
{
    return (text_hash(text_of(ledger->task.text)) ^ ledger->incarnation) % BUCKETS;
}

static struct kept *find(struct drop_counts *counts, const struct task_ledger *ledger)
{
    struct kept *kept;

    LIST_FOREACH(kept, &counts->buckets[bucket_of(ledger)], hash)
    {
        if (kept->incarnation == ledger->incarnation &&
            strcmp(kept->task.text, ledger->task.text) == 0)
            return kept;
    }
    return NULL;
}

static struct kept *make(struct drop_counts *counts, const struct task_ledger *ledger)
{
    struct kept *kept;

    if (counts->kept_count == DROP_LEDGERS_MAX) kept_free(counts, TAILQ_FIRST(&counts->ages));
    kept = mem_zalloc(1, sizeof *kept);
    kept->task = ledger->task;
    kept->incarnation = ledger->incarnation;
    LIST_INSERT_HEAD(&counts->buckets[bucket_of(ledger)], kept, hash);
    TAILQ_INSERT_TAIL(&counts->ages, kept, age);
    counts->kept_count++;
    return kept;
}

static void add_grown(struct metrics *metrics, enum metric metric, const char *reason,
                      uint64_t before, uint64_t now)
{
    if (now > before) metrics_add(metrics, metric, reason, NULL, (double)(now - before));
}

static void add_all(struct drop_counts *counts, const struct kept *before, const struct ledger *now)
{
    for (enum call_drop drop = 0; drop < CALL_DROP_COUNT; drop++) {
        add_grown(counts->metrics, METRIC_CALL_DROPS, call_drop_slug(drop), before->drops[drop],
                  now->drops[drop]);
    }
    for (enum snapshot_drop drop = 0; drop < SNAPSHOT_DROP_COUNT; drop++) {
        add_grown(counts->metrics, METRIC_SNAPSHOT_DROPS, snapshot_drop_slug(drop),
                  before->snapshot_drops[drop], now->snapshot_drops[drop]);
    }
}

/* A resend, or one that was overtaken, has no more than is known: a maximum, bucket by bucket. */
static void keep(struct kept *kept, const struct ledger *now)
{
    for (size_t i = 0; i < CALL_DROP_COUNT; i++) {
        if (now->drops[i] > kept->drops[i]) kept->drops[i] = now->drops[i];
    }
    for (size_t i = 0; i < SNAPSHOT_DROP_COUNT; i++) {
        if (now->snapshot_drops[i] > kept->snapshot_drops[i])
            kept->snapshot_drops[i] = now->snapshot_drops[i];
    }
}

void drop_counts_take(struct drop_counts *counts, const struct task_ledger *ledger,
                      uint64_t known_for_ns)
{
    struct kept *kept = find(counts, ledger);
    bool has_past = !kept && ledger->counts.armed_ns > known_for_ns;

    if (!kept) kept = make(counts, ledger);
    if (!has_past) add_all(counts, kept, &ledger->counts);
    keep(kept, &ledger->counts);
    TAILQ_REMOVE(&counts->ages, kept, age);
    TAILQ_INSERT_TAIL(&counts->ages, kept, age);
}
