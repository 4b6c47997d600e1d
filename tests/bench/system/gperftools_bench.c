/* SPDX-License-Identifier: Apache-2.0 */
/* gperftools_bench.c [ROUNDS]: what a snapshot costs on saturated cores, everything counted,
 * against a sample of gperftools' CPU profiler at the same rate.
 *
 * As many threads as there are cores do the same amount of work, 30 frames deep, in three ways, one
 * after the other: alone; in calls that a task of a real scheduler listens to every 5 ms, without
 * a budget; and under gperftools with a timer of 5 ms for each thread. What is measured is the CPU
 * time of the whole process: the work, signals and their handlers, and our threads, from before the
 * first snapshot until the samples are reported. What gperftools does at its end is not counted.
 *
 * gperftools reads its settings before main(), so the program begins anew with them. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/bench/pairs.h"
#include "tests/integration/system/house.h"
#include "tests/support/wait.h"

#include <stakeout/stakeout.h>

#include <gperftools/profiler.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS = 20,
    ROUNDS_MAX = 200,
    THREADS_MAX = 16,
    FRAMES = 30,
    WORK_MS = 1000,
    THRESHOLD_MS = 50,
    FREQUENCY_MS = 5,
    SAMPLE_CAP = 100,
    REPORTED_MS = 40, /* until a sample has left the process */
    ARMED_MS = 20000,
    SPIN = 20000,
};

enum way { ALONE, STAKEOUT, GPERFTOOLS, WAYS };

static stakeout_interface_id interface;
static uint64_t chunks; /* of work, for each thread */
static unsigned thread_count;
static volatile uint64_t sink;

/* ---- work ---- */

__attribute__((noinline)) static uint64_t descend(int depth, uint64_t seed)
{
    uint64_t sum = seed;

    if (depth > 0) return descend(depth - 1, seed * 3 + 1) + sink;
    for (int i = 0; i < SPIN; i++) {
        sum = sum * 6364136223846793005u + 1442695040888963407u;
    }
    return sum;
}

static void work(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        sink = descend(FRAMES, i);
    }
}

static void work_calibrate(void)
{
    uint64_t begin_ns = clock_thread_cpu_ns(), done = 0;

    while (clock_thread_cpu_ns() - begin_ns < 100 * NS_PER_MS) {
        work(10);
        done += 10;
    }
    chunks = done * WORK_MS / 100;
}

struct worker {
    pthread_t thread;
    enum way way;
};

static void *worker_run(void *context)
{
    const struct worker *worker = context;
    stakeout_call call = { { 0, 0 } };

    if (worker->way == GPERFTOOLS) ProfilerRegisterThread();
    if (worker->way == STAKEOUT) call = stakeout_call_begin(interface);
    work(chunks);
    stakeout_call_end(call, 200);
    return NULL;
}

/* ---- one measurement ---- */

static uint64_t process_cpu_ns(void)
{
    return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Milliseconds of CPU; `*samples` rises by what gperftools took. */
static double measure(enum way way, int64_t *samples)
{
    struct worker workers[THREADS_MAX];
    struct ProfilerState state;
    uint64_t begin_ns;
    double ms;

    if (way == GPERFTOOLS) CHECK(ProfilerStart("/dev/null"));
    begin_ns = process_cpu_ns();
    for (unsigned i = 0; i < thread_count; i++) {
        workers[i].way = way;
        CHECK(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]) == 0);
    }
    for (unsigned i = 0; i < thread_count; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    nanosleep(&(struct timespec){ .tv_nsec = REPORTED_MS * 1000000L }, NULL);
    ms = (double)(process_cpu_ns() - begin_ns) / 1e6;
    if (way != GPERFTOOLS) return ms;
    ProfilerGetCurrentState(&state);
    *samples += state.samples_gathered;
    ProfilerStop();
    return ms;
}

/* ---- the scheduler and its tasks ---- */

struct arming {
    struct house *house;
    struct task_id task;
};

static void order(struct arming *arming)
{
    house_order(arming->house,
                &(struct order){ .application = "bench",
                                 .interface = "GET /work",
                                 .threshold_ms = THRESHOLD_MS,
                                 .frequency_ms = FREQUENCY_MS,
                                 .sample_cap = SAMPLE_CAP },
                &arming->task);
    house_wait_armed(arming->house, &arming->task, 1);
}

