/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.h: a write that our signal cut short, completed.
 *
 *     transfer_allow(true);                                       at start; else none is begun
 *     struct transfer *transfer = transfer_begin(context, &call); in the handler; NULL: not this
 *     ... give the copy of the stack back ...
 *     transfer_complete(transfer, &call, context);                in the handler
 *
 *     if (transfer_read(tid, &view)) ...                          the sampler, meanwhile
 *
 * A thread that is signalled inside write() or send() comes back with a short count when it would
 * have slept next. The handler then writes the rest itself, and adds it to the count. That takes as
 * long as it takes: the host's other signals are let in while it waits, and who looks at the thread
 * sees the call that it is truly in.
 *
 * The kernel holds the file for as long as a write takes; the handler holds it by a descriptor of
 * its own, but only from the moment on in which the write came back short. Should another thread
 * put another file under the number in those few microseconds, the rest would go there, as it would
 * with a host that writes the rest by itself, which is what a short count asks of it. A host that
 * does not expect one loses bytes; so writes are completed unless the host's owner forbids it.
 *
 * A child of fork() inherits the handler's descriptors, and would keep connections open that nobody
 * knows of: so none is begun during a fork, and the child closes those that were there. A child of
 * _Fork() or clone() does not. */
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
    struct held_file {
        _Atomic int fd; /* 0: none */
        uint64_t device, inode;
    } held; /* the thread's own */
    struct transfer_view view;
};

/* Asks to be told of forks, once per process; where that is refused, nothing is allowed. Not
 * async-signal-safe, unlike the others. */
void transfer_allow(bool is_allowed);

/* Takes one for a short write that is to be completed: to a stream socket or a pipe, blocking, and
 * without a time-out of its own. Where a short count is nobody's surprise, none is taken, nor where
 * there is no descriptor left to hold the file by. */
struct transfer *transfer_begin(const ucontext_t *context, struct made_call *ret_call);

/* Writes the rest and gives the transfer back. What is met on the way (an error, the reader's end,
 * another signal) ends it, and is left for the host's next call to meet. */
void transfer_complete(struct transfer *transfer, const struct made_call *call,
                       ucontext_t *context);

/* What a thread is truly in, if its handler is at it. Threads: the sampler's. */
bool transfer_read(uint32_t tid, struct transfer_view *ret);

#endif
