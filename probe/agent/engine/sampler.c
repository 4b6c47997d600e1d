/* SPDX-License-Identifier: Apache-2.0 */
/* sampler.c: starts and stops the sampler's thread, takes orders, settles, and reads the books.
 *
 * These are the functions of sampler.h, called by the link's threads. What the thread itself does
 * is in sampler_round.c, with the invariants of both. */
#include "probe/agent/engine/sampler.h"

#include "common/wire/messages.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/base/program.h"
#include "probe/agent/base/thread.h"
#include "probe/agent/engine/sampler_state.h"
#include "probe/agent/unwind/self_memory.h"
#include "probe/hot/call.h"
#include "probe/hot/transfer.h"
#include "probe/hot/wake.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct sampler sampler = { .lock = PTHREAD_MUTEX_INITIALIZER };

static_assert(sizeof sampler <= MEMORY_SAMPLER_MAX, "8 MB in all");

/* What was counted before belongs to a sampler that is gone. Statistics go on. */
static void books_reset(void)
{
    memset(&sampler.books, 0, sizeof sampler.books);
    memset(&sampler.handed, 0, sizeof sampler.handed);
    memset(sampler.listenings, 0, sizeof sampler.listenings);
    sampler.books.threshold_ns_min = sampler.books.lookback_ns_min = UINT64_MAX;
    sampler.next_visit_ns = UINT64_MAX;
    sampler.listening_end = sampler.slow_count = sampler.early_count = 0;
    for (uint32_t i = 0; i < LISTENINGS_MAX; i++) {
        sampler.listenings[i].face = i;
    }
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
    budget_set(&sampler.engine.budget, sampler.core_ppm, sampler.thread_ppm);
    transfer_allow(!options->leaves_short_writes);
    if (stack_copy_open(options->signal_number != 0 ? options->signal_number : SIGURG) < 0)
        sampler.engine.handler_taken = true;
    filters_at_end(memory_close);
    sampler.is_stopping = sampler.is_off = sampler.is_at_rest = false;
    sampler.is_statistics_off = statistics_off;
    rc = thread_start(&sampler.thread, sampler_main, NULL);
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
    /* What the parents' samplers had, so that leak checkers find it: nobody reads it. */
    enum { GENERATIONS = 4 };
    static struct unwinder *volatile left[GENERATIONS];

    /* The lock may have been held at the fork, by a thread that is not here. What the parent's
     * sampler had allocated stays, unused: freeing it might find the heap of another moment. But
     * the unwind tables go on. */
    for (uint32_t i = GENERATIONS - 1; i > 0; i--) {
        left[i] = left[i - 1];
    }
    left[0] = sampler.engine.unwinder;
    unwinder_forget();
    memset(&sampler, 0, sizeof sampler);
    pthread_mutex_init(&sampler.lock, NULL);
}

void sampler_set_budget(uint32_t core_ppm, uint32_t thread_ppm)
{
    pthread_mutex_lock(&sampler.lock);
    sampler.core_ppm = core_ppm;
    sampler.thread_ppm = thread_ppm;
    budget_set(&sampler.engine.budget, core_ppm, thread_ppm);
    pthread_mutex_unlock(&sampler.lock);
}

void sampler_switch(bool is_on)
{
    pthread_mutex_lock(&sampler.lock);
    if (sampler.is_running && !sampler.is_stopping && sampler.is_off == is_on) {
        sampler.is_off = !is_on;
        sampler.is_at_rest = false;
        if (is_on) {
            memory_open(!sampler.is_statistics_off); /* it was open before: it cannot fail */
        } else {
            memory_close();
        }
    }
    pthread_mutex_unlock(&sampler.lock);
    wake_sampler();
}

/* Brings a known watch to what the scheduler says of it now. */
static void watch_update(struct watch *watch, const struct task_order *order, uint64_t now_ns)
{
    watch->order.state = order->state;
    watch->order.ends_monotonic_ns = order->ends_monotonic_ns;
    watch->order.sample_cap = order->sample_cap;
    watch->order.lookback = order->lookback;
    if (order->state != TASK_ACTIVE) {
        watch_end(watch, now_ns);
    } else if (watch->phase == WATCH_OVER && order->ends_monotonic_ns > now_ns) {
        /* It was extended, and the word of it came after the old end. */
        books_rearm(&sampler.books, watch, now_ns, sampler_cpu_ns());
        sampler_tell(watch, TASK_EVENT_ARMED, "", 1);
    }
}

