/* SPDX-License-Identifier: Apache-2.0 */
/* pulser.h: when the sampler's counts are read, and the way of a reading to the scheduler.
 *
 *     pulser_hasten(&pulser)                          any thread: a task ended, do not wait
 *     pulser_read(&pulser, &moment)                   takes a reading, if one is due
 *     while ((rc = pulser_body(&pulser, &head, &body)) == 0) {
 *         ... post `body`; -EAGAIN: later, the same again ...
 *         rc = pulser_answer(&pulser, answer);        or pulser_refuse(&pulser)
 *     }
 *     at_ns = pulser_next_ns(&pulser, &moment)        when to ask again
 *
 * A reading is taken every 10 s; at a task's end; every second while a task is open, if there is
 * news; and last of all. There is one at a time: the next is not taken before it was sent whole.
 *
 * Threads: the link's, but where it says otherwise. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_PULSER_H
#define STAKEOUT_PROBE_AGENT_LINK_PULSER_H

#include "probe/agent/link/pulse.h"

/* Where readings come from: the functions of sampler.h with these names. */
struct pulse_source {
    void (*interfaces)(void (*on_interface)(void *context,
                                            const struct interface_statistics *statistics),
                       void *context);
    uint32_t (*ledgers)(struct task_books *ret, uint32_t size);
    void (*interfaces_acknowledged)(void);
    void (*release)(const struct task_id *task);
};

struct pulser {
    struct pulse_source source;
    struct pulse *pulse; /* owned */
    uint64_t due_ns;     /* when the next reading is, at the latest */
    _Atomic bool is_due; /* before its time */
    bool is_under_way;   /* a reading was taken, and not sent whole */
    bool has_open_books; /* of a task that is not final yet, at the last reading */
};

struct pulse_moment {
    uint64_t now_ns;
    bool has_active_task; /* its counts may change at any moment */
    bool is_last;
};

/* `sequence`: the latest that this process has used. Returns 0 or -ENOMEM. */
int pulser_init(struct pulser *pulser, const struct pulse_source *source, uint64_t sequence);
void pulser_done(struct pulser *pulser); /* accepts a zeroed struct */

void pulser_hasten(struct pulser *pulser); /* Threads: any. */

void pulser_read(struct pulser *pulser, const struct pulse_moment *moment);

/* What is to be sent now; `head` as for pulse_body(). Returns 0; -ENODATA: nothing, or the reading
 * is sent whole; -ENOMEM. */
int pulser_body(struct pulser *pulser, const struct wire_pulse *head, struct text *ret);

/* Its body was answered with this. Returns 0, or -EPROTO: that is not an answer. */
int pulser_answer(struct pulser *pulser, struct text answer);

/* Its body was refused for good. */
void pulser_refuse(struct pulser *pulser);

uint64_t pulser_next_ns(const struct pulser *pulser, const struct pulse_moment *moment);

#endif
