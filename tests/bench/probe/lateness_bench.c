/* SPDX-License-Identifier: Apache-2.0 */
/* lateness_bench.c: how late a slow call is looked at first, with a thousand calls in flight.
 *
 *     bench_lateness [CALLS]          default 1000
 *
 * Of the calls in flight, each ends just below the threshold but one in a hundred, which turns
 * slow; beside them four threads have slow calls, asleep. Lateness is the first snapshot since the
 * threshold less the threshold, of each sample. The yardstick: how late the kernel wakes a thread
 * of the same priority from a sleep to a given moment, in the same run. Without and with
 * lookback. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "tests/bench/probe/flights.h"
#include "tests/integration/probe/one_task.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    THRESHOLD_MS = 50,
    BELOW_MS = 45,
    SLOW_MS = 70,
    SLEEPERS = 4,
    SLOW_PART = 100,
    SECONDS = 10,
    SAMPLES_MAX = 20000,
};

#define P99_MS_BAR 1.0

static uint64_t late_ns[SAMPLES_MAX], slept_ns[SAMPLES_MAX];
static _Atomic uint32_t late_count;
static uint32_t slept_count;
static _Atomic bool is_over;
static stakeout_interface_id interface_id;

static void on_sample(void *context, struct sample *take_sample)
{
    uint32_t at = atomic_load(&late_count);

    (void)context;
    one_task_accept(take_sample);
    for (uint32_t i = 0; i < take_sample->snapshot_count && at < SAMPLES_MAX; i++) {
        if (take_sample->snapshots[i].offset_ns < take_sample->threshold_ns) continue;
        late_ns[at] = take_sample->snapshots[i].offset_ns - take_sample->threshold_ns;
        atomic_store(&late_count, at + 1);
        break;
    }
    sample_free(take_sample);
}

static void arm(bool lookback)
{
    one_task_arm(&(struct one_task){ .interface = "late",
                                     .threshold_ms = THRESHOLD_MS,
                                     .frequency_ms = 100,
                                     .lookback = lookback });
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = ns_to_timespec(at_ns);

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
    }
}

static void *sleeper_main(void *context)
{
    (void)context;
    while (!atomic_load(&is_over)) {
        stakeout_call call = stakeout_call_begin(interface_id);

        sleep_until(clock_monotonic_ns() + SLOW_MS * NS_PER_MS);
        stakeout_call_end(call, 0);
    }
    return NULL;
}

/* The yardstick. */
static void *waker_main(void *context)
{
    (void)context;
    prctl(PR_SET_TIMERSLACK, 1);
    while (!atomic_load(&is_over) && slept_count < SAMPLES_MAX) {
        uint64_t at_ns = clock_monotonic_ns() + 5 * NS_PER_MS;

        sleep_until(at_ns);
        slept_ns[slept_count++] = clock_monotonic_ns() - at_ns;
    }
    return NULL;
}

static int by_size(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

static void print_late(const char *what, uint64_t *values, uint32_t count)
{
    if (count == 0) return;
    qsort(values, count, sizeof *values, by_size);
    printf("%-34s %6u: p50 %7.3f ms, p99 %7.3f ms, max %7.3f ms\n", what, count,
           (double)values[count / 2] / 1e6, (double)values[(uint64_t)count * 99 / 100] / 1e6,
           (double)values[count - 1] / 1e6);
}

static double p99_ms(const uint64_t *values, uint32_t count)
{
    return count > 0 ? (double)values[(uint64_t)count * 99 / 100] / 1e6 : 0;
}

/* Both sorted. A machine that wakes nobody within the bar says nothing of the probe. */
static void print_verdict(void)
{
    double late_ms = p99_ms(late_ns, atomic_load(&late_count));
    double bound_ms = p99_ms(slept_ns, slept_count);
    const char *verdict = late_ms <= P99_MS_BAR    ? "met"
                          : bound_ms >= P99_MS_BAR ? "undecided, the machine itself is later"
                                                   : "missed";

    printf("  p99 %.3f ms, the machine's own %.3f, bar %.0f: %s\n", late_ms, bound_ms, P99_MS_BAR,
           verdict);
}

static void bench_late(uint32_t count, bool lookback)
{
    pthread_t threads[SLEEPERS], waker;

    atomic_store(&is_over, false);
    atomic_store(&late_count, 0);
    slept_count = 0;
    arm(lookback);
    CHECK(pthread_create(&waker, NULL, waker_main, NULL) == 0);
    for (int i = 0; i < SLEEPERS; i++) {
        CHECK(pthread_create(&threads[i], NULL, sleeper_main, NULL) == 0);
    }
    flights_begin(&(struct flights){ .interface = interface_id,
                                     .count = count,
                                     .lasts_ms = BELOW_MS,
                                     .slow_part = SLOW_PART,
                                     .slow_ms = SLOW_MS });
    flights_keep(SECONDS * NS_PER_S);
    flights_end();
    atomic_store(&is_over, true);
    for (int i = 0; i < SLEEPERS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_join(waker, NULL);
    sleep_until(clock_monotonic_ns() + 200 * NS_PER_MS);
    sampler_set_tasks(NULL, 0);
    print_late(lookback ? "first snapshot, with lookback" : "first snapshot", late_ns,
               atomic_load(&late_count));
    print_late("a bare sleep, the yardstick", slept_ns, slept_count);
    print_verdict();
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;

    if (count < 1 || count > FLIGHTS_MAX) count = 1000;
    CHECK(sampler_start(&(struct sampler_options){ .on_sample = on_sample }, false) == 0);
    interface_id = stakeout_interface("late");
    printf("%ld calls in flight, threshold %d ms, %d s each\n", count, THRESHOLD_MS, SECONDS);
    bench_late((uint32_t)count, false);
    bench_late((uint32_t)count, true);
    sampler_stop();
    return 0;
}
