/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h: listens to one slow call: looks at its thread in the cheapest way that is true.
 *
 *     listening_begin(&engine, listening, watch, &view)    it triggered
 *     listening_look(&engine, listening, now_ns)           at each due time: one of three ways
 *     listening_collect(&engine, listening, now_ns)        did the signal's copy come back?
 *     sample = listening_end(&engine, listening, &view)    it ended
 *     listening_abandon(listening)                         nobody wants it any more
 *
 * Threads: the sampler's, under its lock. */
#ifndef STAKEOUT_PROBE_AGENT_LISTENER_H
#define STAKEOUT_PROBE_AGENT_LISTENER_H

#include "probe/agent/blocked.h"
#include "probe/agent/books.h"
#include "probe/agent/sample_builder.h"
#include "probe/agent/thread_files.h"
#include "probe/agent/tick_clock.h"

enum { NO_LOAN = -1 };

/* The bounds of a thread's own stack, which are its for life: kept, because a look into
 * /proc/self/maps takes as long as there are mappings. */
struct known_stack {
    uint32_t tid;
    uint64_t low, high; /* high: where the C library keeps the thread; so it is this very stack */
};

enum { KNOWN_STACKS = 64 }; /* by slot, modulo this */

/* What all listeners share. */
struct engine {
    struct sampler_options options;
    struct unwinder *unwinder;
    struct thread_files files;
    struct tick_clock clock;
    uint64_t main_stack_end; /* above it are the environment's strings */
    bool syscall_unreadable, schedstat_unreadable, handler_taken;
    struct known_stack known_stacks[KNOWN_STACKS];
    struct walk walk;
    unsigned char stack[STACK_COPY_SIZE_MAX];
};

/* A wait in which the thread was sent a signal, and its frame pointer then. It is known again by
 * the system call, where it stands, and how far the walk came without the frame pointer. */
struct known_wait {
    bool is_set, has_rbp;
    int32_t syscall;
    uint32_t frame_count;
    uint64_t sp, pc, last_pc, rbp;
};

enum { KNOWN_WAITS = 4 }; /* a loop that waits for this and that in turn */

struct listening {
    bool is_used;
    bool is_counted; /* a revision was accepted: the sample has its place */
    uint32_t record;
    struct watch *watch;
    struct sample_builder builder;
    uint64_t due_ns, next_look_ns, next_report_ns;

    /* The stint on a thread. */
    uint64_t moves; /* of the record's state; another: the call moved */
    uint32_t tid, slot;
    uint64_t low, high; /* the stack's bounds; high 0: not known yet */
    uint64_t queue_ns;  /* schedstat at the last look */
    bool has_queue;

    bool is_opaque; /* its syscall file cannot be read: a signal is the only look */

    /* The last look: while the thread's CPU clock reads the same, it holds. */
    bool holds;
    uint64_t clock_ns;
    struct look last;

    /* The signal that is under way. */
    int loan;
    uint64_t loan_sent_ns;
    struct wait_view loan_wait; /* sp 0: it was running */
    struct wait_account loan_account;
    struct known_wait *loan_known; /* whose frame pointer the copy will tell; or NULL */
    struct known_wait known_waits[KNOWN_WAITS];
    uint32_t known_count; /* ever; the oldest gives way */
};

int engine_open(struct engine *engine, const struct sampler_options *options);
void engine_close(struct engine *engine);

/* Takes a call whose record is `view`: claims it from the hot side and makes its sample. The
 * listening's index in its array is the call's face. Returns 0; -EAGAIN: it ended or moved
 * meanwhile; -ENOMEM. */
int listening_begin(struct engine *engine, struct listening *listening, uint32_t face,
                    struct watch *watch, const struct record_view *view);

/* Looks once; its next look is due at next_look_ns. Returns false if the call has ended. */
bool listening_look(struct engine *engine, struct listening *listening, uint64_t now_ns);

/* Takes a copy that came back. */
void listening_collect(struct engine *engine, struct listening *listening, uint64_t now_ns);

/* Has the call ended? Then listening_end() may be called; it frees the record, and returns the
 * sample, or NULL if there was no snapshot. The listening is free afterwards. */
bool listening_has_ended(const struct listening *listening);
struct sample *listening_end(struct engine *engine, struct listening *listening);

/* A copy of the sample so far. */
struct sample *listening_report(struct listening *listening, uint64_t now_ns);

/* Gives the call back to the hot side. False: it is moving at this moment; ask again. */
bool listening_abandon(struct listening *listening);

#endif
