/* SPDX-License-Identifier: Apache-2.0 */
/* sampler_scan.c: notices calls that turn slow.
 *
 * All calls in flight are looked through once in the smallest threshold: one that begins behind
 * our back cannot be due before the next time. Those that are due before it go on the agenda, and
 * of them the sampler is woken for the first that is still in flight. So begin and end wake nobody,
 * nothing is armed in the kernel, and thousands of calls that all end in time cost a look each.
 *
 * With lookback they are looked through more often, because calls are noticed earlier; but that
 * need not be exact, and the more calls, the rarer it is done.
 *
 * Where calls end just in time, the sampler is woken in vain. While less than half of the budget is
 * left, it rests twice as long after each such time, up to 4 ms; a slow call that it meets is worth
 * the next.
 *
 * INVARIANT: a call in flight is due at the next scan or later, or is on the agenda, or is listened
 * to. One that is on the move at the moment is looked at again soon. */
#include "probe/agent/engine/sampler_state.h"
#include "probe/hot/ticks.h"

#include <errno.h>

enum {
    SCAN_NS_PER_RECORD = 1500, /* apart: a look takes 2 to 20 */
    AHEAD = 16,                /* their lines are in the caches of those that wrote them */
};

#define SCAN_NS_MAX       NS_PER_S
#define VISIT_REST_NS     (50 * NS_PER_US) /* those that are due within it are taken together */
#define VISIT_REST_NS_MAX (4 * NS_PER_MS)

/* What a look at a record must know. */
struct moment {
    uint64_t ticks;
    uint64_t soon_ticks; /* until who was on the move is looked at again */
    bool has_room;       /* for one more that may turn slow */
    bool has_met;        /* a call that is slow */
};

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Marks a call as counted without listening to it. */
static bool trigger_unheard(const struct record_view *view, struct watch *watch,
                            enum call_drop drop)
{
    uint64_t state = view->state;

    if (!record_change(view->index, &state, state | STATE_LISTENED)) return false;
    watch->listened++;
    watch->counts.pending++;
    books_drop(watch, drop);
    return true;
}

/* Takes a call that turned slow: one that was looked at before, or a new one. */
static int listening_take(const struct record_view *view, struct watch *watch,
                          struct listening **ret)
{
    struct listening *listening;
    int rc;

    if (view->state & STATE_FACED) {
        listening = &sampler.listenings[view->face];
        if (!listening_is_early(listening) || listening->record != view->index) return -EAGAIN;
        if (sampler.slow_count == SAMPLES_IN_FLIGHT_MAX)
            return listening_leave(listening) ? -ENOBUFS : -EAGAIN;
        rc = listening_trigger(listening);
        if (rc == 0) sampler.early_count--;
    } else {
        listening = sampler.slow_count < SAMPLES_IN_FLIGHT_MAX ? listening_vacant() : NULL;
        rc = listening ? listening_begin(&sampler.engine, listening, watch, view) : -ENOBUFS;
    }
    if (rc < 0) return rc;
    sampler.slow_count++;
    *ret = listening;
    return 0;
}

/* Returns false if it ended, or moves, at this moment. */
static bool trigger(const struct record_view *view, struct watch *watch)
{
    struct listening *listening = NULL;
    int rc;

    looks_prepare();
    rc = listening_take(view, watch, &listening);
    if (rc == -EAGAIN) return false;
    if (rc < 0 && !trigger_unheard(view, watch, CALL_DROP_NO_SAMPLE)) return false;
    if (!watch->has_triggered) {
        watch->has_triggered = true;
        sampler_tell(watch, TASK_EVENT_FIRST_TRIGGER, "", 1);
    }
    if (rc < 0) return true;
    watch->listened++;
    watch->counts.pending++;
    if (sampler.slow_count == 1) sampler.engine.grid_ns = clock_monotonic_ns();
    listening_visit(listening, clock_monotonic_ns());
    return true;
}

/* ---- a record ---- */

/* The armed watch of an interface, or NULL. */
static struct watch *watch_of(uint32_t interface_id)
{
    uint16_t number = sampler.books.watch_of[interface_id];

    return number != 0 ? &sampler.books.watches[number - 1] : NULL;
}

static bool is_in_flight(uint64_t state)
{
    return state_phase(state) != RECORD_FREE && state_phase(state) != RECORD_ENDED;
}

/* Is it old enough to be looked at before it is slow? */
static bool is_early_due(const struct watch *watch, uint64_t state, uint64_t began, uint64_t now)
{
    return watch->order.lookback && !(state & STATE_FACED) &&
           (int64_t)(now - began) >= (int64_t)watch->lookback_ticks;
}

