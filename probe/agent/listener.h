/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h: listens to one slow call: looks at its thread in the cheapest way that is true.
 *
 *     listening_begin(&engine, listening, face, watch, &view)   it triggered
 *     listening_look(&engine, listening, now_ns)                at each due time: one of three ways
 *     listening_collect(&engine, listening, now_ns)             did the signal's copy come back?
 *     sample = listening_end(&engine, listening)                it ended
 *     listening_abandon(listening)                              nobody wants it any more
 *
 * Threads: the sampler's, under its lock. */
#ifndef STAKEOUT_PROBE_AGENT_LISTENER_H
#define STAKEOUT_PROBE_AGENT_LISTENER_H

#include "probe/agent/closed_wait.h"
#include "probe/agent/draft.h"
#include "probe/agent/pace.h"
#include "probe/agent/signal_copy.h"
#include "probe/agent/stint.h"

struct listening {
    bool is_used;
    bool is_counted; /* a revision was accepted: the sample has its place */
    uint32_t record;
    struct draft draft; /* of its sample */
    struct pace pace;
    struct stint stint;        /* on the thread where it is now, */
    uint64_t slept_clock_ns;   /* its CPU clock when it was last seen asleep; 0: not yet */
    uint32_t retry_count;      /* of the look that is due */
    struct closed_wait closed; /* the one of an opaque thread, */
    struct signal_copy copy;   /* and what was asked of it */
};

/* Takes a call whose record is `view`: claims it from the hot side and makes its sample. The
 * listening's index in its array is the call's face. Returns 0; -EAGAIN: it ended or moved
 * meanwhile; -ENOMEM. */
int listening_begin(struct engine *engine, struct listening *listening, uint32_t face,
                    struct watch *watch, const struct record_view *view);

/* Looks once, and sets when it is due again. Returns false if the call has ended. */
bool listening_look(struct engine *engine, struct listening *listening, uint64_t now_ns);

/* Takes a copy that came back. */
void listening_collect(struct engine *engine, struct listening *listening, uint64_t now_ns);

/* When there is something to do for it next, if it does not end before. */
uint64_t listening_deadline_ns(const struct listening *listening, uint64_t now_ns);

/* Has the call ended? Then listening_end() may be called; it frees the record, and returns the
 * sample, or NULL if there was no snapshot. The listening is free afterwards. */
bool listening_has_ended(const struct listening *listening);
struct sample *listening_end(struct engine *engine, struct listening *listening);

/* A copy of the sample so far. */
struct sample *listening_report(struct listening *listening, uint64_t now_ns);

/* Gives the call back to the hot side. False: it is moving at this moment; ask again. */
bool listening_abandon(struct listening *listening);

#endif