struct ended {
    struct arming *arming;
    int64_t calls;
};

static bool has_all(void *context)
{
    struct ended *ended = context;

    return house_ledger_sum(ended->arming->house, &ended->arming->task, "sampled") >= ended->calls;
}

/* Ends the task when all of its calls are in, and returns how many snapshots they have. */
static int64_t settle(struct arming *arming, int64_t calls)
{
    int64_t snapshots;
    struct ended ended = { arming, calls };

    wait_until(has_all, &ended, ARMED_MS);
    snapshots = house_ledger_sum(arming->house, &arming->task, "snapshots");
    house_cancel(arming->house, &arming->task);
    return snapshots;
}

/* ---- the whole ---- */

static void run(struct house *house, uint32_t rounds)
{
    static double ms[WAYS][ROUNDS_MAX], cost[WAYS][ROUNDS_MAX];
    struct arming arming = { .house = house };
    uint32_t term = SAMPLE_CAP / thread_count, since = 0;
    int64_t counts[WAYS] = { 0 };
    struct pairs_busy before = pairs_busy_read(), after;
    struct pairs_ratio ratio;

    order(&arming);
    for (uint32_t i = 0; i < rounds; i++) {
        for (uint32_t way = 0; way < WAYS; way++) {
            enum way turn = (enum way)((way + i) % WAYS);

            ms[turn][i] = measure(turn, &counts[GPERFTOOLS]);
        }
        for (int way = STAKEOUT; way < WAYS; way++) {
            cost[way][i] = ms[way][i] - ms[ALONE][i];
        }
        if (++since < term && i + 1 < rounds) continue;
        counts[STAKEOUT] += settle(&arming, (int64_t)since * thread_count);
        since = 0;
        if (i + 1 < rounds) order(&arming);
    }
    after = pairs_busy_read();
    pairs_of(ms[STAKEOUT], ms[GPERFTOOLS], rounds, &ratio);
    ratio.others = pairs_busy_others(&before, &after);
    pairs_print("ms of CPU for the same work", &ratio, 1);
    pairs_print_worse(&ratio);
    for (int way = STAKEOUT; way < WAYS; way++) {
        double middle_ms = pairs_quantile(cost[way], rounds, 0.5);

        printf("%-36s %.0f a second, %.1f us of CPU each, %.2f %% of the work\n",
               way == STAKEOUT ? "snapshots of stakeout" : "samples of gperftools",
               1e3 * (double)counts[way] / rounds / (ratio.yardstick / thread_count),
               counts[way] > 0 ? 1e3 * middle_ms * rounds / (double)counts[way] : 0,
               100 * middle_ms / pairs_quantile(ms[ALONE], rounds, 0.5));
    }
}

static void begin_anew(char **argv)
{
    char frequency[16];

    if (getenv("CPUPROFILE_PER_THREAD_TIMERS")) return;
    snprintf(frequency, sizeof frequency, "%d", 1000 / FREQUENCY_MS);
    setenv("CPUPROFILE_PER_THREAD_TIMERS", "1", 1);
    setenv("CPUPROFILE_FREQUENCY", frequency, 1);
    setenv("STAKEOUT_BUDGET_CORE", "100", 1);
    setenv("STAKEOUT_BUDGET_THREAD", "100", 1);
    execv("/proc/self/exe", argv);
    CHECK(false);
}

int main(int argc, char **argv)
{
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : ROUNDS;
    struct stakeout_options options = { .size = sizeof options, .application = "bench" };
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct house house = { 0 };
    char server[64];

    if (rounds == 0 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_gperftools [ROUNDS]\n");
        return 2;
    }
    begin_anew(argv);
    thread_count = cores < THREADS_MAX ? (unsigned)cores : THREADS_MAX;
    house_open(&house);
    snprintf(server, sizeof server, "http://127.0.0.1:%u", (unsigned)house.scheduler.port);
    options.server = server;
    CHECK(stakeout_start(&options) == 0);
    interface = stakeout_interface("GET /work");
    work_calibrate();
    run(&house, rounds);
    stakeout_stop();
    house_close(&house);
    return 0;
}