/* Does what is due for a call. Returns when it is due next. */
static uint64_t call_heed(const struct record_view *view, struct moment *moment, uint64_t soon)
{
    struct watch *watch = watch_of(view->interface_id);
    uint64_t due;

    if (!watch || !is_in_flight(view->state) || (view->state & STATE_LISTENED)) return AGENDA_NEVER;
    due = view->began_ticks + watch->threshold_ticks;
    if (due <= moment->ticks) {
        moment->has_met = true;
        return trigger(view, watch) ? AGENDA_NEVER : soon;
    }
    if (is_early_due(watch, view->state, view->began_ticks, moment->ticks))
        early_heed(view, watch, ticks_to_ns(moment->ticks - view->began_ticks));
    return due;
}

/* Looks at a record: at a glance, and makes a copy of it only if there may be something to do. What
 * the glance reads may be of two calls; then one of them began just now, and is not due. */
static uint64_t record_heed(void *context, uint32_t index)
{
    struct moment *moment = context;
    const struct record *record = &hot.records[index];
    uint64_t state = atomic_load_explicit(&record->state, memory_order_acquire);
    uint64_t began, due, soon = moment->ticks + moment->soon_ticks;
    const struct watch *watch;
    struct record_view view;

    if (!is_in_flight(state) || (state & STATE_LISTENED)) return AGENDA_NEVER;
    watch = watch_of(atomic_load_explicit(&record->interface_id, memory_order_relaxed));
    if (!watch) return AGENDA_NEVER;
    began = atomic_load_explicit(&record->began_ticks, memory_order_relaxed);
    due = began + watch->threshold_ticks;
    if (due > moment->ticks &&
        !(moment->has_room && is_early_due(watch, state, began, moment->ticks)))
        return due;
    if (!record_read(index, &view)) return larger(due, soon); /* it moves, or has just changed */
    return call_heed(&view, moment, soon);
}

/* ---- all of them ---- */

static struct moment moment_now(bool has_room)
{
    return (struct moment){ .ticks = ticks_now(),
                            .soon_ticks = ticks_from_ns(PACE_RETRY_NS),
                            .has_room = has_room };
}

static void watches_clock(void)
{
    for (uint32_t i = 0; i < sampler.books.watch_end; i++) {
        struct watch *watch = &sampler.books.watches[i];

        watch->threshold_ticks = ticks_from_ns(watch->order.threshold_ns);
        watch->lookback_ticks = ticks_from_ns(watch_lookback_ns(watch));
    }
}

static void scan_range(uint32_t from, uint32_t to, struct moment *moment)
{
    for (uint32_t i = from; i < to; i++) {
        __builtin_prefetch(&hot.records[i + AHEAD < RECORDS ? i + AHEAD : i]);
        agenda_put(&sampler.agenda, i, record_heed(moment, i));
    }
}

/* Until all are looked through again. */
static uint64_t scan_interval_ns(uint32_t count)
{
    uint64_t rest_ns = (uint64_t)count * SCAN_NS_PER_RECORD;
    uint64_t interval_ns = larger(sampler.books.notice_ns_min, rest_ns);

    return lesser(lesser(interval_ns, sampler.books.threshold_ns_min), SCAN_NS_MAX);
}

static void scan(uint64_t now_ns)
{
    uint32_t slots = atomic_load_explicit(&hot.slot_count, memory_order_acquire);
    uint32_t shared_end = record_shared_end();
    uint64_t interval_ns = scan_interval_ns(slots + shared_end - THREADS_MAX);
    struct moment moment;

    books_match_new(&sampler.books);
    watches_clock();
    moment = moment_now(early_has_room());
    agenda_begin(&sampler.agenda, moment.ticks, moment.ticks + ticks_from_ns(interval_ns));
    scan_range(0, slots, &moment);
    scan_range(THREADS_MAX, shared_end, &moment);
    sampler.next_scan_ns = now_ns + interval_ns;
}

/* How long to rest after a visit. */
static uint64_t visit_rest_ns(bool was_in_vain)
{
    uint64_t rest_ns = 2 * sampler.visit_rest_ns;

    if (!was_in_vain || budget_is_half_full(&sampler.engine.budget)) rest_ns = VISIT_REST_NS;
    sampler.visit_rest_ns = lesser(rest_ns, VISIT_REST_NS_MAX);
    return sampler.visit_rest_ns;
}

/* Those on the agenda that are due. */
static void visit(void)
{
    struct moment moment = moment_now(false);
    uint64_t now_ns = clock_monotonic_ns(), rest_ns;
    uint64_t due = agenda_visit(&sampler.agenda, record_heed, &moment);

    rest_ns = visit_rest_ns(!moment.has_met);
    sampler.next_visit_ns = AGENDA_NEVER;
    if (due != AGENDA_NEVER)
        sampler.next_visit_ns = now_ns + larger(ticks_to_ns(due - moment.ticks), rest_ns);
}

void scan_round(uint64_t now_ns)
{
    bool is_due = now_ns >= sampler.next_scan_ns;

    if (is_due) scan(now_ns);
    if (is_due || now_ns >= sampler.next_visit_ns) visit();
}

uint64_t scan_deadline_ns(void)
{
    return lesser(sampler.next_scan_ns, sampler.next_visit_ns);
}
