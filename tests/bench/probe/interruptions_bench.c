/* SPDX-License-Identifier: Apache-2.0 */
/* interruptions_bench.c [SNAPSHOTS]: what a host sees of our looks in its system calls.
 *
 * Threads for each call that gives up with EINTR under any handler, and one for each write in
 * parts, looked at every millisecond, until there were 100,000 snapshots, 5,000 of them by signal.
 * Of the four transfers that are not repaired the measured rate is told. A signal was near an entry
 * if the thread entered a system call within 20 us of the copy.
 *
 * Beside it the same threads under bare signals, one for what would be a look, with a handler that
 * does nothing and SA_RESTART: what a profiler does that does not mind. And under looks by perf
 * events, which send no signals, where they are allowed. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "tests/integration/probe/interrupted_work.h"
#include "tests/integration/probe/one_task.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SNAPSHOTS = 100000,
    SIGNALS = 5000,
    BARE_SIGNALS = 20000,
    BARE_GAP_US = 30,
    SECONDS_MAX = 100,
    WAITERS = 3, /* of each kind; one where there are perf events for 16 calls at a time */
    WORKERS_MAX = 64,
};

#define NEAR_NS (20 * NS_PER_US)

static const struct one_task task = { .interface = "work", .threshold_ms = 5, .frequency_ms = 1 };
static struct worker workers[WORKERS_MAX];
static pthread_t threads[WORKERS_MAX];
static uint32_t worker_count;
static uint64_t wall_ahead_ns;
static _Atomic uint64_t seen_running, seen_near;

static struct worker *worker_of(uint32_t tid)
{
    for (uint32_t i = 0; i < worker_count; i++) {
        if (atomic_load(&workers[i].tid) == tid) return &workers[i];
    }
    return NULL;
}

static void on_sample(void *context, struct sample *take_sample)
{
    const struct worker *worker = worker_of(take_sample->thread_id);

    (void)context;
    for (uint32_t i = 0; worker && i < take_sample->snapshot_count; i++) {
        const struct snapshot *snapshot = &take_sample->snapshots[i];

        if (snapshot->syscall != SYSCALL_NONE) continue;
        atomic_fetch_add(&seen_running, 1);
        if (work_was_near_entry(
                worker, take_sample->began_wall_ns - wall_ahead_ns + snapshot->offset_ns, NEAR_NS))
            atomic_fetch_add(&seen_near, 1);
    }
    one_task_accept(take_sample);
    sample_free(take_sample);
}

/* ---- the threads ---- */

/* `waiters`: threads of each kind that waits. Without `others` there are only kinds that are
 * repaired. */
static void workers_start(int waiters, bool others)
{
    stakeout_interface_id interface = one_task_arm(&task);

    memset(workers, 0, sizeof workers);
    worker_count = 0;
    for (uint32_t kind = 0; kind < work_kind_count; kind++) {
        if (!others && !work_kinds[kind].is_repaired) continue;
        for (int i = 0; i < (work_kinds[kind].is_stream ? 1 : waiters); i++) {
            struct worker *worker = &workers[worker_count];

            CHECK(worker_count < WORKERS_MAX);
            worker->kind = kind;
            worker->interface = interface;
            CHECK(pthread_create(&threads[worker_count++], NULL, work_main, worker) == 0);
        }
    }
}

static void workers_end(void)
{
    for (uint32_t i = 0; i < worker_count; i++) {
        atomic_store(&workers[i].may_end, true);
        pthread_join(threads[i], NULL);
    }
}

/* Returns how often a host that is repaired saw us. */
static uint64_t print_kind(uint32_t kind)
{
    uint64_t turns = 0, eintr = 0, shorts = 0;

    for (uint32_t i = 0; i < worker_count; i++) {
        if (workers[i].kind != kind) continue;
        turns += workers[i].turns;
        eintr += workers[i].eintr;
        shorts += workers[i].shorts;
    }
    if (turns == 0) return 0;
    printf("  %-16s %9" PRIu64 " calls %6" PRIu64 " EINTR %6" PRIu64 " short",
           work_kinds[kind].name, turns, eintr, shorts);
    printf("  %.4f %%%s\n", 100.0 * (double)(eintr + shorts) / (double)turns,
           work_kinds[kind].is_repaired ? "" : ", not repaired");
    return work_kinds[kind].is_repaired ? eintr + shorts : 0;
}

