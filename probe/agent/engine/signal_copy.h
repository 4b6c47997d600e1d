/* SPDX-License-Identifier: Apache-2.0 */
/* signal_copy.h: the copy that a thread makes of its own stack when we send it a signal.
 *
 *     rc = signal_copy_send(&copy, &order, now_ns);            0, or why not
 *     ... later, again and again ...
 *     rc = signal_copy_poll(&copy, now_ns);                    0: it is back
 *     loan = signal_copy_loan(&copy);                          what came of it
 *     signal_copy_sight(&copy, &clock, &sighting);
 *     signal_copy_close(&copy);
 *
 * INVARIANT: one at a time: nothing is sent while a copy is under way.
 *
 * Threads: the sampler's; hot/stack_copy.h is the other side. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_SIGNAL_COPY_H
#define STAKEOUT_PROBE_AGENT_ENGINE_SIGNAL_COPY_H

#include "probe/agent/base/tick_clock.h"
#include "probe/agent/engine/sighting.h"

enum { NO_LOAN = -1 };

struct signal_copy {
    int loan; /* NO_LOAN: nothing is under way */
    uint64_t sent_ns;
};

#define SIGNAL_COPY_NONE ((struct signal_copy){ .loan = NO_LOAN })

static inline bool signal_copy_is_under_way(const struct signal_copy *copy)
{
    return copy->loan != NO_LOAN;
}

/* Sends the signal. Returns 0, or -errno as stack_copy_request() does. */
int signal_copy_send(struct signal_copy *copy, const struct loan_order *order, uint64_t now_ns);

/* Of one that is under way. Returns 0: it is back; -EAGAIN: not yet; -ETIMEDOUT: the thread did not
 * answer for so long that the copy was written off. */
int signal_copy_poll(struct signal_copy *copy, uint64_t now_ns);

/* When to poll next. To be woken for it alone costs more than the look did: so, if it is not
 * urgent, not before a while in which there is another look, as a rule. */
uint64_t signal_copy_poll_at_ns(const struct signal_copy *copy, uint64_t now_ns, bool is_urgent);

/* What the handler left, of one that is back. */
const struct loan *signal_copy_loan(const struct signal_copy *copy);

/* The thread as it copied itself, if the outcome was LOAN_COPIED. The bytes live until the
 * close. */
void signal_copy_sight(const struct signal_copy *copy, const struct tick_clock *clock,
                       struct sighting *ret);

/* Gives the buffer back, or writes it off, if one is lent. */
void signal_copy_close(struct signal_copy *copy);

#endif
