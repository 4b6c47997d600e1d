/* SPDX-License-Identifier: Apache-2.0 */
/* event_queue.h: lines for task logs that wait for the scheduler.
 *
 *     event_queue_add(&queue, &(struct event){ ... }, now_ns);
 *     count = event_queue_batch(&queue, now_ns, wire_events, size);   the same until acknowledged
 *     event_queue_acknowledge(&queue, count);
 *
 * Each event has a sequence number that rises by one, given when it is queued; the scheduler
 * takes (incarnation, sequence) once. Of one (task, event, detail) at most one a second is queued;
 * more within that second add to its count, unless it is in a batch that is under way.
 *
 * Threads: one at a time. Limits: EVENTS_MAX; what comes when it is full is counted as lost. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_EVENT_QUEUE_H
#define STAKEOUT_PROBE_AGENT_LINK_EVENT_QUEUE_H

#include "common/model/id.h"

enum {
    EVENTS_MAX = 256,
    EVENT_DETAIL_SIZE_MAX = 127, /* bytes: a drop's slug, or a short sentence */
};

struct event {
    uint64_t sequence; /* given by the queue */
    uint64_t at_ns;    /* monotonic */
    uint64_t count;
    struct task_id task;
    uint32_t event; /* task_event.def */
    char detail[EVENT_DETAIL_SIZE_MAX + 1];
};

struct event_queue {
    struct event events[EVENTS_MAX]; /* a ring */
    uint32_t first, count;
    uint32_t batch_count; /* the first so many are under way, and fixed */
    uint64_t sequence;    /* the latest given */
    uint64_t lost;
};

struct wire_log_event;

void event_queue_add(struct event_queue *queue, const struct event *event, uint64_t now_ns);

/* Fills what the next log message carries; texts point into the queue. A batch stays what it was
 * until it is acknowledged; only the ages grow. Returns how many; 0: nothing waits. */
uint32_t event_queue_batch(struct event_queue *queue, uint64_t now_ns, struct wire_log_event *ret,
                           uint32_t size);
void event_queue_acknowledge(struct event_queue *queue);

#endif
