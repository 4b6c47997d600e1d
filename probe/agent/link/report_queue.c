/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/link/report_queue.h"

#include <errno.h>
#include <string.h>

struct report *report_free(struct report *report)
{
    if (!report) return NULL;
    free(report->body);
    free(report);
    return NULL;
}

void report_queue_done(struct report_queue *queue)
{
    while (queue->first) {
        report_free(report_queue_take_first(queue));
    }
}

static void append(struct report_queue *queue, struct report *report)
{
    report->next = NULL;
    if (queue->last) {
        queue->last->next = report;
    } else {
        queue->first = report;
    }
    queue->last = report;
    queue->size += report->size;
    queue->count++;
}

static struct report *find(const struct report_queue *queue, const struct sample_id *id)
{
    for (struct report *it = queue->first; it; it = it->next) {
        if (strcmp(it->id.text, id->text) == 0) return it;
    }
    return NULL;
}

/* Puts the newer revision where the older one stands. */
static int replace(struct report_queue *queue, struct report *old, struct report *new)
{
    struct report *next = old->next;

    if (new->revision <= old->revision) {
        report_free(new);
        return 0;
    }
    if (new->size > old->size &&new->size - old->size > queue->size_max - queue->size)
        return -ENOBUFS;
    queue->size += new->size - old->size;
    free(old->body);
    *old = *new;
    old->next = next;
    free(new);
    return 0;
}

int report_queue_add(struct report_queue *queue, struct report *take_report)
{
    struct report *old = find(queue, &take_report->id);

    if (old) return replace(queue, old, take_report);
    if (take_report->size > queue->size_max - queue->size) return -ENOBUFS;
    append(queue, take_report);
    return 0;
}

struct report *report_queue_first(const struct report_queue *queue)
{
    return queue->first;
}

struct report *report_queue_take_first(struct report_queue *queue)
{
    struct report *report = queue->first;

    queue->first = report->next;
    if (!queue->first) queue->last = NULL;
    report->next = NULL;
    queue->size -= report->size;
    queue->count--;
    return report;
}

void report_queue_defer(struct report_queue *queue)
{
    if (queue->count > 1) append(queue, report_queue_take_first(queue));
}
