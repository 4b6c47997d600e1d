/* SPDX-License-Identifier: Apache-2.0 */
/* report_queue.h: reports that wait for the scheduler, within a bound of bytes.
 *
 *     rc = report_queue_add(&queue, report);       -ENOBUFS: does not fit; still the caller's
 *     struct report *first = report_queue_first(&queue);
 *     ... posted and acknowledged: report_free(report_queue_take_first(&queue)) ...
 *
 * A newer revision takes the place of an older one of the same sample. Order is that of arrival,
 * except that report_queue_defer() sends the first one to the end: one report that the scheduler
 * cannot digest must not hold up the others.
 *
 * Threads: one at a time. Nothing waits here for ever: what is acknowledged or refused leaves. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_REPORT_QUEUE_H
#define STAKEOUT_PROBE_AGENT_LINK_REPORT_QUEUE_H

#include "common/base/own.h"
#include "common/base/text.h"
#include "common/model/id.h"

struct report {
    struct report *next;
    struct sample_id id;
    struct task_id task;
    uint32_t revision;
    char *body; /* owned; msgpack */
    size_t size;
};

struct report *report_free(struct report *report);
OWN_TYPE(report)

struct report_queue {
    struct report *first, *last;
    size_t size, size_max; /* bytes of the bodies */
    uint32_t count;
};

#define REPORT_QUEUE_INIT(max) ((struct report_queue){ .size_max = (max) })

void report_queue_done(struct report_queue *queue);

/* Returns 0, and the queue owns the report; or -ENOBUFS. A report of which a newer revision is
 * here already is freed. */
int report_queue_add(struct report_queue *queue, struct report *take_report);

struct report *report_queue_first(const struct report_queue *queue); /* NULL if empty */
struct report *report_queue_take_first(struct report_queue *queue);  /* owned by the caller */
void report_queue_defer(struct report_queue *queue);

#endif
