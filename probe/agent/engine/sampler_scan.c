/* SPDX-License-Identifier: Apache-2.0 */
/* sampler_scan.c: notices calls that turn slow.
 *
 * Nobody tells us of a call that begins. But one that begins behind our back cannot be due before
 * the smallest threshold has passed; so it is enough to look at each record once in that time, and
 * then to know when its call is due. Those that are due in the next while are on the agenda, and of
 * them the sampler is woken for the first that is still in flight. So begin and end wake nobody,
 * nothing is armed in the kernel, and thousands of calls that all end in time cost a look each.
 *
 * 1. A visit looks at those whose time has come, and at those behind them that have ended.
 * 2. A scan, once in the smallest threshold, looks at all records that are not on the agenda. Where
 *    it is nearly time for one, a visit is taken for it: to wake up costs more than most scans.
 * 3. A search is for lookback, which notices calls earlier: it goes round all records, and stops
 *    where there is no room for one more that may turn slow. That need not be exact, and the more
 *    calls there are, the rarer it is done.
 *
 * Where calls end just in time, the sampler is woken in vain. While less than half of the budget is
 * left, it rests twice as long after each such time, up to 4 ms; a slow call that it meets is worth
 * the next.
 *
 * INVARIANT: a call in flight is due at the next scan or later, or its record is on the agenda for
 * when it is due or earlier, or it is listened to. One that is on the move at the moment is looked
 * at again soon. */
#include "probe/agent/base/filters.h"
#include "probe/agent/engine/sampler_state.h"
#include "probe/hot/ticks.h"

#include <errno.h>

