/* SPDX-License-Identifier: Apache-2.0 */
/* task_log.h: lines for task logs, from any thread of ours, in messages for the scheduler.
 *
 *     task_log_add(&log, &(struct event){ ... })              any thread
 *     rc = task_log_body(&log, &body)                         the link's: what waits, as a message
 *     ... post it; -EAGAIN: later, the same again ...
 *     task_log_settle(&log, is_taken)                         else: it arrived, or never will
 *
 * The lock is held for a store or two: the sampler never waits for the network. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_TASK_LOG_H
#define STAKEOUT_PROBE_AGENT_LINK_TASK_LOG_H

#include "common/base/buf.h"
#include "probe/agent/link/event_queue.h"

#include <pthread.h>
#include <stdbool.h>

struct settings;

struct task_log {
    const struct settings *settings; /* borrowed */
    uint64_t incarnation;
    pthread_mutex_t lock;
    struct event_queue events; /* lock */
    uint32_t batch_count;      /* events of the message under way; the link's thread */
};

/* `sequence`: the latest that this process has used. */
void task_log_init(struct task_log *log, const struct settings *settings, uint64_t incarnation,
                   uint64_t sequence);
void task_log_done(struct task_log *log);

void task_log_add(struct task_log *log, const struct event *event);

/* Encodes what waits. Returns 0; -ENODATA: nothing does; or -ENOMEM. */
int task_log_body(struct task_log *log, struct buf *ret);

/* The message under way is done with; what was not taken is counted as lost. */
void task_log_settle(struct task_log *log, bool is_taken);

uint64_t task_log_lost(struct task_log *log);
uint64_t task_log_sequence(struct task_log *log); /* the latest used */

#endif
