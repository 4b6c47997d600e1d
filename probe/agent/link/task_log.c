/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/link/task_log.h"

#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "probe/agent/link/settings.h"

#include <errno.h>

void task_log_init(struct task_log *log, const struct settings *settings, uint64_t incarnation,
                   uint64_t sequence)
{
    *log = (struct task_log){ .settings = settings, .incarnation = incarnation };
    log->events.sequence = sequence;
    pthread_mutex_init(&log->lock, NULL);
}

void task_log_done(struct task_log *log)
{
    pthread_mutex_destroy(&log->lock);
}

void task_log_add(struct task_log *log, const struct event *event)
{
    pthread_mutex_lock(&log->lock);
    event_queue_add(&log->events, event, clock_monotonic_ns());
    pthread_mutex_unlock(&log->lock);
}

int task_log_body(struct task_log *log, struct buf *ret)
{
    struct wire_log_event events[EVENTS_MAX];
    struct wire_log message = {
        .protocol = WIRE_PROTOCOL,
        .application = text_of(log->settings->application),
        .instance = text_of(log->settings->instance),
        .incarnation = log->incarnation,
        .events = events,
    };

    /* What is in a batch stays as it is: it can be read without the lock. */
    pthread_mutex_lock(&log->lock);
    message.events_count =
        event_queue_batch(&log->events, clock_monotonic_ns(), events, EVENTS_MAX);
    pthread_mutex_unlock(&log->lock);
    log->batch_count = message.events_count;
    if (message.events_count == 0) return -ENODATA;
    return wire_log_encode(&message, ret);
}

void task_log_settle(struct task_log *log, bool is_taken)
{
    pthread_mutex_lock(&log->lock);
    if (!is_taken) log->events.lost += log->batch_count;
    event_queue_acknowledge(&log->events);
    pthread_mutex_unlock(&log->lock);
    log->batch_count = 0;
}

uint64_t task_log_lost(struct task_log *log)
{
    uint64_t lost;

    pthread_mutex_lock(&log->lock);
    lost = log->events.lost;
    pthread_mutex_unlock(&log->lock);
    return lost;
}

uint64_t task_log_sequence(struct task_log *log)
{
    uint64_t sequence;

    pthread_mutex_lock(&log->lock);
    sequence = log->events.sequence;
    pthread_mutex_unlock(&log->lock);
    return sequence;
}
