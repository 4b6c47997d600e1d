/* SPDX-License-Identifier: Apache-2.0 */
/* loop_lag.c: a timer that looks at how late it is itself. */
#include "scheduler/metrics/metrics.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <event2/event.h>
#include <stdlib.h>

enum { PERIOD_MS = 250, KEPT = 40 /* looks: 10 s */ };

struct loop_lag {
    struct metrics *metrics;
    struct event *timer;
    uint64_t due_ns;
    uint64_t kept_ns[KEPT]; /* the latest looks, in a circle */
    unsigned at;
};

static void arm(struct loop_lag *lag)
{
    lag->due_ns = clock_monotonic_ns() + PERIOD_MS * NS_PER_MS;
    evtimer_add(lag->timer, &(struct timeval){ .tv_usec = PERIOD_MS * 1000 });
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct loop_lag *lag = context;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t late_ns = now_ns > lag->due_ns ? now_ns - lag->due_ns : 0;

    (void)fd, (void)what;
    metrics_observe_ns(lag->metrics, METRIC_LOOP_LAG, NULL, late_ns);
    lag->kept_ns[lag->at++ % KEPT] = late_ns;
    arm(lag);
}

struct loop_lag *loop_lag_start(struct event_base *base, struct metrics *metrics)
{
    struct loop_lag *lag = mem_zalloc(1, sizeof *lag);

    lag->metrics = metrics;
    lag->timer = evtimer_new(base, on_timer, lag);
    CHECK(lag->timer);
    arm(lag);
    return lag;
}

struct loop_lag *loop_lag_stop(struct loop_lag *lag)
{
    if (!lag) return NULL;
    event_free(lag->timer);
    free(lag);
    return NULL;
}

uint64_t loop_lag_ns(const struct loop_lag *lag)
{
    uint64_t longest_ns = 0;

    for (unsigned i = 0; i < KEPT; i++) {
        if (lag->kept_ns[i] > longest_ns) longest_ns = lag->kept_ns[i];
    }
    return longest_ns;
}
