/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.h: a write that our signal cut short, completed.
 *
 *     transfer_allow(true);                              at start; else none is begun
 *     transfer = transfer_begin(&call, context);         in the handler; NULL: not this one
 *     ... give the copy of the stack back ...
 *     transfer_complete(transfer, &call, context);       in the handler
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

#include "probe/hot/unfinished.h"

/* Asks to be told of forks, once per process; where that is refused, nothing is allowed. Not
 * async-signal-safe, unlike the others. */
void transfer_allow(bool is_allowed);

/* Takes one for a short write that is to be completed: to a stream socket or a pipe, blocking, and
 * without a time-out of its own. Where a short count is nobody's surprise, none is taken, nor where
 * there is no descriptor left to hold the file by. */
struct unfinished *transfer_begin(const struct made_call *call, const ucontext_t *context);

/* Writes the rest and gives the transfer back. What is met on the way (an error, the reader's end,
 * another signal) ends it, and is left for the host's next call to meet. */
void transfer_complete(struct unfinished *transfer, const struct made_call *call,
                       ucontext_t *context);

/* Closes what threads held that are gone; in a handler, because the descriptors are the host's. */
void transfer_close_left(void);

#endif
