/* SPDX-License-Identifier: Apache-2.0 */
/* sampler.c: notices slow calls, and keeps the time.
 *
 * One thread of ours sleeps until there is something to do:
 *
 * 1. A call could be due. After a scan that is the earlier of the first due time it saw, and now +
 *    the smallest threshold: a call that begins later cannot be due before that. So begin never
 *    wakes anybody, and nothing is armed in the kernel.
 * 2. A call that is listened to is to be looked at again, or its copy may have come back.
 * 3. Somebody woke it: tasks changed, a call that is listened to ended, it is to stop.
 *
 * INVARIANTS
 *
 * (1) Every call that the sampler counts as triggered is marked so in its record, by the same
 *     exchange that its end would need to win; so it is counted once, here or there.
 * (2) A triggered call is pending until it is settled, and leaves it once: books_drop(), or
 *     settle_outcome(). watch->listened = sampled + over_cap + drops + pending, always.
 * (3) The host's threads never take this lock. The callbacks run without it. */
#include "probe/agent/sampler.h"

#include "common/model/task_event.h"
#include "common/wire/messages.h"
#include "probe/agent/handed.h"
#include "probe/agent/interface_totals.h"
#include "probe/agent/listener.h"
#include "probe/agent/outbox.h"
#include "probe/agent/self_memory.h"
#include "probe/hot/call.h"
#include "probe/hot/registry.h"
#include "probe/hot/ticks.h"
#include "probe/hot/wake.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IDLE_NS           (UINT64_C(3600) * NS_PER_S)
#define LOAN_POLL_NS      (50 * NS_PER_US) /* while copies are under way: they take about 20 us */
#define LOAN_SLOW_NS      (2 * NS_PER_MS)  /* a copy that takes longer waits for a CPU, ... */
#define LOAN_SLOW_POLL_NS NS_PER_MS        /* ... and is asked for less often */
#define STOP_NS_MAX       (50 * NS_PER_MS)
#define TELL_NS           NS_PER_S /* per task and reason, one log line */

static struct sampler {
    pthread_mutex_t lock;
    pthread_t thread;
    bool is_running, is_stopping;
    uint32_t tid;
    uint64_t cpu_before_ns; /* of threads that ended */
    uint64_t next_scan_ns;
    struct engine engine;
    struct books books;
    struct handed_table handed;
    struct listening listenings[SAMPLES_IN_FLIGHT_MAX];
    struct outbox *outbox; /* what the next round fills; the other one is being delivered */
    struct outbox outboxes[2];
    struct interface_totals totals;
} sampler = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t own_cpu_ns(void)
{
    uint64_t handlers = atomic_load_explicit(&hot.handler_ticks, memory_order_relaxed);
    uint64_t thread = sampler.is_running ? thread_cpu_ns(sampler.tid) : 0;

    return sampler.cpu_before_ns + thread + ticks_to_ns(handlers);
}

static uint16_t watch_index(const struct watch *watch)
{
    return (uint16_t)(watch - sampler.books.watches);
}

static void tell(const struct watch *watch, enum task_event_kind event, const char *detail,
                 uint64_t count)
{
    outbox_event(sampler.outbox, &watch->order.id, event, detail, count);
}

/* Log lines about what was dropped since the last ones: at most one a second, and a last one. */
static void tell_drops(struct watch *watch, uint64_t now_ns, bool is_last)
{
    struct ledger ledger;

    if (!is_last && now_ns - watch->told_at_ns < TELL_NS) return;
    watch->told_at_ns = now_ns;
    ledger = books_ledger(watch, now_ns, 0);
    for (int i = 0; i < CALL_DROP_COUNT; i++) {
        uint64_t count = ledger.drops[i] - watch->told_drops[i];

        if (count == 0) continue;
        watch->told_drops[i] = ledger.drops[i];
        tell(watch, TASK_EVENT_DROPPED, call_drop_slug((enum call_drop)i), count);
    }
    if (watch->thinned_count > watch->told_thinned) {
        tell(watch, TASK_EVENT_THINNED, "", watch->thinned_count - watch->told_thinned);
        watch->told_thinned = watch->thinned_count;
    }
}

