/* SPDX-License-Identifier: Apache-2.0 */
/* sampler_round.c: keeps the time.
 *
 * One thread of ours sleeps until there is something to do:
 *
 * 1. A call in flight turns slow, or all are to be looked through (sampler_scan.c).
 * 2. A call that is listened to is to be looked at again, or its copy may have come back.
 * 3. Somebody woke it: tasks changed, a call that is listened to ended, it is to stop.
 *
 * INVARIANTS
 *
 * (1) Every call that the sampler counts as triggered is marked so in its record, by the same
 *     exchange that its end would need to win; so it is counted once, here or there.
 * (2) A triggered call is pending until it is settled, and leaves that state once: as sampled, as
 *     over the cap, or by books_drop(). listened = sampled + over_cap + drops + pending, always.
 * (3) The host's threads never take this lock. The callbacks run without it. */
#include "probe/agent/base/filters.h"
#include "probe/agent/base/thread.h"
#include "probe/agent/engine/sampler_state.h"
#include "probe/hot/ticks.h"
#include "probe/hot/wake.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IDLE_NS     (UINT64_C(3600) * NS_PER_S)
#define STOP_NS_MAX (50 * NS_PER_MS)
#define TELL_NS     NS_PER_S /* per task and reason, one log line */

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t sampler_cpu_ns(void)
{
    return sampler_spent_ns() + unwinder_cpu_ns();
}

void sampler_tell(const struct watch *watch, enum task_event_kind event, const char *detail,
                  uint64_t count)
{
    outbox_event(sampler.outbox, &watch->order.id, event, detail, count);
}

void looks_prepare(void)
{
    if (!sampler.is_fresh) engine_refresh(&sampler.engine, clock_monotonic_ns());
    sampler.is_fresh = true;
}

struct listening *listening_vacant(void)
{
    for (uint32_t i = 0; i < LISTENINGS_MAX; i++) {
        if (sampler.listenings[i].is_used) continue;
        if (sampler.listening_end <= i) sampler.listening_end = i + 1;
        return &sampler.listenings[i];
    }
    return NULL;
}

/* Log lines about what was dropped since the last ones: at most one a second, and a last one. */
static void tell_drops(struct watch *watch, uint64_t now_ns, bool is_last)
{
    struct ledger ledger;

    if (!is_last && now_ns - watch->told_at_ns < TELL_NS) return;
    watch->told_at_ns = now_ns;
    ledger = books_ledger(watch, now_ns, 0);
    thrift_tell(watch);
    for (int i = 0; i < CALL_DROP_COUNT; i++) {
        uint64_t count = ledger.drops[i] - watch->told_drops[i];

        if (count == 0) continue;
        watch->told_drops[i] = ledger.drops[i];
        sampler_tell(watch, TASK_EVENT_DROPPED, call_drop_slug((enum call_drop)i), count);
    }
    if (watch->thinned_count > watch->told_thinned) {
        sampler_tell(watch, TASK_EVENT_THINNED, "", watch->thinned_count - watch->told_thinned);
        watch->told_thinned = watch->thinned_count;
    }
}

bool listening_leave(struct listening *listening)
{
    uint32_t *count = listening->draft.is_lookback ? &sampler.early_count : &sampler.slow_count;

    if (!listening_abandon(listening)) return false;
    (*count)--;
    return true;
}

bool listening_drop(struct listening *listening, enum call_drop drop)
{
    bool is_early = listening->draft.is_lookback;
    struct watch *watch = listening->draft.watch;
    bool is_counted = listening->is_counted;
    struct sample_id id = listening->draft.builder.sample->id;
    struct handed *handed;

    if (!listening_leave(listening)) return false;
    if (is_early) return true; /* it is in no book */
    handed = handed_find(&sampler.handed, &id);
    if (handed) handed_remove(handed);
    if (!is_counted) books_drop(watch, drop);
    return true;
}

/* The task has all its samples: this one is beyond them. */
static void listening_over_cap(struct listening *listening)
{
    struct watch *watch = listening->draft.watch;
    struct handed *handed = handed_find(&sampler.handed, &listening->draft.builder.sample->id);

    if (!listening_leave(listening)) return;
    if (handed) handed_remove(handed);
    watch->counts.over_cap++;
    watch->counts.pending--;
}

void watch_end(struct watch *watch, uint64_t now_ns)
{
    if (watch->phase != WATCH_ARMED) return;
    books_disarm(&sampler.books, watch, now_ns, sampler_cpu_ns());
    tell_drops(watch, now_ns, true);
    thrift_tell(watch);
    sampler_tell(watch, TASK_EVENT_DISARMED, "", 1);
}

