/* SPDX-License-Identifier: Apache-2.0 */
/* draft.h: the sample of a call under construction, and what it counts in its task's ledger.
 *
 *     rc = draft_begin(&draft, watch, &view, began_ns)
 *     draft_add_sighting(&draft, &engine, tid, &sighting, &times) as often as the call is looked at
 *     draft_add_detached(&draft, waiting_for, now_ns, cpu_ns)
 *     draft_add_unchanged(&draft, now_ns, &times)                if draft_is_unchanged()
 *     draft_drop(&draft, SNAPSHOT_DROP_MOVED)                    a look that was due failed
 *     copy = draft_report(&draft, now_ns, cpu_ns)                the call goes on
 *     sample = draft_end(&draft, &end)
 *     draft_done(&draft)
 *
 * Looks are put together by sample_builder.h; here they get their words and are booked.
 *
 * INVARIANT: `still_clock_ns` is not 0 only if `last` is the look at the stack that the thread has
 * while its CPU clock reads this.
 *
 * Threads: the sampler's, under its lock. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_DRAFT_H
#define STAKEOUT_PROBE_AGENT_ENGINE_DRAFT_H

#include "probe/agent/engine/books.h"
#include "probe/agent/engine/engine.h"
#include "probe/agent/engine/sample_builder.h"
#include "probe/agent/engine/sighting.h"
#include "probe/hot/record.h"

struct draft {
    struct watch *watch;
    struct sample_builder builder;
    bool is_lookback; /* it may never turn slow */
    /* By which ways it got its snapshots until it turned slow. */
    uint64_t early_signals, early_perf, early_reads, early_repeats;
    uint64_t due_ns;         /* when the call had to be noticed as slow */
    uint64_t next_report_ns; /* 0: there is nothing to report yet */
    uint64_t still_clock_ns; /* as in a sighting, of the last look */
    struct look last;
    uint64_t owner_at; /* where the lock of the last look names its owner; 0: it waits for none */
};

/* What a look costs the call, beside the time of day. */
struct look_times {
    uint64_t cpu_ns;   /* the call's CPU time since it triggered */
    uint64_t queue_ns; /* its time runnable without a CPU, since the look before */
};

/* Returns 0 or -ENOMEM. */
int draft_begin(struct draft *draft, struct watch *watch, const struct record_view *view,
                uint64_t began_ns);
void draft_done(struct draft *draft); /* accepts a zeroed struct */

/* The call turned slow: what is in the sample so far is its head. */
void draft_trigger(struct draft *draft);

/* Is the first snapshot since it turned slow still to come? It is taken whatever it costs. */
static inline bool draft_is_new(const struct draft *draft)
{
    return !draft->is_lookback && draft->next_report_ns == 0;
}

/* The budget put looks as far apart as this. */
void draft_stretch(struct draft *draft, uint64_t interval_ns);

/* The next look is so far from the last one: the ledger says it now, as nobody would know until
 * then why nothing comes; the sample when it has come true. */
void draft_put_off(struct draft *draft, uint64_t interval_ns);

/* A snapshot that was due is not there, or cannot be used. */
void draft_drop(struct draft *draft, enum snapshot_drop drop);

/* Of the thread with this number; engine->walk is the walk of the sighting. Returns whether it
 * became a snapshot, here as in the others. */
bool draft_add_sighting(struct draft *draft, const struct engine *engine, uint32_t tid,
                        const struct sighting *sighting, const struct look_times *times);

/* On no thread: the time is waiting, under the name that detach was given. */
bool draft_add_detached(struct draft *draft, const char *waiting_for, uint64_t now_ns,
                        uint64_t cpu_ns);

/* The last look again: has the thread not run since? */
static inline bool draft_is_unchanged(const struct draft *draft, uint64_t clock_ns)
{
    return draft->still_clock_ns != 0 && draft->still_clock_ns == clock_ns;
}
bool draft_add_unchanged(struct draft *draft, uint64_t now_ns, const struct look_times *times);

/* The number of the newest snapshot, if there is one and it is the last look; else INDEX_NONE. */
uint32_t draft_newest(const struct draft *draft);

/* Who holds the lock for which a snapshot waits: a thread, and what it does if engine->walk is its
 * walk. Returns what the snapshot's `owner` is then; 0: there is no place for it, which is
 * counted. */
struct owner_view {
    uint32_t tid;
    bool has_walk;
};
uint32_t draft_add_owner(struct draft *draft, const struct engine *engine, uint32_t snapshot,
                         const struct owner_view *view);

/* The same as one that was added before. */
void draft_set_owner(struct draft *draft, uint32_t snapshot, uint32_t owner);

/* A handler held up the call's thread for so long. */
void draft_count_pause(struct draft *draft, uint64_t pause_ns);

static inline bool draft_report_is_due(const struct draft *draft, uint64_t now_ns)
{
    return draft->next_report_ns != 0 && draft->next_report_ns <= now_ns;
}

/* A copy of the sample so far; NULL without memory. */
struct sample *draft_report(struct draft *draft, uint64_t now_ns, uint64_t cpu_ns);

/* The sample; NULL if it has no snapshot. */
struct sample *draft_end(struct draft *draft, const struct call_end *end);

#endif
