/* SPDX-License-Identifier: Apache-2.0 */
/* gauges.h: the figures that other rooms keep, put into the metrics before they are written. */
#ifndef STAKEOUT_SCHEDULER_GAUGES_H
#define STAKEOUT_SCHEDULER_GAUGES_H

struct census;
struct http;
struct live;
struct metrics;
struct store;
struct symbols;
struct tasks;

struct gauges {
    struct census *census;
    struct http *http;
    struct live *live;
    struct store *store;
    struct symbols *symbols;
    struct tasks *tasks;
};

/* For metrics_collect(); context is a struct gauges. */
void gauges_collect(void *context, struct metrics *metrics);

#endif
