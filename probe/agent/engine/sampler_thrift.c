/* SPDX-License-Identifier: Apache-2.0 */
/* sampler_thrift.c: what the sampler spends, and what the budget says to it.
 *
 * Readings of the thread's own CPU clock behind looks tell what each costs. One such reading takes
 * longer than the cheapest look, at a thread that did not run: looks that were quick by the ticks
 * are taken at that, and read together. What a
 * handler takes from the host's thread it says itself (its ticks). What the kernel takes to bring a
 * signal there and back nobody sees: that is estimated from signals to ourselves, tried at start. A
 * thread that runs on another CPU was held up for 9 us where such a try took 1.7: interrupt, frame
 * and return make six of them. */
#include "probe/agent/base/filters.h"
#include "probe/agent/engine/sampler_state.h"
#include "probe/hot/ticks.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    TRIES = 31,
    FROM_AFAR = 6,     /* times what a try takes */
    SIGNAL_NS = 10000, /* where that cannot be tried */
    PPM_PER_PERCENT = 10000,
    UNREAD_NS_MAX = 30000, /* of looks: by no more than that is an allowance passed */
};

uint64_t sampler_spent_ns(void)
{
    uint64_t handlers = atomic_load_explicit(&hot.handler_ticks, memory_order_relaxed);
    uint64_t thread = sampler.is_running ? thread_cpu_ns(sampler.tid) : 0;

    return sampler.cpu_before_ns + thread + ticks_to_ns(handlers) +
           sampler.engine.signal_count * sampler.engine.signal_ns +
           sampler.engine.perf.pause_count * sampler.engine.perf.pause_ns;
}

/* ---- signals ---- */

static void sort(uint64_t *values, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint64_t value = values[i];
        uint32_t at = i;

        for (; at > 0 && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
}

/* The median of some signals to ourselves, which are taken without their handler: it might be the
 * host's, and this thread is no place for that. 0: they cannot be sent. */
static uint64_t signal_try_ns(int number)
{
    const struct timespec at_once = { 0 };
    uint64_t tries[TRIES];
    sigset_t ours;

    if (!filters_allow_signals() || !filters_allow(TRIED_rt_sigtimedwait)) return 0;
    sigemptyset(&ours);
    sigaddset(&ours, number);
    for (uint32_t i = 0; i < TRIES; i++) {
        siginfo_t info = { .si_signo = number, .si_code = SI_QUEUE };
        uint64_t begin_ns = clock_monotonic_ns();

        info.si_pid = getpid();
        if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), number, &info) != 0) return 0;
        if (sigtimedwait(&ours, &info, &at_once) < 0) return 0;
        tries[i] = clock_monotonic_ns() - begin_ns;
    }
    sort(tries, TRIES);
    return tries[TRIES / 2];
}

void thrift_begin(void)
{
    uint64_t try_ns = stack_copy_signal() != 0 ? signal_try_ns(stack_copy_signal()) : 0;

    pthread_mutex_lock(&sampler.lock);
    sampler.engine.signal_ns = try_ns > 0 ? FROM_AFAR * try_ns : SIGNAL_NS;
    perf_engine_prove(&sampler.engine.perf, sampler.engine.stack, sizeof sampler.engine.stack);
    pthread_mutex_unlock(&sampler.lock);
}

/* ---- the core ---- */

static void give(struct listening *listening, uint64_t cost_ns)
{
    listening->pace.spent_ns += cost_ns;
    budget_looked(&sampler.engine.budget, cost_ns);
}

void thrift_account(struct listening *listening)
{
    struct budget *budget = &sampler.engine.budget;
    uint64_t known_ns = budget->spent_ns + sampler.unread_ns, spent_ns = sampler_spent_ns();

    budget_account(budget, clock_monotonic_ns(), spent_ns);
    sampler.unread_ns = 0;
    if (listening && spent_ns > known_ns) give(listening, spent_ns - known_ns);
}

void thrift_looked(struct listening *listening, uint64_t began_ticks)
{
    uint64_t took_ns = ticks_to_ns(ticks_now() - began_ticks);

    if (sampler.unread_ns + took_ns > UNREAD_NS_MAX) {
        thrift_account(listening);
    } else {
        sampler.unread_ns += took_ns;
        give(listening, took_ns);
    }
}

void thrift_plan(uint64_t now_ns)
{
    struct budget *budget = &sampler.engine.budget;
    uint64_t wanted_ppm = 0;

    if (!budget_plan_is_due(budget, now_ns)) return;
    for (uint32_t i = 0; i < sampler.listening_end; i++) {
        const struct listening *listening = &sampler.listenings[i];

        if (listening_is_slow(listening))
            wanted_ppm += pace_cost_ns(&listening->pace) * (100 * PPM_PER_PERCENT) /
                          listening->draft.builder.interval_ns;
    }
    budget_plan(budget, now_ns, wanted_ppm);
}

bool thrift_covers(struct listening *listening, uint64_t now_ns)
{
    const struct budget *budget = &sampler.engine.budget;
    uint64_t cost_ns = pace_cost_ns(&listening->pace);

    /* A quick event that is not looked at costs more than the look. */
    if (draft_is_new(&listening->draft) || perf_watch_is_quick(&listening->perf)) return true;
    if (budget_covers(budget, cost_ns)) return true;
    listening_put_off(listening, now_ns + budget_wait_ns(budget, cost_ns) + NS_PER_MS);
    return false;
}

/* ---- the task log ---- */

void thrift_tell(struct watch *watch)
{
    const struct budget *budget = &sampler.engine.budget;
    uint64_t stretched_ns = watch->counts.stretched_ns;
    char *says;

    /* By a quarter at least: a log of each step would say nothing. */
    if (stretched_ns <= watch->told_stretched_ns + watch->told_stretched_ns / 4) return;
    says = outbox_saying(sampler.outbox);
    if (!says) return;
    watch->told_stretched_ns = stretched_ns;
    snprintf(says, OUTBOX_SAYING_SIZE,
             "every %" PRIu64 " ms, stretched to %" PRIu64 " ms to stay within the budget of %s",
             watch->order.frequency_ns / NS_PER_MS, stretched_ns / NS_PER_MS,
             budget->is_core_bound ? "a core" : "a thread");
    sampler_tell(watch, TASK_EVENT_STRETCHED, says, 1);
}
