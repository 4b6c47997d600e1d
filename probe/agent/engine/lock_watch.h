/* SPDX-License-Identifier: Apache-2.0 */
/* lock_watch.h: who holds the lock for which a call waits, look by look, and what that thread does.
 *
 *     lock_watch_look(&watch, &engine, &draft, &waiter)     after each look that found it waiting
 *     at = lock_watch_poll_at_ns(&watch, now_ns)            when to collect; UINT64_MAX: nothing
 *     lock_watch_collect(&watch, &engine, &draft, now_ns)   an owner that ran copied its stack
 *     lock_watch_close(&watch)
 *
 * The owner is any thread of the process, whether or not it runs calls. What is found goes into the
 * draft's newest snapshot, or, if it comes late, into the one for which it was asked.
 *
 * Threads: the sampler's. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_LOCK_WATCH_H
#define STAKEOUT_PROBE_AGENT_ENGINE_LOCK_WATCH_H

#include "probe/agent/engine/draft.h"
#include "probe/agent/engine/signal_copy.h"

/* The thread that waits, as the look found it. While its CPU clock reads this, it waits on. */
struct waiter {
    uint32_t tid;
    uint64_t clock_ns; /* 0: it is not known to stand still; then nothing is said of the owner */
};

struct lock_watch {
    /* The owner at the last look, blocked; while its CPU clock reads this, it is as it was. */
    uint32_t tid; /* 0: there is none to go by */
    uint64_t clock_ns;
    uint32_t owner; /* the sample's number of it, if it was not thinned since */
    uint32_t thinned_count;
    uint64_t pause_ns; /* what the last visit took from its thread; 0: there was none */
    /* A running owner was sent a signal. */
    struct owner_visit {
        struct signal_copy copy;
        struct waiter waiter;
        uint32_t tid, snapshot, thinned_count;
        uint32_t last_snapshot; /* up to here it did not run: it is queued for a CPU, */
        uint64_t clock_ns;      /* its CPU clock reading this */
        uint64_t at;            /* the owner's word */
    } visit;
    /* The stack of the owner that was visited last. */
    struct owner_stack {
        uint32_t tid;
        uint64_t pointer; /* the thread's, which says that it is still this stack */
        struct stack_bounds bounds;
    } stack;
};

#define LOCK_WATCH_NONE ((struct lock_watch){ .visit = { .copy = SIGNAL_COPY_NONE } })

void lock_watch_look(struct lock_watch *watch, struct engine *engine, struct draft *draft,
                     const struct waiter *waiter);
uint64_t lock_watch_poll_at_ns(const struct lock_watch *watch, uint64_t now_ns);
void lock_watch_collect(struct lock_watch *watch, struct engine *engine, struct draft *draft,
                        uint64_t now_ns);

/* Forgets the owner, and what was asked of it. */
void lock_watch_close(struct lock_watch *watch);

#endif
