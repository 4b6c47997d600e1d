/* SPDX-License-Identifier: Apache-2.0 */
/* loop_lag.c: a timer that looks at how late it is itself, and at what the thread did meanwhile.
 *
 * The first look is the loop's first turn: what is built before it keeps nobody waiting. The
 * lateness is told apart by the thread's two clocks: its CPU time, and its time runnable without a
 * CPU (schedstat). They speak of the whole time since the look before; so each is said as at most
 * the lateness, first the queue, then the work, and what is left the thread spent in the kernel,
 * waiting, where it should not. */
#include "scheduler/metrics/metrics.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PERIOD_MS = 250, KEPT = 40 /* looks: 10 s */ };

struct loop_lag {
    struct metrics *metrics;
    struct event *timer;
    int schedstat;                   /* of the thread; -1: there is none */
    uint64_t due_ns;                 /* 0: it was not armed yet */
    uint64_t cpu_ns, queue_ns;       /* of the thread, at the look before */
    struct loop_lateness kept[KEPT]; /* the latest looks, in a circle */
    unsigned at;
};

/* How long the thread was runnable without a CPU, since it began; 0 where that is not told. */
static uint64_t thread_queue_ns(const struct loop_lag *lag)
{
    char text[64] = "";
    uint64_t queue_ns;
    ssize_t size = pread(lag->schedstat, text, sizeof text - 1, 0);

    if (size <= 0 || sscanf(text, "%*u %" SCNu64, &queue_ns) != 1) return 0;
    return queue_ns;
}

static void arm(struct loop_lag *lag)
{
    lag->cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    lag->queue_ns = thread_queue_ns(lag);
    lag->due_ns = clock_monotonic_ns() + PERIOD_MS * NS_PER_MS;
    evtimer_add(lag->timer, &(struct timeval){ .tv_usec = PERIOD_MS * 1000 });
}

static uint64_t lesser(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static void look(struct loop_lag *lag, uint64_t now_ns)
{
    struct loop_lateness late = { .at_ns = now_ns };

    late.late_ns = now_ns > lag->due_ns ? now_ns - lag->due_ns : 0;
    late.queued_ns = lesser(thread_queue_ns(lag) - lag->queue_ns, late.late_ns);
    late.ran_ns =
        lesser(clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - lag->cpu_ns, late.late_ns - late.queued_ns);
    metrics_observe_ns(lag->metrics, METRIC_LOOP_LAG, NULL, late.late_ns);
    lag->kept[lag->at++ % KEPT] = late;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct loop_lag *lag = context;

    (void)fd, (void)what;
    if (lag->due_ns != 0) look(lag, clock_monotonic_ns());
    arm(lag);
}

struct loop_lag *loop_lag_start(struct event_base *base, struct metrics *metrics)
{
    struct loop_lag *lag = mem_zalloc(1, sizeof *lag);

    lag->metrics = metrics;
    lag->schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    lag->timer = evtimer_new(base, on_timer, lag);
    CHECK(lag->timer);
    evtimer_add(lag->timer, &(struct timeval){ 0 });
    return lag;
}

struct loop_lag *loop_lag_stop(struct loop_lag *lag)
{
    if (!lag) return NULL;
    event_free(lag->timer);
    if (lag->schedstat >= 0) close(lag->schedstat);
    free(lag);
    return NULL;
}

void loop_lag_longest(const struct loop_lag *lag, struct loop_lateness *ret)
{
    *ret = (struct loop_lateness){ 0 };
    for (unsigned i = 0; i < KEPT; i++) {
        if (lag->kept[i].late_ns > ret->late_ns) *ret = lag->kept[i];
    }
}
