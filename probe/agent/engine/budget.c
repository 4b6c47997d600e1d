/* SPDX-License-Identifier: Apache-2.0 */
/* budget.c: the plan and the guards.
 *
 * INVARIANTS
 *
 * (1) Nothing is covered that the allowance does not cover: the plan may be wrong, the bound holds.
 * (2) A thread's allowance is forgotten only when it is full, as a new one is; while there is no
 *     place for one more, nothing that asks is covered. */
#include "probe/agent/engine/budget.h"

#include <string.h>

enum {
    STRETCH_NONE = 1000,
    STRETCH_MAX = 1000 * STRETCH_NONE,
    BURDEN_MAX = 2,  /* of what comes with a look, in looks */
    SHRINK_PART = 8, /* a plan comes down by an eighth at most */
    PPM = 1000000,
    PROBES = 16, /* places that a thread's allowance may have */
};

#define PLAN_INTERVAL_NS (100 * NS_PER_MS)

void budget_set(struct budget *budget, uint32_t core_ppm, uint32_t thread_ppm)
{
    budget->core_ppm = core_ppm != 0 ? core_ppm : BUDGET_CORE_PPM_DEFAULT;
    budget->thread_ppm = thread_ppm != 0 ? thread_ppm : BUDGET_THREAD_PPM_DEFAULT;
    if (budget->core_ppm != BUDGET_NONE && budget->core_ppm > PPM) budget->core_ppm = PPM;
    if (budget->thread_ppm != BUDGET_NONE && budget->thread_ppm > PPM) budget->thread_ppm = PPM;
    if (budget->stretch_milli == 0 || budget->core_ppm == BUDGET_NONE)
        budget->stretch_milli = STRETCH_NONE;
}

void budget_account(struct budget *budget, uint64_t now_ns, uint64_t spent_ns)
{
    uint64_t grown_ns = spent_ns > budget->spent_ns ? spent_ns - budget->spent_ns : 0;

    if (!budget->is_begun) {
        budget->is_begun = true;
        budget->planned_spent_ns = spent_ns;
        grown_ns = 0;
    }
    budget->spent_ns = spent_ns;
    if (budget->core_ppm == BUDGET_NONE) return;
    allowance_refill(&budget->core, budget->core_ppm, now_ns);
    allowance_spend(&budget->core, budget->core_ppm, grown_ns);
}

bool budget_covers(const struct budget *budget, uint64_t cost_ns)
{
    return budget->core_ppm == BUDGET_NONE ||
           allowance_covers(&budget->core, budget->core_ppm, cost_ns);
}

uint64_t budget_wait_ns(const struct budget *budget, uint64_t cost_ns)
{
    if (budget->core_ppm == BUDGET_NONE) return 0;
    return allowance_wait_ns(&budget->core, budget->core_ppm, cost_ns);
}

bool budget_is_half_full(const struct budget *budget)
{
    return budget->core_ppm == BUDGET_NONE ||
           budget->core.level_ns >= allowance_full_ns(budget->core_ppm) / 2;
}

bool budget_plan_is_due(const struct budget *budget, uint64_t now_ns)
{
    return now_ns - budget->planned_at_ns >= PLAN_INTERVAL_NS;
}

/* What is wanted with all that comes with it, in eighths: each look wakes the thread, too. */
static uint64_t burden_eighths(const struct budget *budget)
{
    uint64_t spent_ns = budget->spent_ns - budget->planned_spent_ns;
    uint64_t eighths = budget->looks_ns > 0 ? 8 * spent_ns / budget->looks_ns : 8 * BURDEN_MAX;

    if (eighths < 8) return 8;
    return eighths < 8 * BURDEN_MAX ? eighths : 8 * BURDEN_MAX;
}

/* How much of the plan is needed, in thousandths: nothing while the allowance is half full, which
 * is for bursts; all of it when it is down to a quarter. */
static uint64_t urgency_milli(const struct budget *budget)
{
    int64_t quarter_ns = allowance_full_ns(budget->core_ppm) / 4;
    int64_t missing_ns = 2 * quarter_ns - budget->core.level_ns;

    if (missing_ns <= 0) return 0;
    if (missing_ns >= quarter_ns) return 1000;
    return (uint64_t)(missing_ns * 1000 / quarter_ns);
}

