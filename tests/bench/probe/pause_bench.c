/* SPDX-License-Identifier: Apache-2.0 */
/* pause_bench.c [PAIRS]: how long a snapshot holds up a running thread, against a bare signal.
 *
 * The thread spins at a depth of 30 or 120 frames. A pause is the gap that it sees in its own
 * clock; a measurement is the median of some signals. The bare signal is another one, sent by the
 * same call and handled by a function that does nothing. */
#include "common/base/check.h"
#include "probe/hot/memory.h"
#include "tests/bench/pairs.h"
#include "tests/bench/probe/spinner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAIRS = 60, SIGNALS = 15 };

static void on_bare(int number)
{
    (void)number;
}

static void send_bare(struct spinner *spinner)
{
    siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };

    info.si_pid = getpid();
    CHECK(syscall(SYS_rt_tgsigqueueinfo, (long)getpid(), (long)spinner->order.tid, (long)SIGUSR1,
                  &info) == 0);
}

static int lent = -1;

static void send_ours(struct spinner *spinner)
{
    lent = spinner_ask(spinner);
}

static double median_of(struct spinner *spinner, void (*send)(struct spinner *))
{
    double pauses[SIGNALS];

    for (int i = 0; i < SIGNALS; i++) {
        pauses[i] = spinner_pause_ns(spinner, send);
        if (lent >= 0) {
            while (!loan_is_back(lent)) {
            }
            CHECK(hot.loans[lent].outcome == LOAN_COPIED);
            loan_return(lent);
            lent = -1;
        }
    }
    return pairs_quantile(pauses, SIGNALS, 0.5);
}

static double measure_ours(void *context)
{
    return median_of(context, send_ours);
}

static double measure_bare(void *context)
{
    return median_of(context, send_bare);
}

static void bench(uint32_t frames, double bar, uint32_t pairs)
{
    struct spinner spinner;
    struct pairs_ratio ratio;
    char says[64];

    spinner_start(&spinner, frames, -1);
    pairs_run(&(struct pairs_options){ .subject = measure_ours,
                                       .yardstick = measure_bare,
                                       .context = &spinner,
                                       .count = pairs },
              &ratio);
    snprintf(says, sizeof says, "pause of a running thread, %u frames, ns", frames);
    pairs_print(says, &ratio, bar);
    spinner_stop(&spinner);
}

int main(int argc, char **argv)
{
    uint32_t pairs = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : PAIRS;
    struct sigaction bare = { .sa_handler = on_bare, .sa_flags = SA_RESTART | SA_ONSTACK };

    CHECK(sigaction(SIGUSR1, &bare, NULL) == 0);
    CHECK(memory_open(true) == 0);
    CHECK(stack_copy_open(SIGURG) == 0);
    bench(30, 1.10, pairs);
    bench(120, 1.15, pairs);
    return 0;
}