static uint64_t print_kinds(void)
{
    uint64_t harmed = 0;

    for (uint32_t kind = 0; kind < work_kind_count; kind++) {
        harmed += print_kind(kind);
    }
    return harmed;
}

/* ---- bare signals ---- */

static void on_bare(int number)
{
    (void)number;
}

static void bare_run(void)
{
    struct sigaction action = { .sa_handler = on_bare, .sa_flags = SA_RESTART };
    uint64_t harmed;

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    workers_start(WAITERS, true);
    for (uint32_t i = 0; i < BARE_SIGNALS; i++) {
        uint32_t tid = atomic_load(&workers[i % worker_count].tid);

        if (tid != 0) syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
        nanosleep(&(struct timespec){ .tv_nsec = BARE_GAP_US * 1000 }, NULL);
    }
    workers_end();
    printf("%d bare signals, one for a look:\n", BARE_SIGNALS);
    harmed = print_kinds();
    printf("EINTR and short transfers in what we repair: %" PRIu64 "\n\n", harmed);
}

/* ---- looks ---- */

static bool has_enough(const struct ledger *ledger, enum sampler_engine engine, uint64_t wanted)
{
    uint64_t of_running = engine == SAMPLER_ENGINE_PERF ? ledger->perf : ledger->signals;

    return ledger->snapshots >= wanted && of_running >= SIGNALS * wanted / SNAPSHOTS;
}

static void looks_run(enum sampler_engine engine, uint64_t wanted)
{
    struct sampler_options options = { .on_sample = on_sample,
                                       .engine = engine,
                                       .thread_files_max = THREAD_FILES_HELD };
    struct ledger ledger;
    bool is_enough = false;
    uint64_t harmed;

    CHECK(one_task_start(&options) == 0);
    if (engine == SAMPLER_ENGINE_SIGNAL)
        workers_start(WAITERS, true);
    else
        workers_start(1, false);
    for (int i = 0; i < 10 * SECONDS_MAX && !is_enough; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000000 }, NULL);
        ledger = one_task_ledger();
        is_enough = has_enough(&ledger, engine, wanted);
    }
    workers_end();
    ledger = one_task_ledger();
    printf("%" PRIu64 " snapshots: %" PRIu64 " by signal, %" PRIu64 " by perf event, %" PRIu64
           " read, %" PRIu64 " repeats; counted as interrupted: %" PRIu64 "\n",
           ledger.snapshots, ledger.signals, ledger.perf, ledger.reads, ledger.repeats,
           ledger.interrupted);
    for (int drop = 0; drop < SNAPSHOT_DROP_COUNT; drop++) {
        if (ledger.snapshot_drops[drop] == 0) continue;
        printf("  %" PRIu64 " dropped: %s\n", ledger.snapshot_drops[drop],
               snapshot_drop_slug((enum snapshot_drop)drop));
    }
    harmed = print_kinds();
    if (engine == SAMPLER_ENGINE_SIGNAL)
        printf("%.0f %% of the signals within 20 us of an entry\n",
               seen_running > 0 ? 100.0 * (double)seen_near / (double)seen_running : 0.0);
    printf("EINTR and short transfers added to what is repaired: %" PRIu64 ", bar 0: %s\n\n",
           harmed,
           harmed > 0  ? "missed"
           : is_enough ? "met"
                       : "undecided: too few snapshots");
    sampler_stop();
}

int main(int argc, char **argv)
{
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : SNAPSHOTS;

    CHECK(work_open() == 0);
    wall_ahead_ns = clock_wall_ns() - clock_monotonic_ns();
    bare_run();
    looks_run(SAMPLER_ENGINE_SIGNAL, wanted);
    looks_run(SAMPLER_ENGINE_PERF, wanted);
    work_close();
    return 0;
}
