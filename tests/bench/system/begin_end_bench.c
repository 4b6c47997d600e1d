/* SPDX-License-Identifier: Apache-2.0 */
/* begin_end_bench.c [PAIRS]: what a begin and its end cost the host, against clock_gettime().
 *
 * The program is a host of a real scheduler, linked with libstakeout.so. It measures first with
 * statistics off and no task, then starts the probe again with statistics on, as by default, and
 * creates two tasks: of the interface that it calls, with a threshold that no call reaches, and of
 * one that it never calls, with the least threshold there is, for which the sampler scans all calls
 * in flight every 50 ms.
 *
 * A measurement is the median of BATCHES loops, each timed by the thread's own CPU clock, so that
 * what others take does not count; of eight threads at once it is the mean of theirs. What disturbs
 * caches and clock still counts: hence pairs (pairs.h). */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/bench/pairs.h"
#include "tests/bench/system/nothing.h"
#include "tests/integration/system/house.h"

#include <stakeout/stakeout.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PAIRS = 100,
    BATCHES = 9,
    LOOPS = 5000, /* in a batch */
    THREADS = 8,
    THRESHOLD_NEVER_MS = 30000,
    THRESHOLD_MIN_MS = 50,
};

static stakeout_interface_id unwatched, watched;
static volatile uint64_t sink;

/* ---- one loop, timed ---- */

typedef void (*loop_fn)(void);

static void loop_clock(void)
{
    for (int i = 0; i < LOOPS; i++) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        sink = (uint64_t)now.tv_nsec;
    }
}

static void loop_nothing(void)
{
    for (int i = 0; i < LOOPS; i++) {
        nothing_end(nothing_begin(unwatched), 200);
    }
}

static void loop_unwatched(void)
{
    for (int i = 0; i < LOOPS; i++) {
        stakeout_call_end(stakeout_call_begin(unwatched), 200);
    }
}

static void loop_watched(void)
{
    for (int i = 0; i < LOOPS; i++) {
        stakeout_call_end(stakeout_call_begin(watched), 200);
    }
}

/* Nanoseconds of CPU per turn of a loop. */
static double measure(loop_fn loop)
{
    double ns[BATCHES];

    for (int i = 0; i < BATCHES; i++) {
        uint64_t begin_ns = clock_thread_cpu_ns();

        loop();
        ns[i] = (double)(clock_thread_cpu_ns() - begin_ns) / LOOPS;
    }
    return pairs_quantile(ns, BATCHES, 0.5);
}

/* ---- by one thread, or by eight at once ---- */

struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    loop_fn loop;
    double ns;
};

static void *work(void *context)
{
    struct worker *worker = context;

    pthread_barrier_wait(worker->start);
    worker->ns = measure(worker->loop);
    return NULL;
}

static double measure_threads(loop_fn loop)
{
    struct worker workers[THREADS];
    pthread_barrier_t start;
    double sum_ns = 0;

    CHECK(pthread_barrier_init(&start, NULL, THREADS) == 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .start = &start, .loop = loop };
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        sum_ns += workers[i].ns;
    }
    pthread_barrier_destroy(&start);
    return sum_ns / THREADS;
}

struct versus {
    loop_fn loop, yardstick;
    bool is_threaded, is_yardstick_threaded;
};

static double measure_subject(void *context)
{
    const struct versus *versus = context;

    return versus->is_threaded ? measure_threads(versus->loop) : measure(versus->loop);
}

static double measure_yardstick(void *context)
{
    const struct versus *versus = context;

    return versus->is_yardstick_threaded ? measure_threads(versus->yardstick)
                                         : measure(versus->yardstick);
}

static void compare(const char *says, struct versus versus, uint32_t count, double bar)
{
    struct pairs_options options = { measure_subject, measure_yardstick, &versus, count };
    struct pairs_ratio ratio;

    pairs_run(&options, &ratio);
    pairs_print(says, &ratio, bar);
}

/* ---- the scheduler, and its tasks ---- */

static void watch(struct house *house, const char *interface, int threshold_ms)
{
    struct task_id task;

    house_order(house,
                &(struct order){
                    .application = "bench", .interface = interface, .threshold_ms = threshold_ms },
                &task);
    house_wait_armed(house, &task, 1);
}

static void start(const struct house *house, bool has_statistics)
{
    struct stakeout_options options = { .size = sizeof options,
                                        .application = "bench",
                                        .statistics_off = !has_statistics };
    char server[64];

    snprintf(server, sizeof server, "http://127.0.0.1:%u", (unsigned)house->scheduler.port);
    options.server = server;
    CHECK(stakeout_start(&options) == 0);
}

int main(int argc, char **argv)
{
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : PAIRS;
    struct house house = { 0 };

    if (count == 0 || count > PAIRS_COUNT_MAX) {
        fprintf(stderr, "usage: bench_begin_end [PAIRS]\n");
        return 2;
    }
    printf("begin + end, ns of CPU, to clock_gettime(CLOCK_MONOTONIC)\n");
    house_open(&house);
    unwatched = stakeout_interface("GET /unwatched");
    watched = stakeout_interface("GET /watched");
    start(&house, false);
    compare("statistics off, not watched",
            (struct versus){ .loop = loop_unwatched, .yardstick = loop_clock }, count, 0.2);
    compare("two functions that do nothing",
            (struct versus){ .loop = loop_nothing, .yardstick = loop_clock }, count, 0.2);
    stakeout_stop();
    start(&house, true);
    watch(&house, "GET /watched", THRESHOLD_NEVER_MS);
    watch(&house, "GET /scanned", THRESHOLD_MIN_MS);
    compare("statistics on, not watched",
            (struct versus){ .loop = loop_unwatched, .yardstick = loop_clock }, count, 1.25);
    compare("statistics on, watched",
            (struct versus){ .loop = loop_watched, .yardstick = loop_clock }, count, 1.35);
    compare("8 threads, not watched", (struct versus){ loop_unwatched, loop_clock, true, true },
            count, 1.1 * 1.25);
    compare("8 threads, watched", (struct versus){ loop_watched, loop_clock, true, true }, count,
            1.1 * 1.35);
    printf("the same, to one thread's\n");
    compare("8 threads, not watched",
            (struct versus){ loop_unwatched, loop_unwatched, true, false }, count, 1.1);
    compare("8 threads, watched", (struct versus){ loop_watched, loop_watched, true, false }, count,
            1.1);
    stakeout_stop();
    house_close(&house);
    return 0;
}
