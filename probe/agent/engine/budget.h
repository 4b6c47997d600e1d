/* SPDX-License-Identifier: Apache-2.0 */
/* budget.h: what watching and looking may cost the host, and how much rarer looks become for it.
 *
 *     budget_set(&budget, core_ppm, thread_ppm)
 *     budget_account(&budget, now_ns, spent_ns)              a reading of what was spent so far
 *     budget_plan(&budget, now_ns, wanted_ppm)               now and then: sets the stretch
 *     interval_ns = budget_interval_ns(&budget, ordered_ns)
 *     if (budget_covers(&budget, cost_ns)) ... look ...      else budget_wait_ns()
 *     if (budget_thread_covers(&budget, tid, now_ns, pause_ns)) ... send the signal ...
 *     budget_thread_spend(&budget, tid, now_ns, pause_ns)   it came back
 *
 * Two bounds, in millionths; BUDGET_NONE is none:
 *   core_ppm    of one core: the sampler's thread, and what our handlers take from the host's
 *   thread_ppm  of any one thread's time: pauses for our handler
 *
 * Two steps keep the first. The plan: intervals of all listenings are stretched by the same factor,
 * so that what they want fits, as soon as the allowance is less than half full. The guard: an
 * allowance (allowance.h, with the proof) that a look must be covered by, whatever the plan
 * expected. The first snapshot of a call is taken in any case, and spent.
 *
 * What is spent once, on tables of modules and names of functions, by threads that give way to all
 * others, is none of it: the first slow calls of a process would pay with their snapshots.
 *
 * The second has its guard alone, one allowance for each thread that was paused lately.
 *
 * Values only: no clocks. Threads: the sampler's, under its lock. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_BUDGET_H
#define STAKEOUT_PROBE_AGENT_ENGINE_BUDGET_H

#include "probe/agent/engine/allowance.h"

#include <limits.h>

enum {
    BUDGET_CORE_PPM_DEFAULT = 10000,  /* 1 % */
    BUDGET_THREAD_PPM_DEFAULT = 5000, /* 0.5 % */
    BUDGET_THREADS = 256,             /* that were paused in the last seconds */
};

#define BUDGET_NONE UINT32_MAX

struct budget_thread {
    uint32_t tid; /* of the thread; 0: nobody's */
    struct allowance allowance;
};

struct budget {
    uint32_t core_ppm, thread_ppm;
    struct allowance core;
    bool is_begun;
    uint64_t spent_ns;         /* the reading, as of the last account */
    uint64_t planned_at_ns;    /* when the stretch was set, */
    uint64_t planned_spent_ns; /* and what had been spent by then, */
    uint64_t looks_ns;         /* and, since, on looks */
    uint32_t stretch_milli;    /* 1000: intervals are as ordered */
    bool is_core_bound;        /* the core's bound was the last to be met, not a thread's */
    struct budget_thread threads[BUDGET_THREADS];
};

/* 0: the default. What was spent so far stays spent. */
void budget_set(struct budget *budget, uint32_t core_ppm, uint32_t thread_ppm);

/* The reading only ever grows. What was spent before the first account does not count. */
void budget_account(struct budget *budget, uint64_t now_ns, uint64_t spent_ns);

bool budget_covers(const struct budget *budget, uint64_t cost_ns);
uint64_t budget_wait_ns(const struct budget *budget, uint64_t cost_ns);

/* Is half of it still there? What can wait, waits for that. */
bool budget_is_half_full(const struct budget *budget);

/* So much of what is spent goes to looks; the rest is what watching takes. */
static inline void budget_looked(struct budget *budget, uint64_t cost_ns)
{
    budget->looks_ns += cost_ns;
}

/* Is it time for a plan? */
bool budget_plan_is_due(const struct budget *budget, uint64_t now_ns);

/* wanted_ppm: what looks would take of a core at the ordered intervals. */
void budget_plan(struct budget *budget, uint64_t now_ns, uint64_t wanted_ppm);

/* A stretched interval, in whole milliseconds; or what was ordered. */
uint64_t budget_interval_ns(const struct budget *budget, uint64_t ordered_ns);

bool budget_thread_covers(struct budget *budget, uint32_t tid, uint64_t now_ns, uint64_t pause_ns);
uint64_t budget_thread_wait_ns(struct budget *budget, uint32_t tid, uint64_t now_ns,
                               uint64_t pause_ns);
void budget_thread_spend(struct budget *budget, uint32_t tid, uint64_t now_ns, uint64_t pause_ns);

#endif
