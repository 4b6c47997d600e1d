/* SPDX-License-Identifier: Apache-2.0 */
/* interruptions_test.c: what a host sees of our signals in its system calls: next to nothing,
 * and all of that is counted.
 *
 * The short version of bench_interruptions: every call that would give up with EINTR, and every
 * write in parts, under looks 1 ms apart, until there were enough of signals. Of those that are
 * exact nothing is seen at all, on any machine. */
#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "tests/integration/probe/interrupted_work.h"
#include "tests/integration/probe/one_task.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <pthread.h>
#include <stdlib.h>

enum { SNAPSHOTS_WANTED = 4000, SIGNALS_WANTED = 400, PATIENCE_MS = 60000 };
enum { SIGNALS_PER_INTERRUPTION = 10 }; /* at least; it is thousands */
enum { WAITERS = 3 };

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

struct crew {
    struct worker *workers;
    pthread_t *threads;
    uint32_t count;
};

static void crew_add(struct crew *crew, uint32_t kind, stakeout_interface_id interface)
{
    struct worker *worker = &crew->workers[crew->count];

    *worker = (struct worker){ .kind = kind, .interface = interface };
    assert_int_equal(pthread_create(&crew->threads[crew->count++], NULL, work_main, worker), 0);
}

static void crew_begin(struct crew *crew)
{
    crew->workers = calloc(WAITERS * work_kind_count, sizeof *crew->workers);
    crew->threads = calloc(WAITERS * work_kind_count, sizeof *crew->threads);
    crew->count = 0;
}

/* Returns what they saw of us. */
static uint64_t crew_end(struct crew *crew)
{
    uint64_t seen = 0;

    for (uint32_t i = 0; i < crew->count; i++) {
        const struct worker *worker = &crew->workers[i];

        atomic_store(&crew->workers[i].may_end, true);
        pthread_join(crew->threads[i], NULL);
        seen += worker->eintr + worker->shorts;
        if (work_kinds[worker->kind].is_exact && worker->eintr > 0)
            fail_msg("%s: %lu EINTR", work_kinds[worker->kind].name, worker->eintr);
    }
    free(crew->workers);
    free(crew->threads);
    return seen;
}

static struct ledger ledger_told(uint64_t seen)
{
    struct ledger ledger = one_task_ledger();

    print_message(
        "  %lu snapshots, %lu signals, %lu reads, %lu repeats, %lu interrupted, %lu seen\n",
        ledger.snapshots, ledger.signals, ledger.reads, ledger.repeats, ledger.interrupted, seen);
    return ledger;
}

static void what_a_host_sees_is_rare_and_counted(void **state)
{
    stakeout_interface_id interface = one_task_arm(&task);
    struct ledger ledger;
    struct crew crew;
    uint64_t seen;

    (void)state;
    crew_begin(&crew);
    for (uint32_t kind = 0; kind < work_kind_count; kind++) {
        for (int i = 0; work_kinds[kind].is_repaired && i < WAITERS; i++) {
            crew_add(&crew, kind, interface);
            if (work_kinds[kind].is_stream) break;
        }
    }
    (void)wait_until(has_enough, NULL, PATIENCE_MS);
    seen = crew_end(&crew);
    ledger = ledger_told(seen);
    /* An interruption may have been counted that nobody saw: a wait that was over all the same. */
    assert_in_range(seen, 0, ledger.interrupted);
    assert_in_range(ledger.interrupted, 0, ledger.signals / SIGNALS_PER_INTERRUPTION);
    assert_in_range(ledger.snapshots, SNAPSHOTS_WANTED, UINT64_MAX);
    assert_in_range(ledger.signals, SIGNALS_WANTED, UINT64_MAX);
}

static int setup(void **state)
{
    static const struct sampler_options options = { .on_sample = on_sample,
                                                    .thread_files_max = THREAD_FILES_HELD };

    (void)state;
    if (work_open() < 0) return -1;
    return one_task_start(&options);
}

static int teardown(void **state)
{
    work_close();
    return one_task_stop(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_host_sees_is_rare_and_counted),
    };

    return cmocka_run_group_tests_name("interruptions", tests, setup, teardown);
}
