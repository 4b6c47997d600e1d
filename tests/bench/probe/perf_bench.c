/* SPDX-License-Identifier: Apache-2.0 */
/* perf_bench.c [PAIRS]: looks at running threads by perf events, against looks by signals.
 *
 * Three things are compared: how long a look holds up a thread that spins at a depth of 30 frames;
 * how much CPU time the sampler's thread takes for a snapshot, everything included, every 5 ms; and
 * what an event costs a thread that does nothing but hand a byte to another and wait for it to come
 * back, at each of its switches, while it is listened to. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "probe/agent/engine/sampler_state.h"
#include "probe/hot/ticks.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/bench/pairs.h"
#include "tests/bench/probe/spinner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAIRS = 40, LOOKS = 15, FRAMES = 30, ROUNDS = 4000, WARM_MS = 150, LISTEN_MS = 400 };

static unsigned char bytes[STACK_COPY_SIZE_MAX];
static bool is_seen_in_kernel = true;

static void event_open(struct perf_event *event, uint32_t tid, uint64_t period_ns)
{
    struct perf_order order = { .tid = tid,
                                .period_ns = period_ns,
                                .excludes_kernel = !is_seen_in_kernel };

    CHECK(perf_event_open(event, &order) == 0);
}

static void nap_us(long us)
{
    nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

/* ---- the pause ---- */

static int lent = -1;

static void send_signal(struct spinner *spinner)
{
    lent = spinner_ask(spinner);
}

static double pause_by_signal(void *context)
{
    double pauses[LOOKS];

    for (int i = 0; i < LOOKS; i++) {
        pauses[i] = spinner_pause_ns(context, send_signal);
        while (!loan_is_back(lent)) {
        }
        CHECK(hot.loans[lent].outcome == LOAN_COPIED);
        loan_return(lent);
    }
    return pairs_quantile(pauses, LOOKS, 0.5);
}

static double pause_by_event(void *context)
{
    struct spinner *spinner = context;
    struct perf_moment moment;
    struct perf_event event;
    double pauses[LOOKS];

    event_open(&event, spinner->order.tid, 400 * NS_PER_US);
    for (int i = 0; i < LOOKS; i++) {
        while (perf_event_take(&event, &moment, bytes, sizeof bytes) == 0) {
        }
        atomic_store(&spinner->gap_ticks, 0);
        while (!perf_event_has(&event)) {
            nap_us(100);
        }
        nap_us(50);
        pauses[i] = (double)ticks_to_ns(atomic_load(&spinner->gap_ticks));
    }
    perf_event_close(&event);
    return pairs_quantile(pauses, LOOKS, 0.5);
}

static void bench_pause(uint32_t pairs)
{
    struct spinner spinner;
    struct pairs_ratio ratio;

    CHECK(memory_open(true) == 0);
    CHECK(stack_copy_open(SIGURG) == 0);
    spinner_start(&spinner, FRAMES, -1);
    pairs_run(&(struct pairs_options){ .subject = pause_by_event,
                                       .yardstick = pause_by_signal,
                                       .context = &spinner,
                                       .count = pairs },
              &ratio);
    pairs_print("pause of a running thread, 30 frames: by event, against by signal, ns", &ratio, 1);
    pairs_print_worse(&ratio);
    spinner_stop(&spinner);
    memory_close();
}

/* ---- the sampler ---- */

static volatile uint64_t sink;

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    sampler_settle(&(struct settlement){
        .sample = take_sample->id, .revision = take_sample->revision, .outcome = REPORT_ACCEPTED });
    sample_free(take_sample);
}

static void spin_ms(uint64_t ms)
{
    uint64_t until_ns = clock_monotonic_ns() + ms * NS_PER_MS;

    while (clock_monotonic_ns() < until_ns) {
        sink++;
    }
}

static stakeout_interface_id arm(void)
{
    struct task_order order = { .id = task_id_make(clock_wall_ns() / NS_PER_MS),
                                .interface = "bench",
                                .state = TASK_ACTIVE,
                                .threshold_ns = THRESHOLD_MS_MIN * NS_PER_MS,
                                .frequency_ns = FREQUENCY_MS_MIN * NS_PER_MS,
                                .sample_cap = 100,
                                .ends_monotonic_ns = clock_monotonic_ns() + 60 * NS_PER_S };

    sampler_set_tasks(&order, 1);
    return stakeout_interface("bench");
}

