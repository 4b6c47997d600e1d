/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.h: a write that our signal cut short, completed.
 *
 *     struct transfer *transfer = transfer_begin(context, tid);   in the handler; NULL: not this
 * one
 *     ... give the copy of the stack back ...
 *     transfer_complete(transfer, context);                       in the handler
 *
 *     if (transfer_read(tid, &view)) ...                          the sampler, meanwhile
 *
 * A thread that is signalled inside write() or send() comes back with a short count when it would
 * have slept next. The handler then writes the rest itself, and adds it to the count. That takes as
 * long as it takes: the host's other signals are unblocked meanwhile, as they were, and who looks
 * at the thread sees the call that it is in truly in. */
#ifndef STAKEOUT_PROBE_HOT_TRANSFER_H
#define STAKEOUT_PROBE_HOT_TRANSFER_H

#include "probe/hot/repair.h"
#include "probe/hot/stack_copy.h"

enum { TRANSFERS_MAX = 16 }; /* at one time; beyond that a count stays short */

struct transfer_view {
    struct made_call call;
    uint64_t registers[REGISTERS]; /* behind the call's instruction */
};

struct transfer {
    _Atomic uint32_t tid;     /* of the thread; 0: free */
    _Atomic uint32_t version; /* odd: `view` is to be believed */
    struct transfer_view view;
};

/* Takes one for a short write that is to be completed: to a stream socket or a pipe, blocking, and
 * without a time-out of its own. Where a short count is nobody's surprise, none is taken. */
struct transfer *transfer_begin(const ucontext_t *context, uint32_t tid);

/* Writes the rest and gives the transfer back. What is met on the way (an error, the reader's end,
 * another signal) ends it, and is left for the host's next call to meet. */
void transfer_complete(struct transfer *transfer, ucontext_t *context);

/* What a thread is truly in, if its handler is at it. Threads: the sampler's. */
bool transfer_read(uint32_t tid, struct transfer_view *ret);

#endif
