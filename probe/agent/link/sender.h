/* SPDX-License-Identifier: Apache-2.0 */
/* sender.h: everything that goes to the scheduler on one connection: in which order, and when.
 *
 *     rc = sender_init(&sender, &options)        on a thread of the host
 *     sender_open(&sender)                       the rest on the link's
 *     sender_encode(&sender)
 *     sender_send(&sender)
 *     at_ns = sender_next_ns(&sender)            when to send again, if nothing new comes
 *     sender_flush(&sender)                      what is there, once, and last
 *     sender_close(&sender)
 *     sender_done(&sender)
 *
 * Reports have a lane of their own, and rest apart from the words: lines of task logs, and pulses.
 * A scheduler that does not want our reports still hears from us, and the other way round.
 *
 * Threads: the link's, but for task_log_add(), reporter_add() and pulser_hasten() of its parts. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_SENDER_H
#define STAKEOUT_PROBE_AGENT_LINK_SENDER_H

#include "probe/agent/link/host_address.h"
#include "probe/agent/link/pulser.h"
#include "probe/agent/link/task_log.h"
#include "probe/agent/link/uplink.h"

struct poller;
struct reporter;

struct sender_options {
    const struct settings *settings; /* borrowed, like the next two */
    const struct poller *poller;     /* is a task active? what did its thread cost? */
    const _Atomic uint64_t *cut_ns;  /* by then everything ends: see http_client.h */
    uint64_t incarnation;
    uint64_t pulse_sequence, event_sequence; /* the latest that this process has used */
    size_t own_size;                         /* bytes of the link, for the facts */
};

struct sender {
    struct sender_options options;
    uint64_t started_ns;
    struct uplink uplink;
    struct uplink_lane words;  /* the lane of task logs and pulses; reports have their own */
    struct reporter *reporter; /* owned */
    struct task_log log;
    struct pulser pulser;
    bool reports_are_behind; /* some could not be sent */
    bool words_are_behind;
    bool is_last; /* the next pulse is */
    char host_ip[HOST_IP_SIZE_MAX + 1];
};

/* Returns 0 or -ENOMEM; then only sender_done() may be called. */
int sender_init(struct sender *sender, const struct sender_options *options);
void sender_done(struct sender *sender);

void sender_open(struct sender *sender);
void sender_close(struct sender *sender);

/* Names and encodes the samples that wait. */
void sender_encode(struct sender *sender);

/* Everything that waits and may be sent. */
void sender_send(struct sender *sender);

uint64_t sender_next_ns(const struct sender *sender);

/* The scheduler was seen alive elsewhere: no resting that it did not ask for. */
void sender_hurry(struct sender *sender);

/* What is there is sent, once: a scheduler that does not answer now is not waited for. The last
 * reading is taken after the reports were settled. */
void sender_flush(struct sender *sender);

#endif
