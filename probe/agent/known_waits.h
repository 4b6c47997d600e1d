/* SPDX-License-Identifier: Apache-2.0 */
/* known_waits.h: the waits of a thread on which a signal was spent, and what came of it.
 *
 * Where the walk of a blocked stack lacks the frame pointer, one signal may fetch it; the wait is
 * known again by the system call, where it stands, and how far the walk came without:
 *
 *     known = known_waits_find(&waits, &wait, &walk)      NULL: a signal may be spent
 *     known_waits_add(&waits, &wait, &walk)               it was
 *     known_waits_learn(&waits, rbp)                      and the copy told this
 *
 * So a loop that waits for this and that in turn is interrupted once for each, not each time.
 *
 * Values only. Of more than KNOWN_WAITS the oldest gives way. */
#ifndef STAKEOUT_PROBE_AGENT_KNOWN_WAITS_H
#define STAKEOUT_PROBE_AGENT_KNOWN_WAITS_H

#include "probe/agent/blocked.h"

enum { KNOWN_WAITS = 4 };

struct known_wait {
    bool has_rbp;
    int32_t syscall;
    uint32_t frame_count;
    uint64_t sp, pc, last_pc, rbp;
};

struct known_waits {
    struct known_wait places[KNOWN_WAITS];
    uint32_t count; /* ever added */
};

/* `walk` is the one that ended for want of the frame pointer, here as in the next. */
const struct known_wait *known_waits_find(const struct known_waits *waits,
                                          const struct wait_view *wait, const struct walk *walk);
void known_waits_add(struct known_waits *waits, const struct wait_view *wait,
                     const struct walk *walk);

/* The frame pointer in the wait that was added last. */
void known_waits_learn(struct known_waits *waits, uint64_t rbp);

#endif
