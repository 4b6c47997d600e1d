/* SPDX-License-Identifier: Apache-2.0 */
/* frame_pointer.h: finds the frame pointer of a thread that is blocked, from its stack alone.
 *
 *     unwinder_walk(unwinder, &view, &walk);              with the two registers that /proc tells
 *     if (walk.lacks_register && frame_pointer_find(unwinder, &view, &walk))
 *         ... the walk is whole, and view has the frame pointer ...
 *
 * So a thread that waits need not be sent a signal, which would end its wait with EINTR, only
 * because a function on its stack addresses its frame by rbp.
 *
 * Threads: one at a time, as the unwinder. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_FRAME_POINTER_H
#define STAKEOUT_PROBE_AGENT_UNWIND_FRAME_POINTER_H

#include "probe/agent/unwind/unwinder.h"

#include <stdbool.h>

/* `walk` is the walk of `view`, which ended for want of the frame pointer. Found: view's rbp is
 * set and known, *walk is the whole walk, and true is returned. Else both are as they were. */
bool frame_pointer_find(struct unwinder *unwinder, struct stack_view *view, struct walk *walk);

#endif
