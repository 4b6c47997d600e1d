/* SPDX-License-Identifier: Apache-2.0 */
/* errand.c: one word per errand, on which its starter sleeps.
 *
 *     NEW --errand_run()--> RUNS --its thread--> DONE
 *
 * DONE is stored with release, after all that run() wrote; a state RUNS of another process is that
 * of a parent, whose thread is not here. */
#include "probe/agent/base/errand.h"

#include "common/base/clock.h"
#include "probe/agent/base/fork_gate.h"
#include "probe/agent/base/thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum errand_state { ERRAND_NEW, ERRAND_RUNS, ERRAND_DONE };

static uint32_t state_of(const struct errand *errand)
{
    uint32_t state = atomic_load_explicit(&errand->state, memory_order_acquire);
    pid_t pid = atomic_load_explicit(&errand->pid, memory_order_relaxed);

    return state == ERRAND_RUNS && pid != getpid() ? ERRAND_NEW : state;
}

bool errand_is_done(const struct errand *errand)
{
    return atomic_load_explicit(&errand->state, memory_order_acquire) == ERRAND_DONE;
}

bool errand_is_under_way(const struct errand *errand)
{
    return state_of(errand) == ERRAND_RUNS;
}

static void *errand_main(void *argument)
{
    struct errand *errand = argument;

    thread_name("stakeout-errand");
    fork_gate_enter_late();
    errand->run();
    fork_gate_leave();
    atomic_store_explicit(&errand->state, ERRAND_DONE, memory_order_release);
    syscall(SYS_futex, &errand->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return NULL;
}

/* The kernel sleeps only while the word is as it was; what wakes us early is looked at again. */
static void await(struct errand *errand, uint64_t patience_ns)
{
    uint64_t deadline_ns = clock_monotonic_ns() + patience_ns, now_ns;

    while (!errand_is_done(errand) && (now_ns = clock_monotonic_ns()) < deadline_ns) {
        struct timespec left = ns_to_timespec(deadline_ns - now_ns);

        syscall(SYS_futex, &errand->state, FUTEX_WAIT_PRIVATE, ERRAND_RUNS, &left, NULL, 0);
    }
}

void errand_run(struct errand *errand, void (*run)(void), uint64_t patience_ns)
{
    pthread_t thread;

    if (state_of(errand) != ERRAND_NEW) return;
    errand->run = run;
    atomic_store_explicit(&errand->pid, getpid(), memory_order_relaxed);
    atomic_store_explicit(&errand->state, ERRAND_RUNS, memory_order_release);
    if (thread_start(&thread, errand_main, errand) < 0) {
        atomic_store_explicit(&errand->state, ERRAND_NEW, memory_order_release);
        return;
    }
    await(errand, patience_ns);
    if (errand_is_done(errand))
        pthread_join(thread, NULL);
    else
        pthread_detach(thread);
}
