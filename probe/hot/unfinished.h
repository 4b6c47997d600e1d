/* SPDX-License-Identifier: Apache-2.0 */
/* unfinished.h: a system call that our signal ended too early, and our handler brings to its end.
 *
 *     struct unfinished *unfinished = unfinished_take();          in the handler; NULL: no place
 *     unfinished_show(unfinished, &call, context);                the thread is in this call
 *     ... wait, write: as long as it takes, the host's signals let in ...
 *     unfinished_give_back(unfinished);
 *
 *     if (unfinished_read(tid, &view)) ...                        the sampler, meanwhile
 *
 * Who looks at the thread sees the call that it is truly in, with the registers that it had there,
 * and not our handler. There are two kinds: writes (transfer.h) and waits (rest.h).
 *
 * A handler of the host's that runs meanwhile may leave by a jump, and our frame with it. Then the
 * place stays taken, until the thread's tid comes for one again. Or the thread is cancelled, and
 * never does: unfinished_sweep() gives its place back, and the next handler closes what it held. */
#ifndef STAKEOUT_PROBE_HOT_UNFINISHED_H
#define STAKEOUT_PROBE_HOT_UNFINISHED_H

#include "probe/hot/repair.h"
#include "probe/hot/stack_copy.h"

enum { UNFINISHED_MAX = 16 }; /* at one time; beyond that a call ends too early */

struct unfinished_view {
    struct made_call call;
    uint64_t registers[REGISTERS]; /* behind the call's instruction */
};

struct unfinished {
    _Atomic uint32_t tid;     /* of the thread; 0: free */
    _Atomic uint32_t version; /* odd: `view` is to be believed */
    struct held_file {
        _Atomic int fd; /* 0: none */
        uint64_t device, inode;
    } held; /* the thread's own, of a write */
    struct unfinished_view view;
};

/* One for the calling thread: what it left behind before, or a free one. */
struct unfinished *unfinished_take(void);
void unfinished_show(struct unfinished *unfinished, const struct made_call *call,
                     const ucontext_t *context);
void unfinished_give_back(struct unfinished *unfinished);

/* The signals that the host's thread had blocked, and ours. */
uint64_t unfinished_mask(const ucontext_t *context);

/* Does the stack that the handler runs on hold a handler of the host's on top of ours? `low`: where
 * the interrupted stack ends, if that is the one; 0: that is not known. */
bool unfinished_has_stack(const ucontext_t *context, uint64_t low);

/* Gives back the places of threads that are gone. Threads: the sampler's. */
void unfinished_sweep(void);

/* What a thread is truly in, if its handler is at it. Threads: the sampler's. */
bool unfinished_read(uint32_t tid, struct unfinished_view *ret);

#endif
