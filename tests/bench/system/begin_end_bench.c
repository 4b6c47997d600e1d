/* SPDX-License-Identifier: Apache-2.0 */
/* begin_end_bench.c [ROUNDS]: what a begin and its end cost the host, against clock_gettime().
 *
 * The program is a host of a real scheduler: statistics on, as by default. A round times three
 * loops one after the other: clock_gettime(CLOCK_MONOTONIC) alone, begin and end of an interface
 * that no task watches, and of one that a task watches (with a threshold that no call reaches). It
 * is done before there is any task, too. Times are of the thread's own CPU clock, so that what
 * others take does not count; what disturbs caches and clock still does, so medians over
 * interleaved rounds are printed, and how much of the machine others took, from /proc/stat. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/integration/system/house.h"
#include "tests/support/wait.h"

#include <stakeout/stakeout.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 60, THREADS_MAX = 8, PAIRS = 50000, ARMED_MS = 20000 };

enum loop { LOOP_CLOCK, LOOP_UNWATCHED, LOOP_WATCHED, LOOP_COUNT };

static unsigned rounds = ROUNDS;

struct worker {
    pthread_t thread;
    double *ns[LOOP_COUNT]; /* per run of the loop, a value per round */
};

static stakeout_interface_id interfaces[LOOP_COUNT];
static volatile uint64_t sink;

static double run_clock(void)
{
    uint64_t begin_ns = clock_thread_cpu_ns();

    for (int i = 0; i < PAIRS; i++) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        sink = (uint64_t)now.tv_nsec;
    }
    return (double)(clock_thread_cpu_ns() - begin_ns) / PAIRS;
}

static double run_pairs(stakeout_interface_id interface)
{
    uint64_t begin_ns = clock_thread_cpu_ns();

    for (int i = 0; i < PAIRS; i++) {
        stakeout_call_end(stakeout_call_begin(interface), 200);
    }
    return (double)(clock_thread_cpu_ns() - begin_ns) / PAIRS;
}

static void *work(void *context)
{
    struct worker *worker = context;

    for (unsigned i = 0; i < rounds; i++) {
        worker->ns[LOOP_CLOCK][i] = run_clock();
        worker->ns[LOOP_UNWATCHED][i] = run_pairs(interfaces[LOOP_UNWATCHED]);
        worker->ns[LOOP_WATCHED][i] = run_pairs(interfaces[LOOP_WATCHED]);
    }
    return NULL;
}

static int compare(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;

    return (l > r) - (l < r);
}

/* The median of a loop over all rounds of all threads. */
static double median(const struct worker *workers, unsigned threads, enum loop loop)
{
    double *all = mem_zalloc((size_t)threads * rounds, sizeof *all), middle;

    for (unsigned i = 0; i < threads; i++) {
        memcpy(all + (size_t)i * rounds, workers[i].ns[loop], rounds * sizeof *all);
    }
    qsort(all, (size_t)threads * rounds, sizeof *all, compare);
    middle = all[(size_t)threads * rounds / 2];
    free(all);
    return middle;
}

/* Time that the machine's CPUs spent on anything, and that we did, in seconds. */
struct busy {
    double machine_s, own_s, at_s;
};

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static struct busy busy_read(void)
{
    unsigned long long user = 0, nice = 0, system = 0, idle, wait, irq = 0, soft = 0, steal = 0;
    struct rusage own;
    FILE *stat = fopen("/proc/stat", "re");

    if (stat) {
        if (fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
                   &idle, &wait, &irq, &soft, &steal) != 8)
            user = 0;
        fclose(stat);
    }
    getrusage(RUSAGE_SELF, &own);
    return (struct busy){ (double)(user + nice + system + irq + soft + steal) /
                              (double)sysconf(_SC_CLK_TCK),
                          seconds_of(&own.ru_utime) + seconds_of(&own.ru_stime),
                          (double)clock_monotonic_ns() / 1e9 };
}

static double others_percent(const struct busy *before, const struct busy *after)
{
    double capacity_s = (after->at_s - before->at_s) * (double)sysconf(_SC_NPROCESSORS_ONLN);
    double others_s = after->machine_s - before->machine_s - (after->own_s - before->own_s);

    return others_s > 0 && capacity_s > 0 ? 100 * others_s / capacity_s : 0;
}

static void print_row(const char *says, double ns, double clock_ns)
{
    printf("    %-38s %8.1f ns  %6.2f clock_gettime\n", says, ns, ns / clock_ns);
}

static void measure(unsigned threads, bool is_watched)
{
    struct worker workers[THREADS_MAX] = { 0 };
    struct busy before = busy_read(), after;
    double clock_ns;

    for (unsigned i = 0; i < threads; i++) {
        for (int loop = 0; loop < LOOP_COUNT; loop++) {
            workers[i].ns[loop] = mem_zalloc(rounds, sizeof *workers[i].ns[loop]);
        }
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    after = busy_read();
    clock_ns = median(workers, threads, LOOP_CLOCK);
    printf("%u thread%s, %s; others took %.0f %% of the machine\n", threads,
           threads == 1 ? "" : "s", is_watched ? "one interface watched" : "no task",
           others_percent(&before, &after));
    print_row("clock_gettime", clock_ns, clock_ns);
    print_row("begin + end, not watched", median(workers, threads, LOOP_UNWATCHED), clock_ns);
    if (is_watched)
        print_row("begin + end, watched", median(workers, threads, LOOP_WATCHED), clock_ns);
    for (unsigned i = 0; i < threads; i++) {
        for (int loop = 0; loop < LOOP_COUNT; loop++) {
            free(workers[i].ns[loop]);
        }
    }
}

struct arming {
    struct house *house;
    struct task_id task;
};

static bool is_armed(void *context)
{
    struct arming *arming = context;
    json_t *log = house_get(arming->house, "/api/v1/tasks/%s/log", arming->task.text);
    char *text = json_dumps(log, JSON_COMPACT);
    bool armed = strstr(text, "\"armed\"") != NULL;

    free(text);
    json_decref(log);
    return armed;
}

static void watch_one(struct house *house)
{
    struct arming arming = { .house = house };

    house_order(house,
                &(struct order){
                    .application = "bench", .interface = "GET /watched", .threshold_ms = 30000 },
                &arming.task);
    if (wait_until(is_armed, &arming, ARMED_MS)) return;
    fprintf(stderr, "the task did not arrive\n");
    exit(1);
}

int main(int argc, char **argv)
{
    struct house house = { 0 };
    struct stakeout_options options = { .size = sizeof options, .application = "bench" };
    char server[64];

    if (argc > 1) rounds = (unsigned)strtoul(argv[1], NULL, 10);
    if (rounds == 0) {
        fprintf(stderr, "usage: bench_begin_end [ROUNDS]\n");
        return 2;
    }
    house_open(&house);
    snprintf(server, sizeof server, "http://127.0.0.1:%u", (unsigned)house.scheduler.port);
    options.server = server;
    CHECK(stakeout_start(&options) == 0);
    interfaces[LOOP_UNWATCHED] = stakeout_interface("GET /unwatched");
    interfaces[LOOP_WATCHED] = stakeout_interface("GET /watched");
    measure(1, false);
    measure(THREADS_MAX, false);
    watch_one(&house);
    measure(1, true);
    measure(THREADS_MAX, true);
    stakeout_stop();
    house_close(&house);
    return 0;
}
