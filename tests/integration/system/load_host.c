/* SPDX-License-Identifier: Apache-2.0 */
/* load_host.c: a host whose calls are as the test orders, and which counts them itself.
 *
 * It is told what to do on stdin, line by line, and answers each line with one:
 *
 *     run THREADS FAST_MS INTERFACE   that many threads call the interface, one call after the
 *                                     other, each FAST_MS long; "running" once all of them are
 *                                     in a call
 *     slow THREADS SLOW_MS            further threads make one call of SLOW_MS each, at once;
 *                                     "done" when all of them ended
 *     count                           "calls=N slow=M": calls that ended so far, and how many of
 *                                     them were ordered to be slow
 *     stop                            the threads end, the probe is stopped; then as `count`
 *
 * All time is spent asleep in work(), so that thousands of threads fit on one core. */
#include <stakeout/stakeout.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STACK_SIZE = 128 * 1024, LINE_SIZE_MAX = 600 };

static stakeout_interface_id interface_id;
static long fast_ms, slow_ms, fast_count;
static pthread_t *fast;
static _Atomic long calls, slow_calls, threads_in_calls;
static _Atomic int stopping;

__attribute__((noinline)) static void work(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void *make_fast_calls(void *unused)
{
    int is_first = 1;

    while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
        stakeout_call call = stakeout_call_begin(interface_id);

        if (is_first) atomic_fetch_add_explicit(&threads_in_calls, 1, memory_order_relaxed);
        is_first = 0;
        work(fast_ms);
        stakeout_call_end(call, 200);
        atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    }
    return unused;
}

static void *make_slow_call(void *unused)
{
    stakeout_call call = stakeout_call_begin(interface_id);

    work(slow_ms);
    stakeout_call_end(call, 503);
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&slow_calls, 1, memory_order_relaxed);
    return unused;
}

static pthread_t *start(long count, void *(*run)(void *))
{
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    for (long i = 0; i < count; i++) {
        if (pthread_create(&threads[i], &attributes, run, NULL) != 0) {
            fprintf(stderr, "load_host: cannot start thread %ld\n", i);
            _exit(1);
        }
    }
    pthread_attr_destroy(&attributes);
    return threads;
}

static void join(pthread_t *threads, long count)
{
    for (long i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    free(threads);
}

static void say(const char *line)
{
    puts(line);
    fflush(stdout);
}

static void report(void)
{
    printf("calls=%ld slow=%ld\n", atomic_load_explicit(&calls, memory_order_relaxed),
           atomic_load_explicit(&slow_calls, memory_order_relaxed));
    fflush(stdout);
}

static void run(const char *order)
{
    char *rest;

    fast_count = strtol(order, &rest, 10);
    fast_ms = strtol(rest, &rest, 10);
    rest[strcspn(rest, "\n")] = '\0';
    interface_id = stakeout_interface(rest + 1);
    fast = start(fast_count, make_fast_calls);
    while (atomic_load_explicit(&threads_in_calls, memory_order_relaxed) < fast_count) {
        work(1);
    }
    say("running");
}

static void run_slow(const char *order)
{
    char *rest;
    long count = strtol(order, &rest, 10);

    slow_ms = strtol(rest, NULL, 10);
    join(start(count, make_slow_call), count);
    say("done");
}

int main(void)
{
    char line[LINE_SIZE_MAX];

    if (stakeout_start(NULL) < 0) return 1;
    while (fgets(line, sizeof line, stdin) && strcmp(line, "stop\n") != 0) {
        if (strncmp(line, "run ", 4) == 0) run(line + 4);
        if (strncmp(line, "slow ", 5) == 0) run_slow(line + 5);
        if (strcmp(line, "count\n") == 0) report();
    }
    atomic_store_explicit(&stopping, 1, memory_order_relaxed);
    join(fast, fast_count);
    stakeout_stop();
    report();
    return 0;
}
