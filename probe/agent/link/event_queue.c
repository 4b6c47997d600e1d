/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/link/event_queue.h"

#include "common/base/clock.h"
#include "common/wire/messages.h"

#include <string.h>

static struct event *event_at(struct event_queue *queue, uint32_t index)
{
    return &queue->events[(queue->first + index) % EVENTS_MAX];
}

static bool is_same(const struct event *left, const struct event *right)
{
    return left->event == right->event && strcmp(left->task.text, right->task.text) == 0 &&
           strcmp(left->detail, right->detail) == 0;
}

/* An event of the same kind that may still be added to. */
static struct event *find_open(struct event_queue *queue, const struct event *event,
                               uint64_t now_ns)
{
    for (uint32_t i = queue->count; i > queue->batch_count; i--) {
        struct event *it = event_at(queue, i - 1);

        if (is_same(it, event) && now_ns - it->at_ns < NS_PER_S) return it;
    }
    return NULL;
}

void event_queue_add(struct event_queue *queue, const struct event *event, uint64_t now_ns)
{
    struct event *open = find_open(queue, event, now_ns);
    uint64_t count = event->count > 0 ? event->count : 1;

    if (open) {
        open->count += count;
        return;
    }
    if (queue->count == EVENTS_MAX) {
        queue->lost += count;
        return;
    }
    open = event_at(queue, queue->count++);
    *open = *event;
    open->count = count;
    open->at_ns = now_ns;
    open->sequence = ++queue->sequence;
}

uint32_t event_queue_batch(struct event_queue *queue, uint64_t now_ns, struct wire_log_event *ret,
                           uint32_t size)
{
    if (queue->batch_count == 0) queue->batch_count = queue->count < size ? queue->count : size;
    for (uint32_t i = 0; i < queue->batch_count; i++) {
        const struct event *event = event_at(queue, i);

        ret[i] = (struct wire_log_event){
            .sequence = event->sequence,
            .task = text_of(event->task.text),
            .event = event->event,
            .age_ns = now_ns - event->at_ns,
            .detail = text_of(event->detail),
            .count = event->count,
        };
    }
    return queue->batch_count;
}

void event_queue_acknowledge(struct event_queue *queue)
{
    queue->first = (queue->first + queue->batch_count) % EVENTS_MAX;
    queue->count -= queue->batch_count;
    queue->batch_count = 0;
}
