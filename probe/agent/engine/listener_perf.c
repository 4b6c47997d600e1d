/* SPDX-License-Identifier: Apache-2.0 */
/* listener_perf.c: looks at a running thread whose stacks a perf event brings.
 *
 * The first is waited for: the event is quick, and the look comes again a moment later. From then
 * on stacks come by themselves, one each time the thread has run for an interval, and a look adds
 * the newest; of one that runs all the time each look finds one. One that runs now and then has its
 * sleeps told by looks, its running by what it uses: both in proportion to their time.
 *
 * INVARIANT: when a look ends, the event is settled, or the next look is PERF_QUICK_NS and a half
 * away. Else a thread that runs on would be interrupted five thousand times a second. */
#include "probe/agent/engine/listener_steps.h"
#include "probe/hot/memory.h"

#include <errno.h>

#define WAIT_NS_MAX (5 * NS_PER_MS) /* for the first stack; it takes 200 us of the thread's time */

/* How long the thread is to run between two stacks. Its budget is kept by that alone: the events
 * come by its own time. */
static uint64_t event_period_ns(const struct engine *engine, const struct listening *listening)
{
    const struct budget *budget = &engine->budget;
    uint64_t period_ns = budget_interval_ns(budget, listening->draft.builder.interval_ns);
    uint64_t least_ns =
        perf_engine_period_min_ns(&engine->perf, listening->stint.tid, budget->thread_ppm);

    return period_ns > least_ns ? period_ns : least_ns;
}

/* It is not to fire soon any more. A call that may never turn slow is looked at too seldom to keep
 * an event for it. */
static void event_settle(struct engine *engine, struct listening *listening)
{
    if (listening->draft.is_lookback) {
        perf_watch_end(&listening->perf);
    } else {
        perf_watch_settle(&listening->perf, &engine->perf, event_period_ns(engine, listening));
    }
}

/* Is the call on this thread now, and has been since the event was opened? */
static bool event_is_of_call(const struct listening *listening)
{
    uint64_t state =
        atomic_load_explicit(&hot.records[listening->record].state, memory_order_acquire);

    return state_generation(state) == listening->generation &&
           state_phase(state) == RECORD_RUNNING && stint_holds(&listening->stint, state);
}

static bool event_add(struct engine *engine, struct listening *listening,
                      const struct sighting *sighting)
{
    struct look_times times;

    if (!event_is_of_call(listening) ||
        !stint_cpu_ns(&listening->stint, sighting->clock_ns, &times.cpu_ns) ||
        !unwinder_stands(engine->unwinder, listening->perf.place->unloads)) {
        draft_drop(&listening->draft, SNAPSHOT_DROP_MOVED);
        return false;
    }
    times.queue_ns = look_queue_since(engine, listening);
    if (!draft_add_sighting(&listening->draft, engine, listening->stint.tid, sighting, &times))
        return false;
    look_count_way(listening, &listening->draft.watch->counts.perf);
    return true;
}

bool look_at_event(struct engine *engine, struct listening *listening,
                   const struct record_view *view, uint64_t now_ns)
{
    struct stack_thread thread = stint_thread(&listening->stint);
    struct perf_watch *watch = &listening->perf;
    struct sighting sighting;
    bool is_added;
    int count;

    if (!perf_watch_is_on(watch)) return false;
    count = perf_watch_take(watch, &engine->perf, &thread, engine->stack, &sighting);
    if (count < 0) {
        watch->place->unloads = unwinder_unloads(engine->unwinder);
        return false;
    }
    budget_thread_spend(&engine->budget, thread.tid, now_ns,
                        (uint64_t)count * engine->perf.pause_ns);
    sighting.stack.anchor_sp = view->anchor_sp;
    sighting.stack.anchor_pc = view->anchor_pc;
    unwinder_walk(engine->unwinder, &sighting.stack, &engine->walk);
    if (!engine->walk.is_complete && perf_sighting_mend(&sighting))
        unwinder_walk(engine->unwinder, &sighting.stack, &engine->walk);
    if (!engine->walk.is_complete && watch->place->is_short) {
        perf_watch_hurry(watch, &engine->perf, true);
        return false;
    }
    is_added = event_add(engine, listening, &sighting);
    watch->place->unloads = unwinder_unloads(engine->unwinder);
    if (!is_added) return false;
    draft_count_pause(&listening->draft, engine->perf.pause_ns);
    event_settle(engine, listening);
    return true;
}

/* It was seen running, and nothing came since the last look. */
static void event_await(struct engine *engine, struct listening *listening, uint64_t clock_ns)
{
    struct perf_place *place = listening->perf.place;
    uint64_t now_ns = clock_monotonic_ns(), period_ns = place->event.period_ns;

    if (perf_watch_is_quick(&listening->perf) && now_ns - place->asked_ns < WAIT_NS_MAX) {
        listening->pace.next_ns = now_ns + PERF_QUICK_NS + PERF_QUICK_NS / 2;
    } else if (!place->is_settled || clock_ns > place->clock_ns + 2 * period_ns) {
        place->clock_ns = clock_ns;
        look_drop(listening, SNAPSHOT_DROP_LOAN_LOST);
        event_settle(engine, listening);
    }
}

bool look_by_event(struct engine *engine, struct listening *listening, bool has_come,
                   uint64_t clock_ns)
{
    struct perf_watch *watch = &listening->perf;

    if (has_come) listening->retry_count = 0;
    if (has_come) return true;
    if (!engine->perf.is_on || watch->is_refused) return false;
    if (perf_watch_is_on(watch) && !perf_watch_is_quick(watch) && draft_is_new(&listening->draft))
        perf_watch_hurry(watch, &engine->perf, false);
    if (!perf_watch_is_on(watch) && perf_watch_begin(watch, &engine->perf, listening->stint.tid,
                                                     unwinder_unloads(engine->unwinder)) < 0)
        return false;
    event_await(engine, listening, clock_ns);
    return true;
}

void look_rest_event(struct engine *engine, struct listening *listening)
{
    if (perf_watch_is_on(&listening->perf)) event_settle(engine, listening);
}
