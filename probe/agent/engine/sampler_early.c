/* SPDX-License-Identifier: Apache-2.0 */
/* sampler_early.c: lookback: looks at calls before it is known whether they turn slow.
 *
 * A call of a task with lookback is looked at from watch_lookback_ns() on, by the same listener as
 * a slow one, but rarer and rarer: each look is twice as late in the call as the one before. If it
 * turns slow, its listening goes on and these looks are the head of its sample. Most calls do not.
 *
 * INVARIANTS
 *
 * (1) Nothing of a call that did not turn slow is in any book: it is counted below by its own end,
 *     which does not even wake us, and what its looks counted is taken back.
 * (2) A call that ends before its first look costs nothing more than without lookback.
 * (3) There are at most LOOKBACKS_MAX such calls, and they have half of what the budget holds: the
 *     other half is for calls that are slow. Searches end where there is no room, and the next one
 *     goes on there; of a call that turns slow without an early look, that is counted
 *     (draft_trigger()). */
#include "probe/agent/engine/sampler_state.h"

/* Takes back what a look counted, and keeps by which ways it became a snapshot. */
static void take_back(struct draft *draft, const struct ledger *before)
{
    struct ledger *counts = &draft->watch->counts;

    draft->early_signals += counts->signals - before->signals;
    draft->early_perf += counts->perf - before->perf;
    draft->early_reads += counts->reads - before->reads;
    draft->early_repeats += counts->repeats - before->repeats;
    *counts = *before;
}

static void early_look(struct listening *listening, uint64_t now_ns)
{
    struct ledger before = listening->draft.watch->counts;

    /* Its threshold is the scan's to notice. */
    if (listening_look(&sampler.engine, listening, now_ns) &&
        listening->pace.next_ns > listening->draft.due_ns) {
        listening->pace.next_ns = UINT64_MAX;
        perf_watch_end(&listening->perf);
    }
    take_back(&listening->draft, &before);
}

/* Is there enough for this one and for those that are slow? */
static bool is_covered(uint64_t cost_ns)
{
    return budget_covers(&sampler.engine.budget,
                         cost_ns + sampler.engine.budget.core_ppm * (NS_PER_S / 1000000));
}

static void early_collect(struct listening *listening, uint64_t now_ns)
{
    struct ledger before = listening->draft.watch->counts;

    if (!signal_copy_is_under_way(&listening->copy)) return;
    listening_collect(&sampler.engine, listening, now_ns);
    take_back(&listening->draft, &before);
    thrift_account(listening);
}

void early_visit(struct listening *listening, uint64_t now_ns)
{
    early_collect(listening, now_ns);
    if (listening_has_ended(listening)) {
        listening_drop(listening, CALL_DROP_STOPPED); /* in no book: the reason is nowhere */
        return;
    }
    if (!pace_is_due(&listening->pace, now_ns)) return;
    if (!perf_watch_is_quick(&listening->perf) && !is_covered(pace_cost_ns(&listening->pace))) {
        pace_put_off(&listening->pace, now_ns + ms_to_ns(LOOKBACK_MS_MIN));
        return;
    }
    early_look(listening, now_ns);
    thrift_account(listening);
    if (listening->is_uncovered) listening_drop(listening, CALL_DROP_STOPPED);
}

/* Those that ended make way. */
static void early_sweep(void)
{
    for (uint32_t i = 0; i < sampler.listening_end; i++) {
        struct listening *listening = &sampler.listenings[i];

        if (listening_is_early(listening) && listening_has_ended(listening))
            listening_drop(listening, CALL_DROP_STOPPED);
    }
}

bool early_has_room(void)
{
    if (sampler.early_count == LOOKBACKS_MAX) early_sweep();
    return sampler.early_count < LOOKBACKS_MAX && is_covered(sampler.engine.early_cost_ns);
}

void early_heed(const struct record_view *view, struct watch *watch, uint64_t age_ns)
{
    struct listening *listening;

    if ((view->state & STATE_FACED) || age_ns < watch_lookback_ns(watch)) return;
    if (age_ns + watch_lookback_ns(watch) > watch->order.threshold_ns) return; /* it is too late */
    if (sampler.early_count == LOOKBACKS_MAX || !is_covered(sampler.engine.early_cost_ns)) return;
    listening = listening_vacant();
    if (!listening || listening_begin_early(&sampler.engine, listening, watch, view) < 0) return;
    sampler.early_count++;
    looks_prepare();
    early_look(listening, clock_monotonic_ns());
    thrift_account(listening);
    sampler.engine.early_cost_ns =
        (3 * sampler.engine.early_cost_ns + listening->pace.spent_ns) / 4;
}