static struct ledger ledger_read(void)
{
    static struct task_books books[SAMPLER_TASKS_MAX];

    CHECK(sampler_ledgers(books, SAMPLER_TASKS_MAX) == 1);
    return books[0].ledger;
}

static double sampler_ns(enum sampler_engine engine)
{
    struct sampler_options options = { .on_sample = on_sample,
                                       .thread_files_max = THREAD_FILES_HELD,
                                       .engine = engine };
    uint64_t began_ns, spent_ns;
    struct ledger before, after;
    stakeout_call call;

    sampler_set_budget(SAMPLER_BUDGET_NONE, SAMPLER_BUDGET_NONE);
    CHECK(sampler_start(&options, false) == 0);
    call = stakeout_call_begin(arm());
    spin_ms(WARM_MS);
    before = ledger_read();
    began_ns = thread_cpu_ns(sampler.tid);
    spin_ms(LISTEN_MS);
    after = ledger_read();
    spent_ns = thread_cpu_ns(sampler.tid) - began_ns;
    stakeout_call_end(call, 0);
    CHECK(engine == SAMPLER_ENGINE_SIGNAL ? after.perf == 0 : after.signals == 0);
    sampler_stop();
    CHECK(after.snapshots > before.snapshots);
    return (double)spent_ns / (double)(after.snapshots - before.snapshots);
}

static double sampler_by_event(void *context)
{
    (void)context;
    return sampler_ns(SAMPLER_ENGINE_PERF);
}

static double sampler_by_signal(void *context)
{
    (void)context;
    return sampler_ns(SAMPLER_ENGINE_SIGNAL);
}

static void bench_sampler(uint32_t pairs)
{
    struct pairs_ratio ratio;

    pairs_run(&(struct pairs_options){ .subject = sampler_by_event,
                                       .yardstick = sampler_by_signal,
                                       .count = pairs },
              &ratio);
    pairs_print("CPU of the sampler's thread per snapshot: by event, against by signal, ns", &ratio,
                1);
    pairs_print_worse(&ratio);
}

/* ---- switches ---- */

struct game {
    int there[2], back[2];
    uint32_t tid;
};

static void *partner_main(void *context)
{
    struct game *game = context;
    char byte;

    while (read(game->there[0], &byte, 1) == 1 && write(game->back[1], &byte, 1) == 1) {
    }
    return NULL;
}

/* CPU time of the process for a byte there and back. */
static double play(struct game *game)
{
    struct timespec began, ended;
    char byte = 0;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(write(game->there[1], &byte, 1) == 1 && read(game->back[0], &byte, 1) == 1);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    return ((double)(ended.tv_sec - began.tv_sec) * 1e9 + (double)(ended.tv_nsec - began.tv_nsec)) /
           ROUNDS;
}

static double play_watched(void *context)
{
    struct game *game = context;
    struct perf_event event;
    double cost;

    event_open(&event, game->tid, 100 * NS_PER_MS);
    cost = play(game);
    perf_event_close(&event);
    return cost;
}

static double play_alone(void *context)
{
    return play(context);
}

static void bench_switches(uint32_t pairs)
{
    struct game game = { .tid = (uint32_t)syscall(SYS_gettid) };
    struct pairs_ratio ratio;
    pthread_t partner;

    CHECK(pipe(game.there) == 0 && pipe(game.back) == 0);
    CHECK(pthread_create(&partner, NULL, partner_main, &game) == 0);
    pairs_run(
        &(struct pairs_options){
            .subject = play_watched, .yardstick = play_alone, .context = &game, .count = pairs },
        &ratio);
    pairs_print("a byte to another thread and back, CPU: with an event, against without, ns",
                &ratio, 1);
    pairs_print_worse(&ratio);
    close(game.there[1]);
    pthread_join(partner, NULL);
}

int main(int argc, char **argv)
{
    uint32_t pairs = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : PAIRS;
    static struct perf_engine perf;

    perf_engine_open(&perf, SAMPLER_ENGINE_PERF, true);
    perf_engine_prove(&perf, bytes, sizeof bytes);
    if (perf_engine_trouble(&perf)) printf("%s\n", perf_engine_trouble(&perf));
    if (!perf.is_on) return 0;
    is_seen_in_kernel = !perf.excludes_kernel;
    printf("tried at start: an event takes %.1f us\n", (double)perf.pause_ns / 1e3);
    bench_pause(pairs);
    bench_switches(pairs);
    bench_sampler(pairs);
    return 0;
}
