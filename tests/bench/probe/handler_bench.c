/* SPDX-License-Identifier: Apache-2.0 */
/* handler_bench.c [PAIRS]: the handler's own work at 30 frames, against a memcpy of the same bytes.
 *
 * The work is what the handler reports of itself, from its first instruction to the loan's return.
 * Both write into memory that is in no cache: snapshots are milliseconds apart. A measurement is
 * the median of some; the p99 is of all. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "tests/bench/pairs.h"
#include "tests/bench/probe/spinner.h"

#include <emmintrin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAIRS = 60, COPIES = 25, LINE = 64, ALL_MAX = PAIRS_COUNT_MAX * COPIES };

#define P99_NS_BAR 5000.0

static double all[ALL_MAX];
static uint32_t all_count;
static uint32_t copied_size;
static unsigned char target[STACK_COPY_SIZE_MAX], source[STACK_COPY_SIZE_MAX];

static void flush(const unsigned char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += LINE) {
        _mm_clflush(bytes + at);
    }
    _mm_mfence();
}

static double handler_once(struct spinner *spinner)
{
    int loan;
    double ns;

    for (int i = 0; i < STACK_COPIES_MAX; i++) {
        flush(loan_bytes(i), STACK_COPY_SIZE_MAX / 4);
    }
    loan = spinner_ask(spinner);
    while (!loan_is_back(loan)) {
        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    }
    CHECK(hot.loans[loan].outcome == LOAN_COPIED);
    copied_size = hot.loans[loan].size;
    ns = (double)ticks_to_ns(hot.loans[loan].pause_ticks);
    loan_return(loan);
    if (all_count < ALL_MAX) all[all_count++] = ns;
    return ns;
}

static double measure_handler(void *context)
{
    double values[COPIES];

    for (int i = 0; i < COPIES; i++) {
        values[i] = handler_once(context);
    }
    return pairs_quantile(values, COPIES, 0.5);
}

static double measure_memcpy(void *context)
{
    double values[COPIES];

    (void)context;
    for (int i = 0; i < COPIES; i++) {
        uint64_t began;

        flush(target, copied_size);
        began = ticks_now();
        memcpy(target, source, copied_size);
        __asm__ volatile("" : : "r"(target) : "memory");
        values[i] = (double)ticks_to_ns(ticks_now() - began);
    }
    return pairs_quantile(values, COPIES, 0.5);
}

/* What the handler leaves out where it was told: the one system call that it has. */
static double cpu_clock_costs_ns(void)
{
    double values[COPIES];

    for (int i = 0; i < COPIES; i++) {
        uint64_t began = ticks_now();

        (void)clock_thread_cpu_ns();
        values[i] = (double)ticks_to_ns(ticks_now() - began);
    }
    return pairs_quantile(values, COPIES, 0.5);
}

int main(int argc, char **argv)
{
    uint32_t pairs = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : PAIRS;
    struct pairs_ratio ratio;
    struct spinner spinner;
    double p99;

    CHECK(memory_open(true) == 0);
    CHECK(stack_copy_open(SIGURG) == 0);
    memset(source, 1, sizeof source);
    spinner_start(&spinner, 30, -1);
    pairs_run(&(struct pairs_options){ .subject = measure_handler,
                                       .yardstick = measure_memcpy,
                                       .context = &spinner,
                                       .count = pairs },
              &ratio);
    pairs_print("the handler's own work at 30 frames against memcpy, cold, ns", &ratio, 2.0);
    p99 = pairs_quantile(all, all_count, 0.99);
    printf("  %u bytes; p99 of %u copies %.0f ns, bar %.0f: %s\n", copied_size, all_count, p99,
           P99_NS_BAR, p99 <= P99_NS_BAR ? "met" : "missed");
    printf("  and %.0f ns to read the thread's CPU clock, where it was not seen on a CPU before\n",
           cpu_clock_costs_ns());
    spinner_stop(&spinner);
    return 0;
}
