/* SPDX-License-Identifier: Apache-2.0 */
/* blocked_bench.c: a snapshot of a thread that sleeps at 30 frames, and of one that still does.
 *
 * Whole snapshots as the listener takes them: the system call, the stack, the clock before and
 * after, and the walk; a repeat is the look at the clock alone. Warm; medians of 5 runs. Beside
 * them: what it cost the thread, and how many signals it was sent. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "probe/agent/engine/blocked_stack.h"
#include "probe/agent/unwind/unwind_tables.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "tests/bench/pairs.h"
#include "tests/bench/probe/spinner.h"
#include "tests/support/wait.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 5, SNAPSHOTS = 2000, SETTLE_MS = 50 };

#define SNAPSHOT_NS_BAR 10000.0
#define REPEAT_NS_BAR   500.0

static struct engine engine;

static uint32_t signals_sent(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < STACK_COPIES_MAX; i++) {
        count += atomic_load(&hot.loans[i].sequence);
    }
    return count;
}

static double snapshot_ns(const struct stack_thread *thread, const struct spinner *spinner)
{
    struct sighting sighting = { .stack = { .anchor_sp = spinner->anchor_sp,
                                            .anchor_pc = spinner->anchor_pc } };
    uint64_t began_ns = clock_monotonic_ns();

    CHECK(blocked_stack_read(&engine, thread, thread_cpu_ns(thread->tid), &sighting) == 0);
    blocked_stack_walk(&engine, &sighting);
    return (double)(clock_monotonic_ns() - began_ns);
}

static double repeat_ns(const struct stack_thread *thread, uint64_t clock_ns)
{
    uint64_t began_ns = clock_monotonic_ns();

    CHECK(thread_cpu_ns(thread->tid) == clock_ns);
    return (double)(clock_monotonic_ns() - began_ns);
}

struct meeting {
    const struct stack_thread *thread;
    const struct spinner *spinner;
};

/* Until the tables of all that its stack meets are built. */
static bool has_tables(void *context)
{
    const struct meeting *meeting = context;
    struct unwind_tables_counts counts;

    unwinder_refresh(engine.unwinder);
    (void)snapshot_ns(meeting->thread, meeting->spinner);
    unwind_tables_count(&counts);
    return counts.ordered == 0 && counts.ready > 0;
}

struct figures {
    double medians[RUNS], p99s[RUNS];
};

static void print(const char *says, struct figures *figures, double bar)
{
    double median = pairs_quantile(figures->medians, RUNS, 0.5);

    printf("%s: median %.0f ns, p99 %.0f ns; bar %.0f: %s\n", says, median,
           pairs_quantile(figures->p99s, RUNS, 0.5), bar, median <= bar ? "met" : "missed");
}

int main(void)
{
    static double values[SNAPSHOTS];
    struct figures snapshots, repeats;
    struct pairs_busy before, after;
    struct stack_thread thread;
    struct spinner spinner;
    uint64_t clock_ns;
    int ends[2];

    CHECK(memory_open(true) == 0 && stack_copy_open(SIGURG) == 0 && pipe(ends) == 0);
    CHECK(engine_open(&engine,
                      &(struct sampler_options){ .thread_files_max = THREAD_FILES_HELD }) == 0);
    spinner_start(&spinner, 30, ends[0]);
    nanosleep(&(struct timespec){ .tv_nsec = SETTLE_MS * 1000000 }, NULL);
    thread = (struct stack_thread){
        .tid = spinner.order.tid,
        .slot = spinner.order.slot,
        .pointer = atomic_load(&hot.slots[spinner.order.slot].thread_pointer),
    };
    CHECK(wait_until(has_tables, &(struct meeting){ &thread, &spinner }, 20000));
    clock_ns = thread_cpu_ns(thread.tid);
    before = pairs_busy_read();
    for (int run = 0; run < RUNS; run++) {
        for (int i = 0; i < SNAPSHOTS; i++) {
            values[i] = snapshot_ns(&thread, &spinner);
        }
        snapshots.medians[run] = pairs_quantile(values, SNAPSHOTS, 0.5);
        snapshots.p99s[run] = pairs_quantile(values, SNAPSHOTS, 0.99);
        for (int i = 0; i < SNAPSHOTS; i++) {
            values[i] = repeat_ns(&thread, clock_ns);
        }
        repeats.medians[run] = pairs_quantile(values, SNAPSHOTS, 0.5);
        repeats.p99s[run] = pairs_quantile(values, SNAPSHOTS, 0.99);
    }
    after = pairs_busy_read();
    print("snapshot of a blocked thread, 30 frames, with unwinding, warm", &snapshots,
          SNAPSHOT_NS_BAR);
    print("repeat of it", &repeats, REPEAT_NS_BAR);
    printf("  %u frames%s; %d snapshots took %" PRIu64 " ns of the thread's CPU time and %u "
           "signals; others took %.0f %%\n",
           engine.walk.count, engine.walk.is_complete ? ", whole" : "", RUNS * SNAPSHOTS,
           thread_cpu_ns(thread.tid) - clock_ns, signals_sent(),
           100 * pairs_busy_others(&before, &after));
    CHECK(write(ends[1], "x", 1) == 1);
    spinner_stop(&spinner);
    engine_close(&engine);
    return 0;
}