static void order_apply(const struct task_order *order, uint64_t now_ns)
{
    struct watch *watch = books_find(&sampler.books, &order->id);

    if (watch) {
        watch_update(watch, order, now_ns);
    } else if (order->state == TASK_ACTIVE && order->ends_monotonic_ns > now_ns) {
        watch = books_arm(&sampler.books, order, now_ns, sampler_cpu_ns());
        if (watch) sampler_tell(watch, TASK_EVENT_ARMED, "", 1);
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
    if (!sampler.is_running || sampler.is_stopping || sampler.is_off) count = 0;
    for (uint32_t i = 0; i < sampler.books.watch_end; i++) {
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
    for (uint32_t i = 0; i < sampler.listening_end; i++) {
        struct listening *listening = &sampler.listenings[i];

        if (listening->is_used && strcmp(listening->draft.builder.sample->id.text, id->text) == 0)
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
    for (uint32_t i = 0; i < sampler.books.watch_end && count < size; i++) {
        const struct watch *watch = &sampler.books.watches[i];

        if (watch->phase == WATCH_FREE) continue;
        ret[count++] =
            (struct task_books){ .task = watch->order.id,
                                 .is_armed = watch->phase == WATCH_ARMED,
                                 .is_final = books_is_final(watch),
                                 .ledger = books_ledger(watch, now_ns, sampler_cpu_ns()) };
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
        for (uint32_t i = 0; i < sampler.listening_end; i++) {
            is_referred_to |=
                sampler.listenings[i].is_used && sampler.listenings[i].draft.watch == watch;
        }
        if (!is_referred_to) books_free(&sampler.books, watch);
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
    const char *says = perf_engine_trouble(&engine->perf);
    char killed[SAMPLER_TROUBLE_SIZE_MAX + 1];
    uint64_t probe = 0;

    trouble(ret, *filters_say(killed, sizeof killed), killed);
    trouble(ret, engine->has_uncovered,
            "Threads have seccomp filters that were not tried: slow calls there are not sampled.");
    trouble(ret, program_is_static() && program_has_unwind_header(),
            "The program is linked statically: its locks are not named, and few stacks are cut.");
    trouble(ret, program_is_static() && !program_has_unwind_header(),
            "The program is linked statically, without -Wl,--eh-frame-hdr: its stacks are cut.");
    trouble(ret,
            engine->unwinder && !unwinder_has_library(engine->unwinder) && !program_is_static(),
            "libunwind-x86_64.so.8 cannot be loaded: stacks may be cut short; install libunwind8.");
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
    if (says) trouble(ret, true, says);
}

static uint64_t memory_in_use(void)
{
    uint64_t size = memory_size() + sizeof sampler + perf_engine_size(&sampler.engine.perf);

    if (sampler.engine.unwinder) size += unwinder_size(sampler.engine.unwinder);
    for (uint32_t i = 0; i < sampler.listening_end; i++) {
        size += builder_size(&sampler.listenings[i].draft.builder);
    }
    return size;
}

void sampler_cost(struct sampler_cost *ret)
{
    *ret = (struct sampler_cost){ 0 };
    pthread_mutex_lock(&sampler.lock);
    if (filters_allow(TRIED_tgkill)) {
        slot_sweep();
        unfinished_sweep();
    }
    ret->cpu_ns = sampler_cpu_ns();
    ret->memory_size = memory_in_use();
    ret->is_off = sampler.is_off;
    ret->thread_count = slot_count_used();
    ret->call_count = call_count_running();
    for (int i = 0; i < NOTE_COUNT; i++) {
        ret->notes[i] = atomic_load_explicit(&hot.notes[i], memory_order_relaxed);
    }
    if (sampler.is_running) troubles_find(ret);
    pthread_mutex_unlock(&sampler.lock);
}