static uint64_t stretch_needed(const struct budget *budget, uint64_t wanted_ppm)
{
    uint64_t gain_ppm = allowance_gain_ppm(budget->core_ppm) + 1;
    uint64_t whole = wanted_ppm * burden_eighths(budget) / 8 * STRETCH_NONE / gain_ppm;

    if (whole <= STRETCH_NONE) return STRETCH_NONE;
    if (whole > STRETCH_MAX) whole = STRETCH_MAX;
    return STRETCH_NONE + (whole - STRETCH_NONE) * urgency_milli(budget) / 1000;
}

void budget_plan(struct budget *budget, uint64_t now_ns, uint64_t wanted_ppm)
{
    uint64_t needed = STRETCH_NONE;

    if (budget->core_ppm != BUDGET_NONE && now_ns > budget->planned_at_ns) {
        bool is_stale = now_ns - budget->planned_at_ns > ALLOWANCE_WINDOW_NS;
        uint64_t least = budget->stretch_milli - budget->stretch_milli / SHRINK_PART;

        needed = stretch_needed(budget, wanted_ppm);
        if (needed < least && !is_stale) needed = least;
        if (needed < STRETCH_NONE) needed = STRETCH_NONE;
    }
    budget->stretch_milli = (uint32_t)needed;
    if (needed > STRETCH_NONE) budget->is_core_bound = true;
    budget->planned_at_ns = now_ns;
    budget->planned_spent_ns = budget->spent_ns;
    budget->looks_ns = 0;
}

uint64_t budget_interval_ns(const struct budget *budget, uint64_t ordered_ns)
{
    uint64_t stretched_ns = ordered_ns / STRETCH_NONE * budget->stretch_milli;

    if (budget->stretch_milli <= STRETCH_NONE) return ordered_ns;
    return (stretched_ns + NS_PER_MS - 1) / NS_PER_MS * NS_PER_MS;
}

/* The thread's allowance, up to date; a new one in a place of one that is full; or NULL. */
static struct allowance *thread_allowance(struct budget *budget, uint32_t tid, uint64_t now_ns)
{
    struct budget_thread *vacant = NULL;

    for (uint32_t i = 0; i < PROBES; i++) {
        struct budget_thread *it = &budget->threads[(tid + i) % BUDGET_THREADS];

        allowance_refill(&it->allowance, budget->thread_ppm, now_ns);
        if (it->tid == tid) return &it->allowance;
        /* Full is what covers more than there can be. */
        if (!vacant && allowance_covers(&it->allowance, budget->thread_ppm, UINT64_MAX))
            vacant = it;
    }
    if (!vacant) return NULL;
    vacant->tid = tid;
    return &vacant->allowance;
}

bool budget_thread_covers(struct budget *budget, uint32_t tid, uint64_t now_ns, uint64_t pause_ns)
{
    const struct allowance *allowance;

    if (budget->thread_ppm == BUDGET_NONE) return true;
    allowance = thread_allowance(budget, tid, now_ns);
    return allowance && allowance_covers(allowance, budget->thread_ppm, pause_ns);
}

uint64_t budget_thread_wait_ns(struct budget *budget, uint32_t tid, uint64_t now_ns,
                               uint64_t pause_ns)
{
    const struct allowance *allowance;

    if (budget->thread_ppm == BUDGET_NONE) return 0;
    allowance = thread_allowance(budget, tid, now_ns);
    budget->is_core_bound = false;
    if (!allowance) return NS_PER_S; /* so many were paused that some are full again by then */
    return allowance_wait_ns(allowance, budget->thread_ppm, pause_ns);
}

void budget_thread_spend(struct budget *budget, uint32_t tid, uint64_t now_ns, uint64_t pause_ns)
{
    struct allowance *allowance;

    if (budget->thread_ppm == BUDGET_NONE) return;
    allowance = thread_allowance(budget, tid, now_ns);
    if (allowance) allowance_spend(allowance, budget->thread_ppm, pause_ns);
}