enum {
    SEARCH_NS_PER_RECORD = 1500, /* apart: a look takes 2 to 20 */
    SCAN_EARLY_PART = 8,         /* of the time between scans: so much earlier is near enough */
    AHEAD = 16,                  /* records that are asked for before the first is looked at */
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

/* Where calls were only watched for a while, filters are asked for before the first look: this
 * round ends, and the next one begins with that. */
static bool may_look(void)
{
    if (sampler.has_fresh_filters || filters_are_fresh(FILTERS_AGE_NS)) return true;
    sampler.wants_fresh_filters = true;
    return false;
}

/* Returns false if it is not looked at: it ended, or moves, at this moment, or we may not yet. */
static bool trigger(const struct record_view *view, struct watch *watch)
{
    struct listening *listening = NULL;
    int rc;

    if (!may_look()) return false;
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
    if (moment->has_room && is_early_due(watch, view->state, view->began_ticks, moment->ticks)) {
        if (may_look()) early_heed(view, watch, ticks_to_ns(moment->ticks - view->began_ticks));
        moment->has_room = !sampler.wants_fresh_filters && early_has_room();
    }
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

static void record_expect(uint32_t index)
{
    __builtin_prefetch(&hot.records[index]);
}

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

/* ---- scans ---- */

static uint64_t scan_interval_ns(void)
{
    return lesser(sampler.books.threshold_ns_min, SCAN_NS_MAX);
}

/* What has changed since the scan before? An agenda is of one set of orders. */
static void scan_prepare(void)
{
    books_match_new(&sampler.books);
    watches_clock();
    if (sampler.next_scan_ns != 0 && sampler.agenda_ns == scan_interval_ns()) return;
    sampler.agenda_ns = scan_interval_ns();
    sampler.next_search_ns = sampler.search_wakes_ns = 0;
    agenda_begin(&sampler.agenda, ticks_now(), ticks_from_ns(sampler.agenda_ns));
}

/* Those that are not on the agenda, some at a time: their lines come from other CPUs' caches. */
static void scan_range(uint32_t from, uint32_t to, struct moment *moment)
{
    uint32_t some[AHEAD], count;

    do {
        count = 0;
        while (count < AHEAD && (from = agenda_gap(&sampler.agenda, from, to)) < to) {
            record_expect(from);
            some[count++] = from++;
        }
        for (uint32_t i = 0; i < count; i++) {
            agenda_put(&sampler.agenda, some[i], record_heed(moment, some[i]));
        }
    } while (count == AHEAD);
}

static void scan(uint64_t now_ns)
{
    struct moment moment = moment_now(false);

    scan_range(0, atomic_load_explicit(&hot.slot_count, memory_order_acquire), &moment);
    scan_range(THREADS_MAX, record_shared_end(), &moment);
    sampler.next_scan_ns = now_ns + sampler.agenda_ns;
}

/* ---- visits ---- */

/* How long to rest after a visit. */
static void visit_rest(bool was_in_vain)
{
    uint64_t rest_ns = 2 * sampler.visit_rest_ns;

    if (!was_in_vain || budget_is_half_full(&sampler.engine.budget)) rest_ns = VISIT_REST_NS;
    sampler.visit_rest_ns = lesser(rest_ns, VISIT_REST_NS_MAX);
}

/* Those on the agenda that are due. */
static void visit(void)
{
    struct moment moment = moment_now(false);
    const struct agenda_visitor visitor = { record_heed, record_expect, &moment };

    agenda_visit(&sampler.agenda, moment.ticks, &visitor);
    visit_rest(!moment.has_met);
}

static void visit_plan(void)
{
    uint64_t due = sampler.agenda.next_due, now = ticks_now();

    sampler.next_visit_ns = sampler.wants_fresh_filters ? 0 : AGENDA_NEVER;
    if (due == AGENDA_NEVER || sampler.wants_fresh_filters) return;
    due = due > now ? ticks_to_ns(due - now) : 0;
    sampler.next_visit_ns = clock_monotonic_ns() + larger(due, sampler.visit_rest_ns);
}

/* ---- lookback ---- */

/* The records that can be in use, counted through. */
struct extent {
    uint32_t slots, count;
};

static struct extent extent_now(void)
{
    uint32_t slots = atomic_load_explicit(&hot.slot_count, memory_order_acquire);

    return (struct extent){ slots, slots + record_shared_end() - THREADS_MAX };
}

static uint32_t extent_record(const struct extent *extent, uint32_t number)
{
    return number < extent->slots ? number : number - extent->slots + THREADS_MAX;
}

/* Some way ahead of it, or the last. */
static uint32_t extent_record_ahead(const struct extent *extent, uint32_t number)
{
    return extent_record(extent,
                         number + AHEAD < extent->count ? number + AHEAD : extent->count - 1);
}

static uint64_t search_interval_ns(uint32_t count)
{
    uint64_t rest_ns = (uint64_t)count * SEARCH_NS_PER_RECORD;

    return lesser(larger(sampler.books.lookback_ns_min, rest_ns), sampler.agenda_ns);
}

/* When is the next one? In a crowd a visit may come by before we are woken for it. */
static void search_plan(uint64_t now_ns, uint32_t count)
{
    uint64_t interval_ns = search_interval_ns(count);
    uint64_t lookback_ns = lesser(sampler.books.lookback_ns_min, interval_ns);

    sampler.next_search_ns = sampler.search_wakes_ns = 0;
    if (sampler.wants_fresh_filters) return;
    sampler.next_search_ns = now_ns + interval_ns;
    sampler.search_wakes_ns = sampler.next_search_ns + (interval_ns - lookback_ns);
}

/* Goes on where the search before stopped, so that each call has the same chance. An interface may
 * have been registered since the scan; its first call is not to wait for the next one. */
static void search(uint64_t now_ns)
{
    struct extent extent = extent_now();
    struct moment moment = moment_now(early_has_room());
    uint32_t at = sampler.search_at;

    books_match_new(&sampler.books);
    for (uint32_t i = 0; i < extent.count && moment.has_room; i++, at++) {
        if (at >= extent.count) at = 0;
        record_expect(extent_record_ahead(&extent, at));
        record_heed(&moment, extent_record(&extent, at));
    }
    sampler.search_at = at;
    search_plan(now_ns, extent.count);
}

static void search_if_due(uint64_t now_ns)
{
    if (sampler.books.lookback_ns_min == UINT64_MAX) {
        sampler.search_wakes_ns = UINT64_MAX;
    } else if (now_ns >= sampler.next_search_ns) {
        search(now_ns);
    }
}

/* ---- the round ---- */

void scan_round(uint64_t now_ns)
{
    bool is_visit_due = now_ns >= sampler.next_visit_ns;
    bool is_due =
        now_ns + (is_visit_due ? sampler.agenda_ns / SCAN_EARLY_PART : 0) >= sampler.next_scan_ns;

    if (is_due) scan_prepare();
    if (is_due || is_visit_due) {
        visit();
        if (is_due) scan(now_ns);
        visit_plan();
    }
    search_if_due(now_ns);
}

uint64_t scan_deadline_ns(void)
{
    return lesser(lesser(sampler.next_scan_ns, sampler.search_wakes_ns), sampler.next_visit_ns);
}
