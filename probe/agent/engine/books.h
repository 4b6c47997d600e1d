/* SPDX-License-Identifier: Apache-2.0 */
/* books.h: which interfaces are watched for which task, and the ledger of each.
 *
 * A ledger has two sources. What the sampler decides (triggered, dropped, settled) it counts here.
 * What happens without it, calls that end below or were missed, is counted by the threads that end
 * them (hot/statistics.h); a task's share is the difference to when it was armed. `seen` and
 * `triggered` are put together at each reading from parts that each only grow, so that both sums
 * of the ledger hold at every reading.
 *
 * Threads: one at a time (under the sampler's lock). */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_BOOKS_H
#define STAKEOUT_PROBE_AGENT_ENGINE_BOOKS_H

#include "common/base/clock.h"
#include "common/model/histogram.h"
#include "probe/agent/engine/sampler.h"
#include "probe/hot/memory.h"

enum watch_phase {
    WATCH_FREE,
    WATCH_ARMED, /* begins and ends of its interfaces count */
    WATCH_OVER,  /* what triggered may still be listened to and settled */
};

/* Calls that ended, of some interfaces. */
struct tally {
    uint64_t count, slow, missed;
};

struct watch {
    enum watch_phase phase;
    uint32_t account;          /* of hot.interrupted, */
    uint32_t interrupted_base; /* which read this when the watch was armed first */
    struct task_order order;
    uint64_t armed_at_ns, over_at_ns;
    uint64_t watched_from_ns; /* no call was noticed before; not moved back, as armed_at_ns is */
    uint32_t matched_end;     /* ids below were compared with the order's pattern */
    bool matched_other;       /* and so was (other) */
    /* The threshold and watch_lookback_ns() by the clock of the hot path: sampler_scan.c. */
    uint64_t threshold_ticks, lookback_ticks;
    struct tally base;  /* when it was armed */
    struct tally since; /* until now, or until it was over */
    uint64_t slowest_below_ns;
    uint64_t listened; /* calls that the sampler counted as triggered */
    uint64_t cpu_base_ns, cpu_ns;
    struct ledger counts; /* what the sampler counts; derived fields are 0 */
    struct histogram pauses;
    bool has_triggered;
    uint64_t told_at_ns; /* the latest log line about drops */
    uint64_t told_drops[CALL_DROP_COUNT], told_thinned, told_stretched_ns;
    uint64_t thinned_count; /* samples that were thinned */
};

struct books {
    struct watch watches[SAMPLER_TASKS_MAX];
    uint16_t watch_of[INTERFACE_IDS]; /* by interface: index + 1 of the armed watch; 0: none */
    uint32_t watch_end;               /* watches from here on are free */
    uint32_t armed_count;
    /* Of the armed, the smallest threshold, and watch_lookback_ns() of those with lookback;
     * UINT64_MAX: there is none. */
    uint64_t threshold_ns_min, lookback_ns_min;
    struct tally tallies[INTERFACE_IDS]; /* of the reading under way */
};

/* When lookback looks at a call first. */
static inline uint64_t watch_lookback_ns(const struct watch *watch)
{
    uint64_t part_ns = watch->order.threshold_ns / LOOKBACK_PART;

    return part_ns > ms_to_ns(LOOKBACK_MS_MIN) ? part_ns : ms_to_ns(LOOKBACK_MS_MIN);
}

struct watch *books_find(struct books *books, const struct task_id *task);

/* When a call that began then had to be noticed: one in flight when the watch was armed is due at
 * once, however long ago it passed the threshold. */
static inline uint64_t watch_due_ns(const struct watch *watch, uint64_t began_ns)
{
    uint64_t due_ns = began_ns + watch->order.threshold_ns;

    return due_ns > watch->watched_from_ns ? due_ns : watch->watched_from_ns;
}

/* Arms a new watch; NULL if there is no room. `cpu_ns`: the probe's own CPU time so far. */
struct watch *books_arm(struct books *books, const struct task_order *order, uint64_t now_ns,
                        uint64_t cpu_ns);

/* Ends a watch: its interfaces are not watched any more, its figures stand. */
void books_disarm(struct books *books, struct watch *watch, uint64_t now_ns, uint64_t cpu_ns);

/* Forgets a watch that is over. */
void books_free(struct books *books, struct watch *watch);

/* Takes up a watch that was over; its figures go on from where they stood. */
void books_rearm(struct books *books, struct watch *watch, uint64_t now_ns, uint64_t cpu_ns);

/* Matches interfaces that were registered since. Cheap when there are none. */
void books_match_new(struct books *books);

/* Brings `since` and `slowest_below_ns` of the armed watches up to date. */
void books_refresh(struct books *books);

/* A sound ledger, as of the latest books_refresh(). */
struct ledger books_ledger(const struct watch *watch, uint64_t now_ns, uint64_t cpu_ns);

/* Is it over, with nothing pending? */
bool books_is_final(const struct watch *watch);

/* A call leaves `pending`. */
static inline void books_drop(struct watch *watch, enum call_drop drop)
{
    watch->counts.drops[drop]++;
    watch->counts.pending--;
}

#endif
