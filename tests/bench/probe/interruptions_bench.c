/* SPDX-License-Identifier: Apache-2.0 */
/* interruptions_bench.c [SNAPSHOTS]: what a host sees of our signals in its system calls.
 *
 * Threads for each call that gives up with EINTR under any handler, and one for each write in
 * parts, looked at every millisecond, until there were 100,000 snapshots, 5,000 of them by signal.
 * Of the four transfers that are not repaired the measured rate is told. A signal was near an entry
 * if the thread entered a system call within 20 us of the copy. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "tests/integration/probe/interrupted_work.h"
#include "tests/integration/probe/one_task.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SNAPSHOTS = 100000, SIGNALS = 5000, SECONDS_MAX = 100, WAITERS = 3, WORKERS_MAX = 64 };

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

static void workers_start(void)
{
    stakeout_interface_id interface = one_task_arm(&task);

    for (uint32_t kind = 0; kind < work_kind_count; kind++) {
        for (int i = 0; i < (work_kinds[kind].is_stream ? 1 : WAITERS); i++) {
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
    printf("  %-16s %9" PRIu64 " calls %6" PRIu64 " EINTR %6" PRIu64 " short",
           work_kinds[kind].name, turns, eintr, shorts);
    if (work_kinds[kind].is_repaired) {
        printf("%s\n", eintr + shorts == 0 ? "" : "  MISSED");
        return eintr + shorts;
    }
    printf("  rate %.4f %%\n", turns > 0 ? 100.0 * (double)(eintr + shorts) / (double)turns : 0);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : SNAPSHOTS, harmed = 0;
    struct ledger ledger;
    bool is_enough = false;

    CHECK(work_open() == 0);
    wall_ahead_ns = clock_wall_ns() - clock_monotonic_ns();
    CHECK(one_task_start(&(struct sampler_options){ .on_sample = on_sample,
                                                    .thread_files_max = THREAD_FILES_HELD }) == 0);
    workers_start();
    for (int i = 0; i < 10 * SECONDS_MAX && !is_enough; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000000 }, NULL);
        ledger = one_task_ledger();
        is_enough = ledger.snapshots >= wanted && ledger.signals >= SIGNALS * wanted / SNAPSHOTS;
    }
    workers_end();
    ledger = one_task_ledger();
    for (uint32_t kind = 0; kind < work_kind_count; kind++) {
        harmed += print_kind(kind);
    }
    printf("%" PRIu64 " snapshots: %" PRIu64 " by signal, %" PRIu64 " read, %" PRIu64
           " repeats; %.0f %% of the signals within 20 us of an entry; counted as interrupted: "
           "%" PRIu64 "\n",
           ledger.snapshots, ledger.signals, ledger.reads, ledger.repeats,
           seen_running > 0 ? 100.0 * (double)seen_near / (double)seen_running : 0.0,
           ledger.interrupted);
    printf("EINTR and short transfers added to what is repaired: %" PRIu64 ", bar 0: %s\n", harmed,
           harmed > 0  ? "missed"
           : is_enough ? "met"
                       : "undecided: too few snapshots");
    sampler_stop();
    work_close();
    return 0;
}
