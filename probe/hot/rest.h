/* SPDX-License-Identifier: Apache-2.0 */
/* rest.h: the rest of a wait with a time-out that our signal ended.
 *
 *     rest_allow(true);                         where restart_syscall may be called at all
 *     rest = rest_begin(&call, context);        in the handler; NULL: no place
 *     ... give the copy of the stack back ...
 *     rest_wait(rest, context);                 in the handler
 *
 * The kernel keeps, for each thread, how poll(), nanosleep() and a futex's wait for a time go on
 * after a stop: until which moment. A handler's return makes it forget; so the handler asks for it
 * itself, by restart_syscall, and waits for the rest in the host's place. Nothing is lost by that
 * of any time-out, however long the call had waited before.
 *
 * Where the call was ended by a signal of the host's, the return of that one's handler has made the
 * kernel forget, and the answer is -EINTR, which is what the host is to see. So it is with one that
 * comes meanwhile: all that the host had not blocked are let in.
 *
 * Threads: async-signal-safe; called by our handler alone. */
#ifndef STAKEOUT_PROBE_HOT_REST_H
#define STAKEOUT_PROBE_HOT_REST_H

#include "probe/hot/unfinished.h"

void rest_allow(bool is_allowed);

struct unfinished *rest_begin(const struct made_call *call, const ucontext_t *context);

/* Waits, and sets what the call returns. Gives the place back. */
void rest_wait(struct unfinished *rest, ucontext_t *context);

#endif
