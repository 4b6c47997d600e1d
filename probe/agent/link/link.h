/* SPDX-License-Identifier: Apache-2.0 */
/* link.h: the agent's threads but the sampler's, and what they say to the scheduler.
 *
 *     rc = link_start(&settings, &identity, &link);      the sampler runs, calls are kept
 *     rc = link_stop(link, deadline_ns);      flushed, or what fitted; -ETIMEDOUT: still running
 *     link_free(link);
 *
 * Two threads, all signals blocked, nice 10, in a descriptor table of their own:
 *
 *     stakeout-link   starts and stops the sampler; pulses, reports and logs on one connection
 *     stakeout-poll   the long poll on the other: tasks go to the sampler at once
 *
 * Threads: one at a time, any of the host's. None of the functions blocks for longer than it is
 * told, but link_start(), which waits for its threads to run. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_LINK_H
#define STAKEOUT_PROBE_AGENT_LINK_LINK_H

#include "probe/agent/link/settings.h"

struct link;

/* What stays the same when the probe is stopped and started again: counts are absolute since the
 * process began, so the scheduler must know that it is the same process. */
struct link_identity {
    uint64_t incarnation;
    uint64_t pulse_sequence, event_sequence; /* the latest used */
};

/* The settings are copied; the identity is borrowed, and updated by link_stop(). Returns 0,
 * -ENOMEM, -EAGAIN, or what sampler_start() returns; then nothing runs. */
int link_start(const struct settings *settings, struct link_identity *identity, struct link **ret);

/* Stops the sampler, sends what waits until the deadline (monotonic), ends the threads. Returns
 * -ETIMEDOUT if they did not end soon after the deadline; then the link must not be freed. */
int link_stop(struct link *link, uint64_t deadline_ns);

struct link *link_free(struct link *link); /* a stopped one */

/* In a forked child: the parent's link. Its memory stays, because its locks may be taken. */
void link_forget(struct link *link);

/* After a -ETIMEDOUT: has it ended since? */
bool link_is_over(const struct link *link);

#endif