/* Settles what the state of its task leaves no room for. */
static void listening_heed_task(struct listening *listening, uint64_t now_ns)
{
    const struct watch *watch = listening->draft.watch;

    if (watch->order.state == TASK_CANCELLED ||
        (listening->draft.is_lookback && watch->phase != WATCH_ARMED)) {
        listening_drop(listening, CALL_DROP_CANCELLED);
    } else if (watch->order.state == TASK_FILLED && !listening->is_counted) {
        listening_over_cap(listening);
    } else if (watch->phase == WATCH_OVER &&
               now_ns > watch->over_at_ns + LISTEN_AFTER_END_MS * NS_PER_MS) {
        listening_drop(listening, CALL_DROP_TOO_LATE);
    }
}

/* Ends what is over by the clock, and what its end leaves over. */
static void heed_tasks(uint64_t now_ns)
{
    for (uint32_t i = 0; i < sampler.books.watch_end; i++) {
        struct watch *watch = &sampler.books.watches[i];

        if (watch->phase == WATCH_ARMED && now_ns >= watch->order.ends_monotonic_ns)
            watch_end(watch, now_ns);
        if (watch->phase != WATCH_FREE) tell_drops(watch, now_ns, false);
    }
    for (uint32_t i = 0; i < sampler.listening_end; i++) {
        if (sampler.listenings[i].is_used) listening_heed_task(&sampler.listenings[i], now_ns);
    }
}

/* Hands a sample out; it stays pending until it is settled. */
static void hand_out(struct watch *watch, struct sample *take_sample, bool is_counted)
{
    struct handed *handed = handed_put(&sampler.handed, &take_sample->id, watch_index(watch));
    bool is_running = take_sample->running;
    uint32_t revision = take_sample->revision;

    if (handed && outbox_sample(sampler.outbox, take_sample)) {
        handed->final_revision = is_running ? 0 : revision;
        return;
    }
    sample_free(take_sample);
    if (is_running) return; /* a later revision will come */
    if (handed) handed_remove(handed);
    if (!is_counted) books_drop(watch, CALL_DROP_QUEUE_FULL);
}

/* A call that was listened to has ended. */
static void listening_finish(struct listening *listening)
{
    struct watch *watch = listening->draft.watch;
    bool is_counted = listening->is_counted;
    struct sample *sample = listening_end(&sampler.engine, listening);

    sampler.slow_count--;
    if (sample) {
        hand_out(watch, sample, is_counted);
    } else {
        books_drop(watch, CALL_DROP_NO_SNAPSHOT);
    }
}

/* Looks, if it is time. Returns false if the call has ended. */
static bool listening_look_if_due(struct listening *listening, uint64_t now_ns)
{
    bool is_under_way = signal_copy_is_under_way(&listening->copy), is_in_flight;
    uint64_t began_ticks = ticks_now();

    listening_collect(&sampler.engine, listening, now_ns);
    is_in_flight = !listening_has_ended(listening);
    if (is_in_flight && pace_is_due(&listening->pace, now_ns) && thrift_covers(listening, now_ns)) {
        is_in_flight = listening_look(&sampler.engine, listening, now_ns);
        thrift_looked(listening, began_ticks);
    } else if (is_under_way) {
        thrift_looked(listening, began_ticks);
    }
    return is_in_flight;
}

void listening_visit(struct listening *listening, uint64_t now_ns)
{
    struct sample *report;

    if (!listening_look_if_due(listening, now_ns)) {
        listening_finish(listening);
        return;
    }
    if (listening->is_uncovered) {
        listening_drop(listening, CALL_DROP_FILTERED); /* or the next time, if it moves just now */
        return;
    }
    if (!draft_report_is_due(&listening->draft, now_ns)) return;
    report = listening_report(listening, now_ns);
    if (report) hand_out(listening->draft.watch, report, listening->is_counted);
}

/* When there is something to do next, if nobody wakes us before. */
static uint64_t next_deadline(uint64_t now_ns)
{
    uint64_t deadline = now_ns + IDLE_NS;

    if (sampler.books.armed_count > 0) deadline = lesser(deadline, scan_deadline_ns());
    for (uint32_t i = 0; i < sampler.books.watch_end; i++) {
        const struct watch *watch = &sampler.books.watches[i];

        if (watch->phase == WATCH_ARMED)
            deadline = lesser(deadline, watch->order.ends_monotonic_ns);
    }
    for (uint32_t i = 0; i < sampler.listening_end; i++) {
        if (sampler.listenings[i].is_used)
            deadline = lesser(
                deadline, listening_deadline_ns(&sampler.engine, &sampler.listenings[i], now_ns));
    }
    return deadline;
}

static bool is_looking(void)
{
    return sampler.slow_count + sampler.early_count > 0 || sampler.wants_fresh_filters;
}

static bool is_busy(void)
{
    return sampler.books.armed_count > 0 || is_looking();
}

