/* SPDX-License-Identifier: Apache-2.0 */
/* interruptions_test.c: what a host sees of our signals in its system calls: next to nothing,
 * and all of that is counted.
 *
 * The short version of bench_interruptions: every call that would give up with EINTR, and every
 * write in parts, under looks 1 ms apart, until there were enough of signals. */
#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "tests/integration/probe/interrupted_work.h"
#include "tests/integration/probe/one_task.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SNAPSHOTS_WANTED = 4000, SIGNALS_WANTED = 400, PATIENCE_MS = 60000 };
enum { SIGNALS_PER_INTERRUPTION = 10 }; /* at least; it is about a hundred */

static const struct one_task task = { .interface = "work", .threshold_ms = 5, .frequency_ms = 1 };

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    one_task_accept(take_sample);
    sample_free(take_sample);
}

static bool has_enough(void *context)
{
    struct ledger ledger = one_task_ledger();

    (void)context;
    return ledger.snapshots >= SNAPSHOTS_WANTED && ledger.signals >= SIGNALS_WANTED;
}

static void what_a_host_sees_is_rare_and_counted(void **state)
{
    struct worker *workers = calloc(work_kind_count, sizeof *workers);
    pthread_t *threads = calloc(work_kind_count, sizeof *threads);
    stakeout_interface_id interface = one_task_arm(&task);
    struct ledger ledger;
    uint64_t seen = 0;
    uint32_t count = 0;

    (void)state;
    assert_int_equal(work_open(), 0);
    for (uint32_t kind = 0; kind < work_kind_count; kind++) {
        if (!work_kinds[kind].is_repaired) continue;
        workers[count] = (struct worker){ .kind = kind, .interface = interface };
        assert_int_equal(pthread_create(&threads[count], NULL, work_main, &workers[count]), 0);
        count++;
    }
    (void)wait_until(has_enough, NULL, PATIENCE_MS);
    for (uint32_t i = 0; i < count; i++) {
        atomic_store(&workers[i].may_end, true);
        pthread_join(threads[i], NULL);
    }
    ledger = one_task_ledger();
    print_message("  %lu snapshots, %lu signals, %lu reads, %lu repeats, %lu interrupted\n",
                  ledger.snapshots, ledger.signals, ledger.reads, ledger.repeats,
                  ledger.interrupted);
    for (uint32_t i = 0; i < count; i++) {
        seen += workers[i].eintr + workers[i].shorts;
    }
    /* An interruption may have been counted that nobody saw: a wait that was over all the same. */
    assert_in_range(seen, 0, ledger.interrupted);
    assert_in_range(ledger.interrupted, 0, ledger.signals / SIGNALS_PER_INTERRUPTION);
    assert_in_range(ledger.snapshots, SNAPSHOTS_WANTED, UINT64_MAX);
    assert_in_range(ledger.signals, SIGNALS_WANTED, UINT64_MAX);
    work_close();
    free(workers);
    free(threads);
}

static int setup(void **state)
{
    static const struct sampler_options options = { .on_sample = on_sample,
                                                    .thread_files_max = THREAD_FILES_HELD };

    (void)state;
    return one_task_start(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_host_sees_is_rare_and_counted),
    };

    return cmocka_run_group_tests_name("interruptions", tests, setup, one_task_stop);
}
