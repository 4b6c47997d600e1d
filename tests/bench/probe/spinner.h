/* SPDX-License-Identifier: Apache-2.0 */
/* spinner.h: a thread that runs at a depth, in a call, and notices how long it was held up.
 *
 *     spinner_start(&spinner, 30);
 *     pause = spinner_pause_ns(&spinner, send, context);      of one signal
 *     spinner_stop(&spinner);
 *
 * What held it up is the longest gap between two readings of its clock. */
#ifndef STAKEOUT_TESTS_BENCH_PROBE_SPINNER_H
#define STAKEOUT_TESTS_BENCH_PROBE_SPINNER_H

#include "probe/hot/stack_copy.h"

#include <pthread.h>

struct spinner {
    pthread_t thread;
    uint32_t frames;         /* it is that deep when it spins, or sleeps */
    int sleeps_on;           /* a descriptor that it waits for; -1: it spins */
    struct loan_order order; /* for a copy of its stack */
    uint64_t anchor_sp, anchor_pc;
    _Atomic bool is_there, may_end;
    _Atomic uint64_t gap_ticks; /* the longest since it was set to 0 */
};

void spinner_start(struct spinner *spinner, uint32_t frames, int sleeps_on);
void spinner_stop(struct spinner *spinner);

/* Asks for a copy, as the sampler asks a thread that it just saw on a CPU. Returns the loan. */
int spinner_ask(struct spinner *spinner);

/* How long one signal that `send` sends holds it up. */
double spinner_pause_ns(struct spinner *spinner, void (*send)(struct spinner *spinner));

#endif