/* Stops listening to a call. If it is moving at this moment, the next round tries again. */
static bool listening_drop(struct listening *listening, enum call_drop drop)
{
    struct watch *watch = listening->watch;
    bool is_counted = listening->is_counted;
    struct sample_id id = listening->builder.sample->id;
    struct handed *handed;

    if (!listening_abandon(listening)) return false;
    handed = handed_find(&sampler.handed, &id);
    if (handed) handed_remove(handed);
    if (!is_counted) books_drop(watch, drop);
    return true;
}

/* The task has all its samples: this one is beyond them. */
static void listening_over_cap(struct listening *listening)
{
    struct watch *watch = listening->watch;
    struct handed *handed = handed_find(&sampler.handed, &listening->builder.sample->id);

    if (!listening_abandon(listening)) return;
    if (handed) handed_remove(handed);
    watch->counts.over_cap++;
    watch->counts.pending--;
}

static void watch_end(struct watch *watch, uint64_t now_ns)
{
    if (watch->phase != WATCH_ARMED) return;
    books_disarm(&sampler.books, watch, now_ns, own_cpu_ns());
    tell_drops(watch, now_ns, true);
    tell(watch, TASK_EVENT_DISARMED, "", 1);
}

/* Settles what the state of its task leaves no room for. */
static void listening_heed_task(struct listening *listening, uint64_t now_ns)
{
    const struct watch *watch = listening->watch;

    if (watch->order.state == TASK_CANCELLED) {
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
    for (uint32_t i = 0; i < SAMPLER_TASKS_MAX; i++) {
        struct watch *watch = &sampler.books.watches[i];

        if (watch->phase == WATCH_ARMED && now_ns >= watch->order.ends_monotonic_ns)
            watch_end(watch, now_ns);
        if (watch->phase != WATCH_FREE) tell_drops(watch, now_ns, false);
    }
    for (uint32_t i = 0; i < SAMPLES_IN_FLIGHT_MAX; i++) {
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
    struct watch *watch = listening->watch;
    bool is_counted = listening->is_counted;
    struct sample *sample = listening_end(&sampler.engine, listening);

    if (sample) {
        hand_out(watch, sample, is_counted);
    } else {
        books_drop(watch, CALL_DROP_NO_SNAPSHOT);
    }
}

static void listening_look_if_due(struct listening *listening, uint64_t now_ns)
{
    struct sample *report;

    listening_collect(&sampler.engine, listening, now_ns);
    if (listening_has_ended(listening) || (listening->next_look_ns <= now_ns &&
                                           !listening_look(&sampler.engine, listening, now_ns))) {
        listening_finish(listening);
        return;
    }
    if (listening->next_report_ns == 0 || listening->next_report_ns > now_ns) return;
    report = listening_report(listening, now_ns);
    if (report) hand_out(listening->watch, report, listening->is_counted);
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

static void trigger(const struct record_view *view, struct watch *watch, uint64_t now_ns)
{
    struct listening *listening = NULL;
    uint32_t face;
    int rc;

    for (face = 0; face < SAMPLES_IN_FLIGHT_MAX && !listening; face++) {
        if (!sampler.listenings[face].is_used) listening = &sampler.listenings[face];
    }
    rc = listening ? listening_begin(&sampler.engine, listening, face - 1, watch, view) : -ENOBUFS;
    if (rc == -EAGAIN) return; /* it ended, or is found again by the next scan */
    if (rc < 0 && !trigger_unheard(view, watch, CALL_DROP_NO_SAMPLE)) return;
    if (!watch->has_triggered) {
        watch->has_triggered = true;
        tell(watch, TASK_EVENT_FIRST_TRIGGER, "", 1);
    }
    if (rc < 0) return;
    watch->listened++;
    watch->counts.pending++;
    listening_look_if_due(listening, now_ns);
}

/* Looks at the records [from, to). Returns the first due time that it saw, in ticks. */
static uint64_t scan_range(uint32_t from, uint32_t to, uint64_t now_ticks)
{
    uint64_t first = UINT64_MAX;

    for (uint32_t i = from; i < to; i++) {
        struct record *record = &hot.records[i];
        uint64_t state = atomic_load_explicit(&record->state, memory_order_acquire), due;
        struct record_view view;
        uint16_t watch;

        if (state_phase(state) != RECORD_RUNNING && state_phase(state) != RECORD_DETACHED) continue;
        if (state & STATE_LISTENED) continue;
        watch = sampler.books
                    .watch_of[atomic_load_explicit(&record->interface_id, memory_order_relaxed)];
        if (watch == 0 || !record_read(i, &view)) continue;
        watch = sampler.books.watch_of[view.interface_id]; /* as of the copy */
        if (watch == 0 || (view.state & STATE_LISTENED)) continue;
        due = view.began_ticks + ticks_from_ns(sampler.books.watches[watch - 1].order.threshold_ns);
        if (due > now_ticks) {
            first = lesser(first, due);
        } else {
            trigger(&view, &sampler.books.watches[watch - 1], clock_monotonic_ns());
        }
    }
    return first;
}

static void scan(uint64_t now_ns)
{
    uint64_t now_ticks = ticks_now(), first;

    books_match_new(&sampler.books);
    first = scan_range(0, atomic_load_explicit(&hot.slot_count, memory_order_acquire), now_ticks);
    first = lesser(first, scan_range(THREADS_MAX, record_shared_end(), now_ticks));
    sampler.next_scan_ns = now_ns + sampler.books.threshold_ns_min;
    if (first != UINT64_MAX)
        sampler.next_scan_ns =
            lesser(sampler.next_scan_ns, now_ns + ticks_to_ns(first - now_ticks));
}

static uint64_t listening_deadline(const struct listening *listening, uint64_t now_ns)
{
    uint64_t deadline = listening->next_look_ns;

    if (listening->loan != NO_LOAN) {
        bool is_slow = now_ns - listening->loan_sent_ns > LOAN_SLOW_NS;

        deadline = lesser(deadline, now_ns + (is_slow ? LOAN_SLOW_POLL_NS : LOAN_POLL_NS));
    }
    return deadline;
}

/* When there is something to do next, if nobody wakes us before. */
static uint64_t next_deadline(uint64_t now_ns)
{
    uint64_t deadline = now_ns + IDLE_NS;

    if (sampler.books.armed_count > 0) deadline = lesser(deadline, sampler.next_scan_ns);
    for (uint32_t i = 0; i < SAMPLER_TASKS_MAX; i++) {
        const struct watch *watch = &sampler.books.watches[i];

        if (watch->phase == WATCH_ARMED)
            deadline = lesser(deadline, watch->order.ends_monotonic_ns);
    }
    for (uint32_t i = 0; i < SAMPLES_IN_FLIGHT_MAX; i++) {
        if (sampler.listenings[i].is_used)
            deadline = lesser(deadline, listening_deadline(&sampler.listenings[i], now_ns));
    }
    return deadline;
}

static bool is_busy(void)
{
    bool is_so = sampler.books.armed_count > 0;

    for (uint32_t i = 0; i < SAMPLES_IN_FLIGHT_MAX; i++) {
        is_so |= sampler.listenings[i].is_used;
    }
    return is_so;
}

/* One round. Returns when the next is due. */
static uint64_t sampler_round(void)
{
    uint64_t now_ns = clock_monotonic_ns();

    heed_tasks(now_ns);
    if (is_busy()) {
        tick_clock_update(&sampler.engine.clock);
        unwinder_refresh(sampler.engine.unwinder);
    }
    for (uint32_t i = 0; i < SAMPLES_IN_FLIGHT_MAX; i++) {
        if (sampler.listenings[i].is_used)
            listening_look_if_due(&sampler.listenings[i], clock_monotonic_ns());
    }
    if (sampler.books.armed_count > 0 && now_ns >= sampler.next_scan_ns) scan(now_ns);
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
    for (uint32_t i = 0; i < SAMPLES_IN_FLIGHT_MAX; i++) {
        struct listening *listening = &sampler.listenings[i];

        if (!listening->is_used) continue;
        if (listening_has_ended(listening)) {
            listening_finish(listening);
        } else {
            listening_stop(listening, now_ns + STOP_NS_MAX);
        }
    }
    for (uint32_t i = 0; i < SAMPLER_TASKS_MAX; i++) {
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
    outbox->event_count = outbox->sample_count = 0;
}

static void *sampler_main(void *context)
{
    bool is_stopping = false;

    (void)context;
    prctl(PR_SET_NAME, "stakeout-sample");
    prctl(PR_SET_TIMERSLACK, 1);
    while (!is_stopping) {
        uint32_t seen = wake_now();
        struct outbox *full;
        uint64_t deadline_ns;

        pthread_mutex_lock(&sampler.lock);
        sampler.tid = (uint32_t)syscall(SYS_gettid);
        is_stopping = sampler.is_stopping;
        deadline_ns = sampler_round();
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

/* The thread inherits a mask that blocks every signal: none of the host's comes to us. */
static int thread_start(void)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&sampler.thread, NULL, sampler_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

/* What was counted before belongs to a sampler that is gone. Statistics go on. */
static void books_reset(void)
{
    memset(&sampler.books, 0, sizeof sampler.books);
    memset(&sampler.handed, 0, sizeof sampler.handed);
    memset(sampler.listenings, 0, sizeof sampler.listenings);
    sampler.books.threshold_ns_min = UINT64_MAX;
    memset(sampler.outboxes, 0, sizeof sampler.outboxes);
    sampler.outbox = &sampler.outboxes[0];
}

static int sampler_open(const struct sampler_options *options, bool statistics_off)
{
    int rc = memory_open(!statistics_off);

    if (rc < 0) return rc;
    books_reset();
    rc = engine_open(&sampler.engine, options);
    if (rc < 0) {
        memory_close();
        return rc;
    }
    if (stack_copy_open(options->signal_number != 0 ? options->signal_number : SIGURG) < 0)
        sampler.engine.handler_taken = true;
    sampler.is_stopping = false;
    rc = thread_start();
    if (rc < 0) {
        engine_close(&sampler.engine);
        memory_close();
        return rc;
    }
    sampler.is_running = true;
    return 0;
}

int sampler_start(const struct sampler_options *options, bool statistics_off)
{
    int rc = -EALREADY;

    pthread_mutex_lock(&sampler.lock);
    if (!sampler.is_running) rc = sampler_open(options, statistics_off);
    pthread_mutex_unlock(&sampler.lock);
    return rc;
}

void sampler_stop(void)
{
    pthread_mutex_lock(&sampler.lock);
    if (!sampler.is_running) {
        pthread_mutex_unlock(&sampler.lock);
        return;
    }
    memory_close();
    sampler.is_stopping = true;
    pthread_mutex_unlock(&sampler.lock);
    wake_sampler();
    pthread_join(sampler.thread, NULL);

    pthread_mutex_lock(&sampler.lock);
    sampler.is_running = false;
    engine_close(&sampler.engine);
    pthread_mutex_unlock(&sampler.lock);
}

void sampler_forget(void)
{
    /* The lock may have been held at the fork, by a thread that is not here. What the parent's
     * sampler had allocated stays, unused: freeing it might find the heap of another moment. */
    memset(&sampler, 0, sizeof sampler);
    pthread_mutex_init(&sampler.lock, NULL);
}

/* Brings a known watch to what the scheduler says of it now. */
static void watch_update(struct watch *watch, const struct task_order *order, uint64_t now_ns)
{
    watch->order.state = order->state;
    watch->order.ends_monotonic_ns = order->ends_monotonic_ns;
    watch->order.sample_cap = order->sample_cap;
    if (order->state != TASK_ACTIVE) {
        watch_end(watch, now_ns);
    } else if (watch->phase == WATCH_OVER && order->ends_monotonic_ns > now_ns) {
        /* It was extended, and the word of it came after the old end. */
        books_rearm(&sampler.books, watch, now_ns, own_cpu_ns());
        tell(watch, TASK_EVENT_ARMED, "", 1);
    }
}

static void order_apply(const struct task_order *order, uint64_t now_ns)
{
    struct watch *watch = books_find(&sampler.books, &order->id);

    if (watch) {
        watch_update(watch, order, now_ns);
    } else if (order->state == TASK_ACTIVE && order->ends_monotonic_ns > now_ns) {
        watch = books_arm(&sampler.books, order, now_ns, own_cpu_ns());
        if (watch) tell(watch, TASK_EVENT_ARMED, "", 1);
    }
}

static bool is_ordered(const struct watch *watch, const struct task_order *orders, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(orders[i].id.text, watch->order.id.text) == 0) return true;
    }
    return false;
}

void sampler_set_tasks(const struct task_order *orders, uint32_t count)
{
    uint64_t now_ns = clock_monotonic_ns();

    pthread_mutex_lock(&sampler.lock);
    if (!sampler.is_running || sampler.is_stopping) count = 0;
    for (uint32_t i = 0; i < SAMPLER_TASKS_MAX; i++) {
        struct watch *watch = &sampler.books.watches[i];

        /* Ends come first: they may make room for, or way to, what is new. */
        if (watch->phase == WATCH_ARMED && !is_ordered(watch, orders, count))
            watch_end(watch, now_ns);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < count; i++) {
            if ((pass == 0) == (orders[i].state != TASK_ACTIVE)) order_apply(&orders[i], now_ns);
        }
    }
    sampler.next_scan_ns = 0; /* calls in flight may be due already */
    pthread_mutex_unlock(&sampler.lock);
    wake_sampler();
}

static struct listening *listening_of(const struct sample_id *id)
{
    for (uint32_t i = 0; i < SAMPLES_IN_FLIGHT_MAX; i++) {
        struct listening *listening = &sampler.listenings[i];

        if (listening->is_used && strcmp(listening->builder.sample->id.text, id->text) == 0)
            return listening;
    }
    return NULL;
}

static void settle_accepted(struct handed *handed, struct watch *watch,
                            const struct settlement *settlement)
{
    struct listening *listening = listening_of(&handed->id);

    if (!handed->is_counted) {
        handed->is_counted = true;
        watch->counts.sampled++;
        watch->counts.pending--;
    }
    if (listening) listening->is_counted = true;
    if (settlement->revision == handed->final_revision) handed_remove(handed);
}

/* The scheduler does not want it: a call that still runs is not listened to any more. */
static void settle_refused(struct handed *handed, struct watch *watch, int outcome)
{
    struct listening *listening = listening_of(&handed->id);

    if (!handed->is_counted) {
        if (outcome == REPORT_OVER_CAP) {
            watch->counts.over_cap++;
            watch->counts.pending--;
        } else {
            books_drop(watch, watch->order.state == TASK_CANCELLED ? CALL_DROP_CANCELLED
                                                                   : CALL_DROP_REFUSED);
        }
    }
    handed_remove(handed);
    if (!listening) return;
    listening->is_counted = true; /* it is in the books already */
    listening_drop(listening, CALL_DROP_REFUSED);
}

static void settle_lost(struct handed *handed, struct watch *watch,
                        const struct settlement *settlement)
{
    if (settlement->revision != handed->final_revision) return; /* a later one will come */
    if (!handed->is_counted) books_drop(watch, settlement->drop);
    handed_remove(handed);
}

void sampler_settle(const struct settlement *settlement)
{
    struct handed *handed;

    pthread_mutex_lock(&sampler.lock);
    handed = settlement->sample.text[0] != '\0' ? handed_find(&sampler.handed, &settlement->sample)
                                                : NULL;
    if (handed) {
        struct watch *watch = &sampler.books.watches[handed->watch];

        switch (settlement->outcome) {
        case 0:
            settle_lost(handed, watch, settlement);
            break;
        case REPORT_ACCEPTED:
        case REPORT_REPLACED:
        case REPORT_KNOWN:
            settle_accepted(handed, watch, settlement);
            break;
        default:
            settle_refused(handed, watch, settlement->outcome);
            break;
        }
    }
    pthread_mutex_unlock(&sampler.lock);
}

uint32_t sampler_ledgers(struct task_books *ret, uint32_t size)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint32_t count = 0;

    pthread_mutex_lock(&sampler.lock);
    books_refresh(&sampler.books);
    for (uint32_t i = 0; i < SAMPLER_TASKS_MAX && count < size; i++) {
        const struct watch *watch = &sampler.books.watches[i];

        if (watch->phase == WATCH_FREE) continue;
        ret[count++] = (struct task_books){ .task = watch->order.id,
                                            .is_armed = watch->phase == WATCH_ARMED,
                                            .is_final = books_is_final(watch),
                                            .ledger = books_ledger(watch, now_ns, own_cpu_ns()) };
    }
    pthread_mutex_unlock(&sampler.lock);
    return count;
}

void sampler_release(const struct task_id *task)
{
    struct watch *watch;

    pthread_mutex_lock(&sampler.lock);
    watch = books_find(&sampler.books, task);
    if (watch && books_is_final(watch)) {
        bool is_referred_to = false;

        /* Of a sample that has its place, a last revision may still be on its way. */
        for (uint32_t i = 0; i < HANDED_MAX; i++) {
            struct handed *handed = &sampler.handed.places[i];

            if (handed->id.text[0] != '\0' && handed->watch == watch_index(watch))
                is_referred_to = true;
        }
        for (uint32_t i = 0; i < SAMPLES_IN_FLIGHT_MAX; i++) {
            is_referred_to |= sampler.listenings[i].is_used && sampler.listenings[i].watch == watch;
        }
        if (!is_referred_to) watch->phase = WATCH_FREE;
    }
    pthread_mutex_unlock(&sampler.lock);
}

void sampler_interfaces(void (*on_interface)(void *context,
                                             const struct interface_statistics *statistics),
                        void *context)
{
    pthread_mutex_lock(&sampler.lock);
    if (atomic_load_explicit(&hot.statistics, memory_order_relaxed)) {
        interface_totals_refresh(&sampler.totals);
        interface_totals_each(&sampler.totals, on_interface, context);
    }
    pthread_mutex_unlock(&sampler.lock);
}

void sampler_interfaces_acknowledged(void)
{
    pthread_mutex_lock(&sampler.lock);
    interface_totals_acknowledged(&sampler.totals);
    pthread_mutex_unlock(&sampler.lock);
}

static void trouble(struct sampler_cost *ret, bool is_so, const char *sentence)
{
    if (!is_so || ret->trouble_count == SAMPLER_TROUBLES_MAX) return;
    snprintf(ret->troubles[ret->trouble_count++], SAMPLER_TROUBLE_SIZE_MAX + 1, "%s", sentence);
}

static void troubles_find(struct sampler_cost *ret)
{
    const struct engine *engine = &sampler.engine;
    uint64_t probe = 0;

    trouble(ret, engine->unwinder && !unwinder_has_library(engine->unwinder),
            "libunwind-x86_64.so.8 cannot be loaded: stacks have one frame; install libunwind8.");
    trouble(ret, engine->handler_taken,
            "Another handler has our signal: running threads are not seen; set STAKEOUT_SIGNAL.");
    trouble(ret, engine->syscall_unreadable,
            "/proc/self/task/*/syscall cannot be read: blocked threads are sent signals instead.");
    trouble(ret, engine->schedstat_unreadable,
            "/proc/self/task/*/schedstat cannot be read: queueing is shown as waiting.");
    trouble(ret, self_read((uint64_t)(uintptr_t)&probe, &probe, sizeof probe) != sizeof probe,
            "process_vm_readv is refused here: stacks of blocked threads cannot be read.");
    trouble(ret, loan_count_lost() > 0,
            "Some threads block our signal: while they run, they are not seen.");
}

static uint64_t memory_in_use(void)
{
    uint64_t size = memory_size() + sizeof sampler;

    if (sampler.engine.unwinder) size += unwinder_size(sampler.engine.unwinder);
    for (uint32_t i = 0; i < SAMPLES_IN_FLIGHT_MAX; i++) {
        size += builder_size(&sampler.listenings[i].builder);
    }
    return size;
}

void sampler_cost(struct sampler_cost *ret)
{
    *ret = (struct sampler_cost){ 0 };
    pthread_mutex_lock(&sampler.lock);
    slot_sweep();
    ret->cpu_ns = own_cpu_ns();
    ret->memory_size = memory_in_use();
    ret->thread_count = slot_count_used();
    ret->call_count = call_count_running();
    for (int i = 0; i < NOTE_COUNT; i++) {
        ret->notes[i] = atomic_load_explicit(&hot.notes[i], memory_order_relaxed);
    }
    if (sampler.is_running) troubles_find(ret);
    pthread_mutex_unlock(&sampler.lock);
}
