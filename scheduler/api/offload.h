/* SPDX-License-Identifier: Apache-2.0 */
/* offload.h: work that would hold up the event loop, done by a child process.
 *
 *     offload_start(offloads, &(struct offload){ .work = work, .then = then, .context = job });
 *
 * The child is a fork: `work` reads everything that this process had at that moment, and fills a
 * buffer that comes back through a pipe. What it changes is lost with it. A child that takes
 * longer than OFFLOAD_S_MAX, or dies, is an error of its offload and of nothing else.
 *
 * One event-loop thread: a fork of several would inherit their locks. */
#ifndef STAKEOUT_SCHEDULER_API_OFFLOAD_H
#define STAKEOUT_SCHEDULER_API_OFFLOAD_H

#include "common/base/buf.h"

struct event_base;
struct offloads;

enum {
    OFFLOADS_MAX = 4, /* children at once: more would only wait for each other's processor */
    OFFLOAD_S_MAX = 30,
};

struct offload {
    size_t size_max; /* of the result */
    /* In the child. Returns 0, or -errno for `then`. */
    int (*work)(void *context, struct buf *to);
    /* Exactly once, later. rc is that of `work`; -EIO if the child died, -ETIMEDOUT, or -ECANCELED.
     * The result may be taken with buf_take(). */
    void (*then)(void *context, int rc, struct buf *result);
    void *context;
};

struct offloads *offloads_new(struct event_base *base);
struct offloads *offloads_free(struct offloads *offloads); /* ends what runs, with -ECANCELED */

/* 0; or -EBUSY (OFFLOADS_MAX run) or another -errno, and then nothing is called. */
int offload_start(struct offloads *offloads, const struct offload *offload);

#endif
