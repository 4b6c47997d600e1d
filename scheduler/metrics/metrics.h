/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h: what the scheduler counts of itself, as Prometheus reads it.
 *
 *     metrics_add(metrics, METRIC_INTAKE, "report", "accepted", 1);
 *     metrics_set(metrics, METRIC_REDIS_UP, NULL, NULL, 1);
 *     metrics_observe_ns(metrics, METRIC_REDIS_LATENCY, NULL, elapsed_ns);
 *     metrics_collect(metrics, fill_gauges, app);     called before each writing
 *     metrics_write(metrics, &body);                  text/plain; version=0.0.4
 *
 * metrics.def is the list. Labels are given in its order, NULL where a metric has none. Their
 * values are copied; a metric keeps SERIES_MAX of their combinations, what is beyond is counted
 * as "other". One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_METRICS_METRICS_H
#define STAKEOUT_SCHEDULER_METRICS_METRICS_H

#include "common/base/buf.h"

#include <stdint.h>

enum metric {
#define METRIC(name, type, exposed, labels, help) METRIC_##name,
#include "scheduler/metrics/metrics.def"
#undef METRIC
    METRIC_COUNT
};

enum {
    SERIES_MAX = 512,              /* of one metric: 64 routes by 8 statuses */
    METRICS_SIZE_MAX = 512 * 1024, /* bytes of all of it as text */
};

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics;

struct metrics *metrics_new(void);
struct metrics *metrics_free(struct metrics *metrics);

/* Counters grow; a negative amount is a mistake. Gauges may be added to as well. */
void metrics_add(struct metrics *metrics, enum metric metric, const char *label1,
                 const char *label2, double amount);

/* Gauges, and counters whose absolute value somebody else keeps. */
void metrics_set(struct metrics *metrics, enum metric metric, const char *label1,
                 const char *label2, double value);

void metrics_observe_ns(struct metrics *metrics, enum metric metric, const char *label1,
                        uint64_t ns);

/* One request: METRIC_HTTP_REQUESTS and METRIC_HTTP_DURATION. `route` is its pattern, or "none". */
void metrics_http(struct metrics *metrics, const char *route, int status, uint64_t elapsed_ns);

typedef void (*metrics_collect_fn)(void *context, struct metrics *metrics);
void metrics_collect(struct metrics *metrics, metrics_collect_fn collect, void *context);

/* The current value; 0 if there is none. For tests and /readyz. Of a histogram: the count. */
double metrics_value(const struct metrics *metrics, enum metric metric, const char *label1,
                     const char *label2);

/* Appends the exposition: metrics without a value are left out. 0, or the buffer's error. */
int metrics_write(struct metrics *metrics, struct buf *to);

/* A turn of the loop that came late: what its thread did in that time. The rest it waited in the
 * kernel. */
struct loop_lateness {
    uint64_t late_ns, queued_ns, ran_ns; /* in all; without a CPU; at work */
    uint64_t at_ns;                      /* when that was seen; monotonic */
};

/* Measures how late the loop is, by a timer of 250 ms, into METRIC_LOOP_LAG. To be called on the
 * loop's thread. */
struct event_base;
struct loop_lag;
struct loop_lag *loop_lag_start(struct event_base *base, struct metrics *metrics);
struct loop_lag *loop_lag_stop(struct loop_lag *lag);
void loop_lag_longest(const struct loop_lag *lag, struct loop_lateness *ret); /* of 10 s */

#endif
