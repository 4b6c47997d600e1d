/* SPDX-License-Identifier: Apache-2.0 */
/* interruptions_bench.c [SNAPSHOTS]: what a host sees of our signals in its system calls.
 *
 * A thread for each call that gives up with EINTR under any handler, and for each write in parts,
 * looked at every millisecond, until there were 100,000 snapshots, 5,000 of them by signal. Of the
 * four transfers that are not repaired the measured rate is told. A signal was near an entry if the
 * thread entered a system call within 20 us of the copy. */
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

enum { SNAPSHOTS = 100000, SIGNALS = 5000, SECONDS_MAX = 100 };

#define NEAR_NS (20 * NS_PER_US)

static const struct one_task task = { .interface = "work", .threshold_ms = 5, .frequency_ms = 1 };
static struct worker *workers;
static uint64_t wall_ahead_ns;
static _Atomic uint64_t seen_running, seen_near;

static struct worker *worker_of(uint32_t tid)
{
    for (uint32_t i = 0; i < work_kind_count; i++) {
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

static void print_worker(const struct worker *worker)
{
    const struct work_kind *kind = &work_kinds[worker->kind];
    uint64_t harmed = worker->eintr + worker->shorts;

    printf("  %-16s %9" PRIu64 " calls %6" PRIu64 " EINTR %6" PRIu64 " short", kind->name,
           worker->turns, worker->eintr, worker->shorts);
    if (kind->is_repaired) {
        printf("%s\n", harmed == 0 ? "" : "  MISSED");
    } else {
        printf("  rate %.4f %%\n",
               worker->turns > 0 ? 100.0 * (double)harmed / (double)worker->turns : 0);
    }
}

int main(int argc, char **argv)
{
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : SNAPSHOTS, harmed = 0;
    pthread_t *threads = calloc(work_kind_count, sizeof *threads);
    stakeout_interface_id interface;
    struct ledger ledger;
    bool is_enough = false;

    workers = calloc(work_kind_count, sizeof *workers);
    CHECK(workers && threads && work_open() == 0);
    wall_ahead_ns = clock_wall_ns() - clock_monotonic_ns();
    CHECK(one_task_start(&(struct sampler_options){ .on_sample = on_sample,
                                                    .thread_files_max = THREAD_FILES_HELD }) == 0);
    interface = one_task_arm(&task);
    for (uint32_t i = 0; i < work_kind_count; i++) {
        workers[i].kind = i;
        workers[i].interface = interface;
        CHECK(pthread_create(&threads[i], NULL, work_main, &workers[i]) == 0);
    }
    for (int i = 0; i < 10 * SECONDS_MAX && !is_enough; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000000 }, NULL);
        ledger = one_task_ledger();
        is_enough = ledger.snapshots >= wanted && ledger.signals >= SIGNALS * wanted / SNAPSHOTS;
    }
    for (uint32_t i = 0; i < work_kind_count; i++) {
        atomic_store(&workers[i].may_end, true);
        pthread_join(threads[i], NULL);
    }
    ledger = one_task_ledger();
    for (uint32_t i = 0; i < work_kind_count; i++) {
        print_worker(&workers[i]);
        if (work_kinds[i].is_repaired) harmed += workers[i].eintr + workers[i].shorts;
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
    free(workers);
    free(threads);
    return 0;
}
