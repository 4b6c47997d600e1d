/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h: listens to one slow call: looks at its thread in the cheapest way that is true.
 *
 *     listening_begin(&engine, listening, watch, &view)         it triggered
 *     listening_begin_early(&engine, listening, watch, &view)   it may turn slow, and
 *     listening_trigger(listening)                              it did
 *     listening_look(&engine, listening, now_ns)                at each due time: one of three ways
 *     listening_collect(&engine, listening, now_ns)             did the signal's copy come back?
 *     sample = listening_end(&engine, listening)                it ended
 *     listening_abandon(listening)                              nobody wants it any more
 *
 * Threads: the sampler's, under its lock. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_LISTENER_H
#define STAKEOUT_PROBE_AGENT_ENGINE_LISTENER_H

#include "probe/agent/base/pace.h"
#include "probe/agent/engine/closed_wait.h"
#include "probe/agent/engine/draft.h"
#include "probe/agent/engine/lock_watch.h"
#include "probe/agent/engine/perf_watch.h"
#include "probe/agent/engine/signal_copy.h"
#include "probe/agent/look/stint.h"

/* A thread's CPU clock at a moment. */
struct run_point {
    uint64_t at_ns, clock_ns;
};

struct listening {
    bool is_used;
    bool is_counted;   /* a revision was accepted: the sample has its place */
    bool is_uncovered; /* its thread's filters are not ours: it is not to be listened to */
    uint32_t face;     /* its index in the array of listenings */
    uint32_t record, generation;
    struct draft draft; /* of its sample */
    struct pace pace;
    uint64_t pause_ns;       /* what its last copy took from its thread; 0: there was none */
    struct stint stint;      /* on the thread where it is now, */
    uint64_t slept_clock_ns; /* its CPU clock when it was last seen asleep; 0: not yet */
    /* The wait in which the thread was seen last, or which was made again, until it was seen
     * elsewhere: its registers. pc 0: none. Of one that may not be met at any age (hot/repair.h)
     * also its CPU clock then, and how often it had been given a CPU; 0: that is not known. */
    struct old_wait {
        uint64_t pc, sp;
        bool asks_for_age;
        uint64_t clock_ns, turns;
    } old_wait;
    uint64_t asked_turns; /* the same, when it was sent a signal */
    uint32_t covered_ms;  /* when its thread's filters were last found to be ours; 0: not yet, */
    uint64_t covered_clock_ns; /* and what its CPU clock read before that */
    uint32_t retry_count;      /* of the look that is due */
    struct closed_wait closed; /* the one of an opaque thread, */
    struct signal_copy copy;   /* and what was asked of it, */
    uint64_t copy_unloads;     /* when so much had been unloaded, */
    uint64_t copy_queue_ns;    /* and it had been queued for so long since the look before; */
    struct run_point asked;    /* of the look at which it was asked, */
    /* How often its thread had gone to sleep, at an earlier look. clock_ns 0: nobody asked yet. */
    struct {
        uint64_t sleeps, clock_ns;
    } awake;
    struct run_point ran;   /* and of the copy before. at_ns 0: there is none in this stint */
    struct perf_watch perf; /* what spares its thread signals */
    struct lock_watch lock; /* who holds the lock for which it waits */
};

/* Takes a call whose record is `view`: claims it from the hot side and makes its sample. Returns 0;
 * -EAGAIN: it ended or moved meanwhile; -ENOMEM. */
int listening_begin(struct engine *engine, struct listening *listening, struct watch *watch,
                    const struct record_view *view);

/* The same, of a call that has not turned slow: it ends as if nobody listened. */
int listening_begin_early(struct engine *engine, struct listening *listening, struct watch *watch,
                          const struct record_view *view);

/* It turned slow: it is listened to from here on. Returns 0 or -EAGAIN, as above. */
int listening_trigger(struct listening *listening);

static inline bool listening_is_early(const struct listening *listening)
{
    return listening->is_used && listening->draft.is_lookback;
}

static inline bool listening_is_slow(const struct listening *listening)
{
    return listening->is_used && !listening->draft.is_lookback;
}

/* Looks once, and sets when it is due again. Returns false if the call has ended. Afterwards
 * is_uncovered may be set: then the call is to be dropped. */
bool listening_look(struct engine *engine, struct listening *listening, uint64_t now_ns);

/* Takes a copy that came back. */
void listening_collect(struct engine *engine, struct listening *listening, uint64_t now_ns);

/* When there is something to do for it next, if it does not end before. */
uint64_t listening_deadline_ns(const struct engine *engine, const struct listening *listening,
                               uint64_t now_ns);

/* The budget covers no look before then. */
void listening_put_off(struct listening *listening, uint64_t until_ns);

/* Has the call ended? Then listening_end() may be called; it frees the record, and returns the
 * sample, or NULL if there was no snapshot. The listening is free afterwards. Of one that did not
 * turn slow there is none: listening_abandon() forgets it. */
bool listening_has_ended(const struct listening *listening);
struct sample *listening_end(struct engine *engine, struct listening *listening);

/* A copy of the sample so far. */
struct sample *listening_report(struct listening *listening, uint64_t now_ns);

/* Gives the call back to the hot side. False: it is moving at this moment; ask again. */
bool listening_abandon(struct listening *listening);

#endif
