/* SPDX-License-Identifier: Apache-2.0 */
/* fork_gate.c: two counts, each raised before the other is read.
 *
 * We raise `inside`, then look for forks; a fork raises `forks`, then looks for us. Both in
 * sequentially consistent order: so one of the two sees the other. The forking thread's wait is
 * bounded, because a thread of ours may itself wait for a lock of the loader that the forking
 * thread holds. */
#include "probe/agent/base/fork_gate.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define LOOK_NS 50000L

static _Atomic uint32_t inside, forks;
static _Atomic bool is_open; /* outlives forks, as the handlers do */

static void look_again_soon(void)
{
    int error = errno;

    nanosleep(&(struct timespec){ .tv_nsec = LOOK_NS }, NULL);
    errno = error;
}

static void on_fork(void)
{
    uint64_t deadline_ns = clock_monotonic_ns() + FORK_WAIT_NS_MAX;

    atomic_fetch_add_explicit(&forks, 1, memory_order_seq_cst);
    while (atomic_load_explicit(&inside, memory_order_seq_cst) > 0 &&
           clock_monotonic_ns() < deadline_ns) {
        look_again_soon();
    }
}

static void on_forked_parent(void)
{
    atomic_fetch_sub_explicit(&forks, 1, memory_order_seq_cst);
}

/* Whoever was inside, or forked beside us, is not here. */
static void on_forked_child(void)
{
    atomic_store_explicit(&inside, 0, memory_order_seq_cst);
    atomic_store_explicit(&forks, 0, memory_order_seq_cst);
}

void fork_gate_open(void)
{
    if (atomic_exchange_explicit(&is_open, true, memory_order_relaxed)) return;
    if (pthread_atfork(on_fork, on_forked_parent, on_forked_child) != 0)
        atomic_store_explicit(&is_open, false, memory_order_relaxed);
}

bool fork_gate_enter(void)
{
    atomic_fetch_add_explicit(&inside, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&forks, memory_order_seq_cst) == 0) return true;
    fork_gate_leave();
    return false;
}

void fork_gate_enter_late(void)
{
    while (!fork_gate_enter()) {
        look_again_soon();
    }
}

void fork_gate_leave(void)
{
    atomic_fetch_sub_explicit(&inside, 1, memory_order_seq_cst);
}