/* Everybody whose time has come; another one first in each round, so that the budget, where it does
 * not reach for all, reaches for all in turn. */
static void visit_all(void)
{
    static uint32_t turn;

    while (sampler.listening_end > 0 && !sampler.listenings[sampler.listening_end - 1].is_used) {
        sampler.listening_end--;
    }
    turn++;
    for (uint32_t i = 0; i < sampler.listening_end; i++) {
        struct listening *listening = &sampler.listenings[(turn + i) % sampler.listening_end];

        if (listening_is_slow(listening)) {
            listening_visit(listening, clock_monotonic_ns());
        } else if (listening->is_used) {
            early_visit(listening, clock_monotonic_ns());
        }
    }
}

/* One round. Returns when the next is due. */
static uint64_t sampler_round(void)
{
    uint64_t now_ns = clock_monotonic_ns();

    heed_tasks(now_ns);
    sampler.is_fresh = sampler.wants_fresh_filters = false;
    if (is_busy()) tick_clock_update(&sampler.engine.clock);
    if (sampler.slow_count + sampler.early_count > 0) looks_prepare();
    thrift_account(NULL);
    thrift_plan(now_ns);
    visit_all();
    if (sampler.books.armed_count > 0) scan_round(now_ns);
    return next_deadline(clock_monotonic_ns());
}

/* A call may be moving at this very moment; then it is at rest a moment later. */
static void listening_stop(struct listening *listening, uint64_t deadline_ns)
{
    while (!listening_drop(listening, CALL_DROP_STOPPED)) {
        if (clock_monotonic_ns() > deadline_ns) return;
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
}

/* Everything ends: what has ended is handed out, what is in flight is dropped, and said so. */
static void settle_all(uint64_t now_ns)
{
    for (uint32_t i = 0; i < sampler.listening_end; i++) {
        struct listening *listening = &sampler.listenings[i];

        if (!listening->is_used) continue;
        if (listening_is_slow(listening) && listening_has_ended(listening)) {
            listening_finish(listening);
        } else {
            listening_stop(listening, now_ns + STOP_NS_MAX);
        }
    }
    for (uint32_t i = 0; i < sampler.books.watch_end; i++) {
        struct watch *watch = &sampler.books.watches[i];

        if (watch->phase == WATCH_ARMED) watch_end(watch, now_ns);
        if (watch->phase != WATCH_FREE) tell_drops(watch, now_ns, true);
    }
}

/* Hands out what the round left, without the lock. */
static void deliver(struct outbox *outbox)
{
    const struct sampler_options *options = &sampler.engine.options;

    for (uint32_t i = 0; i < outbox->event_count; i++) {
        const struct outbox_event *event = &outbox->events[i];

        if (options->on_event)
            options->on_event(options->context, &event->task, event->event, event->detail,
                              event->count);
    }
    for (uint32_t i = 0; i < outbox->sample_count; i++) {
        options->on_sample(options->context, outbox->samples[i]);
    }
    outbox->event_count = outbox->sample_count = outbox->saying_count = 0;
}

void *sampler_main(void *context)
{
    uint64_t filters_age_ns = FILTERS_AGE_NS;
    bool is_stopping = false;
    uint32_t tid;

    (void)context;
    thread_name("stakeout-sample");
    if (filters_allow(TRIED_prctl)) prctl(PR_SET_TIMERSLACK, 1);
    filters_heed(0);
    tid = (uint32_t)syscall(SYS_gettid);
    thrift_begin();
    while (!is_stopping) {
        uint32_t seen = wake_now();
        struct outbox *full;
        uint64_t deadline_ns;

        filters_heed(filters_age_ns);
        pthread_mutex_lock(&sampler.lock);
        sampler.tid = tid;
        sampler.has_fresh_filters = filters_age_ns == FILTERS_AGE_NS;
        is_stopping = sampler.is_stopping;
        deadline_ns = sampler_round();
        filters_age_ns = is_looking() ? FILTERS_AGE_NS : FILTERS_AGE_WATCHING_NS;
        if (sampler.is_off && !sampler.is_at_rest) {
            settle_all(clock_monotonic_ns());
            sampler.is_at_rest = true;
            deadline_ns = clock_monotonic_ns() + IDLE_NS;
        }
        if (is_stopping) {
            settle_all(clock_monotonic_ns());
            sampler.cpu_before_ns += clock_thread_cpu_ns();
            sampler.tid = 0;
        }
        full = sampler.outbox;
        sampler.outbox = &sampler.outboxes[full == &sampler.outboxes[0]];
        pthread_mutex_unlock(&sampler.lock);

        deliver(full);
        if (!is_stopping) wake_wait(seen, deadline_ns);
    }
    return NULL;
}
