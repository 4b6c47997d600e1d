/* SPDX-License-Identifier: Apache-2.0 */
/* watch_test.c: no call is lost to watching, and the ledger adds up at every reading.
 *
 * The sampler runs in this process, without a scheduler: this test decides about the reports. */
#include "common/base/clock.h"
#include "common/model/task_event.h"
#include "common/wire/messages.h"
#include "probe/hot/call.h"
#include "probe/hot/memory.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/integration/probe/one_task.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THRESHOLD_MS = 50, FREQUENCY_MS = 5, IN_FLIGHT = 2000, SLOW = 40 };

/* What the callbacks received. */
static struct {
    pthread_mutex_t lock;
    uint32_t sample_count, running_count;
    struct sample *samples[256];
    uint64_t events[32];
    int outcome; /* what each report is answered with; 0: nothing yet */
} inbox = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void on_sample(void *context, struct sample *take_sample)
{
    struct settlement settlement = { .sample = take_sample->id,
                                     .revision = take_sample->revision,
                                     .outcome = inbox.outcome };

    (void)context;
    pthread_mutex_lock(&inbox.lock);
    inbox.samples[inbox.sample_count++ % 256] = take_sample;
    pthread_mutex_unlock(&inbox.lock);
    if (settlement.outcome != 0) sampler_settle(&settlement);
}

static void on_event(void *context, const struct task_id *task, uint32_t event, const char *detail,
                     uint64_t count)
{
    (void)context;
    (void)task;
    (void)detail;
    pthread_mutex_lock(&inbox.lock);
    inbox.events[event] += count;
    pthread_mutex_unlock(&inbox.lock);
}

static uint32_t samples_received(void)
{
    uint32_t count;

    pthread_mutex_lock(&inbox.lock);
    count = inbox.sample_count;
    pthread_mutex_unlock(&inbox.lock);
    return count;
}

static void inbox_empty(int outcome)
{
    pthread_mutex_lock(&inbox.lock);
    for (uint32_t i = 0; i < inbox.sample_count && i < 256; i++) {
        sample_free(inbox.samples[i]);
    }
    inbox.sample_count = 0;
    memset(inbox.events, 0, sizeof inbox.events);
    inbox.outcome = outcome;
    pthread_mutex_unlock(&inbox.lock);
}

static struct task_order order_make(const char *interface)
{
    return one_task_order(&(struct one_task){
        .interface = interface, .threshold_ms = THRESHOLD_MS, .frequency_ms = FREQUENCY_MS });
}

static struct task_books books_of(const struct task_order *order)
{
    struct task_books books[SAMPLER_TASKS_MAX];
    uint32_t count = sampler_ledgers(books, SAMPLER_TASKS_MAX);

    for (uint32_t i = 0; i < count; i++) {
        assert_true(ledger_is_sound(&books[i].ledger));
        if (strcmp(books[i].task.text, order->id.text) == 0) return books[i];
    }
    fail_msg("no ledger of task %s", order->id.text);
    return books[0];
}

struct expectation {
    const struct task_order *order;
    uint64_t seen, sampled, over_cap, pending, dropped;
    enum call_drop drop;
};

static bool ledger_is_as_expected(void *context)
{
    const struct expectation *expected = context;
    struct ledger ledger = books_of(expected->order).ledger;

    return ledger.seen == expected->seen && ledger.sampled == expected->sampled &&
           ledger.over_cap == expected->over_cap && ledger.pending == expected->pending &&
           ledger.drops[expected->drop] == expected->dropped;
}

static void assert_ledger(const struct expectation *expected)
{
    struct expectation copy = *expected;
    struct ledger ledger;

    if (wait_until(ledger_is_as_expected, &copy, 10000)) return;
    ledger = books_of(expected->order).ledger;
    fail_msg("seen %lu below %lu triggered %lu sampled %lu over_cap %lu pending %lu drop %lu",
             ledger.seen, ledger.below, ledger.triggered, ledger.sampled, ledger.over_cap,
             ledger.pending, ledger.drops[expected->drop]);
}

static bool has_snapshot(void *order)
{
    return books_of(order).ledger.snapshots > 0;
}

/* A call that ends right after it was noticed may have none, and is a drop then. */
static void await_snapshot(struct task_order *order)
{
    if (!wait_until(has_snapshot, order, 10000)) fail_msg("no snapshot");
}

static bool samples_are(void *context)
{
    return samples_received() >= *(uint32_t *)context;
}

static void await_samples(uint32_t count)
{
    if (!wait_until(samples_are, &count, 10000)) fail_msg("%u samples", samples_received());
}

/* Reads all ledgers without a pause, and checks that each adds up and none goes back. */
static _Atomic bool reading;
static void *reader_main(void *context)
{
    const struct task_order *order = context;
    struct ledger before = { 0 };

    while (atomic_load(&reading)) {
        struct ledger now = books_of(order).ledger;

        assert_true(now.seen >= before.seen);
        assert_true(now.below >= before.below);
        assert_true(now.triggered >= before.triggered);
        before = now;
    }
    return NULL;
}

static void fast_calls(stakeout_interface_id interface, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        stakeout_call_end(stakeout_call_begin(interface), 0);
    }
}

static void *fast_main(void *context)
{
    stakeout_interface_id *interface = context;

    fast_calls(*interface, 50000);
    return NULL;
}

static void watching_costs_nobody_a_place(void **state)
{
    static stakeout_call calls[IN_FLIGHT];
    stakeout_interface_id interface = stakeout_interface("crowd");
    struct task_order order = order_make("crowd");
    pthread_t reader, fast;

    (void)state;
    order.threshold_ns = NS_PER_S; /* also on a crowded machine all but SLOW of them are faster */
    inbox_empty(REPORT_ACCEPTED);
    sampler_set_tasks(&order, 1);
    atomic_store(&reading, true);
    assert_int_equal(pthread_create(&reader, NULL, reader_main, &order), 0);
    assert_int_equal(pthread_create(&fast, NULL, fast_main, &interface), 0);
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        calls[i] = stakeout_call_begin(interface);
        assert_int_not_equal(calls[i].opaque[0], 0);
        stakeout_call_detach(calls[i], "the crowd");
    }
    for (uint32_t i = 0; i < IN_FLIGHT - SLOW; i++) {
        stakeout_call_attach(calls[i]);
        stakeout_call_end(calls[i], 200);
    }
    assert_ledger(
        &(struct expectation){ .order = &order, .seen = IN_FLIGHT + 50000, .pending = SLOW });
    for (uint32_t i = IN_FLIGHT - SLOW; i < IN_FLIGHT; i++) {
        stakeout_call_attach(calls[i]);
        stakeout_call_end(calls[i], 500);
    }
    await_samples(SLOW);
    assert_ledger(
        &(struct expectation){ .order = &order, .seen = IN_FLIGHT + 50000, .sampled = SLOW });
    assert_int_equal(books_of(&order).ledger.below, IN_FLIGHT + 50000 - SLOW);
    pthread_join(fast, NULL);
    atomic_store(&reading, false);
    pthread_join(reader, NULL);
    sampler_set_tasks(NULL, 0);
}

static void more_slow_calls_than_can_be_heard_are_dropped_and_counted(void **state)
{
    enum { ALL = SAMPLES_IN_FLIGHT_MAX + 30 };
    static stakeout_call calls[ALL];
    stakeout_interface_id interface = stakeout_interface("flood");
    struct task_order order = order_make("flood");

    (void)state;
    inbox_empty(REPORT_ACCEPTED);
    sampler_set_tasks(&order, 1);
    for (uint32_t i = 0; i < ALL; i++) {
        calls[i] = stakeout_call_begin(interface);
        stakeout_call_detach(calls[i], NULL);
    }
    assert_ledger(&(struct expectation){ .order = &order,
                                         .seen = ALL,
                                         .pending = SAMPLES_IN_FLIGHT_MAX,
                                         .drop = CALL_DROP_NO_SAMPLE,
                                         .dropped = 30 });
    for (uint32_t i = 0; i < ALL; i++) {
        stakeout_call_attach(calls[i]);
        stakeout_call_end(calls[i], 0);
    }
    assert_ledger(&(struct expectation){ .order = &order,
                                         .seen = ALL,
                                         .sampled = SAMPLES_IN_FLIGHT_MAX,
                                         .drop = CALL_DROP_NO_SAMPLE,
                                         .dropped = 30 });
    sampler_set_tasks(NULL, 0);
}

/* A task's end by cancellation, by its cap, and by the clock; one call in flight each. */
static void one_in_flight(const char *name, struct task_order *ret_order, stakeout_call *ret_call)
{
    *ret_order = order_make(name);
    sampler_set_tasks(ret_order, 1);
    *ret_call = stakeout_call_begin(stakeout_interface(name));
    assert_ledger(&(struct expectation){ .order = ret_order, .seen = 1, .pending = 1 });
}

static void a_cancelled_task_drops_what_is_in_flight(void **state)
{
    struct task_order order;
    stakeout_call call;

    (void)state;
    inbox_empty(REPORT_ACCEPTED);
    one_in_flight("cancelled", &order, &call);
    order.state = TASK_CANCELLED;
    sampler_set_tasks(&order, 1);
    assert_ledger(&(struct expectation){
        .order = &order, .seen = 1, .drop = CALL_DROP_CANCELLED, .dropped = 1 });
    stakeout_call_end(call, 0);
    assert_int_equal(samples_received(), 0);
    assert_true(books_of(&order).is_final);
    sampler_release(&order.id);
}

static void a_filled_task_counts_what_is_in_flight_over_its_cap(void **state)
{
    struct task_order order;
    stakeout_call call;

    (void)state;
    inbox_empty(REPORT_ACCEPTED);
    one_in_flight("filled", &order, &call);
    order.state = TASK_FILLED;
    sampler_set_tasks(&order, 1);
    assert_ledger(&(struct expectation){ .order = &order, .seen = 1, .over_cap = 1 });
    stakeout_call_end(call, 0);
    assert_int_equal(samples_received(), 0);
}

static void a_task_ends_by_itself_and_what_triggered_is_still_heard(void **state)
{
    struct task_order order = order_make("expired");
    stakeout_call call;

    (void)state;
    inbox_empty(0);
    order.ends_monotonic_ns = clock_monotonic_ns() + 400 * NS_PER_MS;
    sampler_set_tasks(&order, 1);
    call = stakeout_call_begin(stakeout_interface("expired"));
    assert_ledger(&(struct expectation){ .order = &order, .seen = 1, .pending = 1 });
    while (books_of(&order).is_armed) {
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    fast_calls(stakeout_interface("expired"), 10); /* after the end: not seen */
    stakeout_call_end(call, 0);
    await_samples(1);
    assert_ledger(&(struct expectation){ .order = &order, .seen = 1, .pending = 1 });
    sampler_settle(&(struct settlement){ .sample = inbox.samples[0]->id,
                                         .revision = inbox.samples[0]->revision,
                                         .outcome = REPORT_OVER_CAP });
    assert_ledger(&(struct expectation){ .order = &order, .seen = 1, .over_cap = 1 });
    assert_int_equal(inbox.events[TASK_EVENT_ARMED], 1);
    assert_int_equal(inbox.events[TASK_EVENT_FIRST_TRIGGER], 1);
    assert_int_equal(inbox.events[TASK_EVENT_DISARMED], 1);

    order.ends_monotonic_ns = clock_monotonic_ns() + 100 * NS_PER_S; /* extended, told late */
    sampler_set_tasks(&order, 1);
    fast_calls(stakeout_interface("expired"), 10);
    assert_ledger(&(struct expectation){ .order = &order, .seen = 11, .over_cap = 1 });
    sampler_set_tasks(NULL, 0);
}

/* A call in flight when a task comes is watched from its true begin, at once. */
static void a_call_in_flight_is_watched_from_its_begin(void **state)
{
    struct task_order order = order_make("early*");
    stakeout_call call = stakeout_call_begin(stakeout_interface("early bird"));
    uint64_t began_ns = clock_monotonic_ns(), armed_ns, ended_ns;
    const struct sample *sample;

    (void)state;
    inbox_empty(REPORT_ACCEPTED);
    while (clock_monotonic_ns() - began_ns < 3 * THRESHOLD_MS * NS_PER_MS) {
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    armed_ns = clock_monotonic_ns();
    sampler_set_tasks(&order, 1);
    assert_ledger(&(struct expectation){ .order = &order, .seen = 1, .pending = 1 });
    await_snapshot(&order);
    stakeout_call_end(call, 204);
    ended_ns = clock_monotonic_ns();
    await_samples(1);
    /* It is due when it is watched; that it had passed the threshold before makes nobody late. */
    assert_in_range(books_of(&order).ledger.late_ns_max, 1, ended_ns - armed_ns);
    sample = inbox.samples[0];
    assert_in_range(sample->elapsed_ns, ended_ns - began_ns - NS_PER_MS,
                    ended_ns - began_ns + 50 * NS_PER_US);
    assert_int_equal(sample->response_code, 204);
    assert_string_equal(sample->interface, "early bird");
    sampler_set_tasks(NULL, 0);
}

/* Calls are looked through once in a threshold; in between, each is come to at its own time. */
static void a_slow_call_is_noticed_at_its_time_and_not_when_all_are_looked_through(void **state)
{
    enum { CALLS = 16, APART_MS = THRESHOLD_MS / CALLS };
    struct task_order order = order_make("in turn");
    stakeout_interface_id interface = stakeout_interface("in turn");
    stakeout_call calls[CALLS];
    uint32_t late_count = 0;

    (void)state;
    inbox_empty(REPORT_ACCEPTED);
    sampler_set_tasks(&order, 1);
    for (uint32_t i = 0; i < CALLS; i++) {
        calls[i] = stakeout_call_begin(interface);
        stakeout_call_detach(calls[i], "its turn");
        nanosleep(&(struct timespec){ .tv_nsec = APART_MS * 1000000 }, NULL);
    }
    assert_ledger(&(struct expectation){ .order = &order, .seen = CALLS, .pending = CALLS });
    for (uint32_t i = 0; i < CALLS; i++) {
        stakeout_call_end(calls[i], 0);
    }
    await_samples(CALLS);
    for (uint32_t i = 0; i < CALLS; i++) {
        const struct sample *sample = inbox.samples[i];

        if (sample->snapshots[0].offset_ns > (THRESHOLD_MS + THRESHOLD_MS / 2) * NS_PER_MS)
            late_count++;
    }
    assert_in_range(late_count, 0, CALLS / 4); /* else it would be half of them */
    sampler_set_tasks(NULL, 0);
}

static void interfaces_that_come_later_are_matched_by_a_prefix(void **state)
{
    struct task_order order = order_make("late*");
    stakeout_call call;

    (void)state;
    inbox_empty(REPORT_ACCEPTED);
    sampler_set_tasks(&order, 1);
    call = stakeout_call_begin(stakeout_interface("late comer"));
    assert_ledger(&(struct expectation){ .order = &order, .seen = 1, .pending = 1 });
    await_snapshot(&order);
    stakeout_call_end(call, 0);
    assert_ledger(&(struct expectation){ .order = &order, .seen = 1, .sampled = 1 });
    sampler_set_tasks(NULL, 0);
}

static void *abandoning_main(void *context)
{
    stakeout_interface_id interface = stakeout_interface("left behind");

    (void)context;
    stakeout_call_begin(interface);
    nanosleep(&(struct timespec){ .tv_nsec = 150000000 }, NULL);
    return NULL; /* without the end */
}

static void a_thread_that_exits_while_it_is_listened_to_ends_its_call(void **state)
{
    struct task_order order = order_make("left behind");
    pthread_t thread;

    (void)state;
    inbox_empty(REPORT_ACCEPTED);
    sampler_set_tasks(&order, 1);
    assert_int_equal(pthread_create(&thread, NULL, abandoning_main, NULL), 0);
    pthread_join(thread, NULL);
    assert_ledger(&(struct expectation){ .order = &order, .seen = 1, .sampled = 1 });
    sampler_set_tasks(NULL, 0);
}

#ifndef __SANITIZE_THREAD__
static _Atomic int child_hook_runs;
static void on_fork_child(void)
{
    atomic_fetch_add(&child_hook_runs, 1);
    sampler_forget();
    sampler_start(&(struct sampler_options){ .on_sample = on_sample, .on_event = on_event }, false);
}

/* What the child of a fork does; returns its exit status. */
static int child_main(stakeout_call of_parent)
{
    stakeout_interface_id interface = stakeout_interface("crowd"); /* ids survive */
    struct task_order order = order_make("crowd");
    struct expectation expected = { .order = &order, .seen = 1, .sampled = 1 };
    stakeout_call call;

    pthread_mutex_init(&inbox.lock, NULL);
    inbox.sample_count = 0;
    inbox.outcome = REPORT_ACCEPTED;
    fast_calls(interface, 3);
    if (atomic_load(&child_hook_runs) != 1) return 2;
    stakeout_call_end(of_parent, 0); /* stale here */
    sampler_set_tasks(&order, 1);
    call = stakeout_call_begin(interface);
    if (call.opaque[0] == 0) return 3;
    while (samples_received() == 0) {
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
        stakeout_call_end(call, 0);
        if (!wait_until(ledger_is_as_expected, &expected, 5000)) return 4;
    }
    sampler_stop();
    return 0;
}

static void a_forked_child_starts_with_nothing_and_works(void **state)
{
    struct task_order order = order_make("forking");
    stakeout_call call;
    int status = 0;
    pid_t pid;

    (void)state;
    inbox_empty(REPORT_ACCEPTED);
    sampler_set_tasks(&order, 1);
    call_on_fork_child(on_fork_child);
    call = stakeout_call_begin(stakeout_interface("forking"));
    pid = fork();
    if (pid == 0) _exit(child_main(call));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    call_on_fork_child(NULL);
    assert_int_equal(status, 0);
    assert_int_equal(atomic_load(&child_hook_runs), 0);
    stakeout_call_end(call, 0); /* the parent's is untouched */
    assert_true(books_of(&order).ledger.seen == 1);
    sampler_set_tasks(NULL, 0);
}

#endif /* __SANITIZE_THREAD__ */

struct interface_search {
    const char *name;
    struct histogram found;
};

static void on_interface(void *context, const struct interface_statistics *statistics)
{
    struct interface_search *search = context;

    if (text_is_equal(statistics->name, text_of(search->name)))
        search->found = statistics->histogram;
}

static void statistics_count_every_call_of_every_thread(void **state)
{
    stakeout_interface_id interface = stakeout_interface("counted");
    struct interface_search search = { .name = "counted" };
    pthread_t threads[4];
    uint64_t sum = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, fast_main, &interface), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    sampler_interfaces(on_interface, &search);
    assert_int_equal(search.found.count, 4 * 50000);
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum += search.found.buckets[i];
    }
    assert_int_equal(sum, search.found.count);
    assert_int_not_equal(search.found.max_ns, 0);
    sampler_interfaces_acknowledged();
    sampler_interfaces(on_interface, &search);
    assert_int_equal(search.found.count, 4 * 50000);
    assert_int_equal(search.found.max_ns, 0);
}

static void a_stopped_sampler_has_dropped_what_was_in_flight(void **state)
{
    struct task_order order;
    stakeout_call call;
    struct sampler_cost cost;

    (void)state;
    inbox_empty(REPORT_ACCEPTED);
    one_in_flight("stopped", &order, &call);
    sampler_stop();
    assert_ledger(&(struct expectation){
        .order = &order, .seen = 1, .drop = CALL_DROP_STOPPED, .dropped = 1 });
    stakeout_call_end(call, 0);
    assert_int_equal(stakeout_call_begin(stakeout_interface("stopped")).opaque[0], 0);
    sampler_cost(&cost);
    assert_int_equal(cost.call_count, 0);
    assert_int_equal(sampler_start(&(struct sampler_options){ .on_sample = on_sample }, false), 0);
    assert_int_equal(sampler_start(&(struct sampler_options){ .on_sample = on_sample }, false),
                     -EALREADY);
    assert_int_not_equal(stakeout_call_begin(stakeout_interface("stopped")).opaque[0], 0);
}

static int start(void **state)
{
    (void)state;
    return sampler_start(&(struct sampler_options){ .on_sample = on_sample, .on_event = on_event },
                         false);
}

static int stop(void **state)
{
    (void)state;
    sampler_stop();
    inbox_empty(0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watching_costs_nobody_a_place),
        cmocka_unit_test(more_slow_calls_than_can_be_heard_are_dropped_and_counted),
        cmocka_unit_test(a_cancelled_task_drops_what_is_in_flight),
        cmocka_unit_test(a_filled_task_counts_what_is_in_flight_over_its_cap),
        cmocka_unit_test(a_task_ends_by_itself_and_what_triggered_is_still_heard),
        cmocka_unit_test(a_call_in_flight_is_watched_from_its_begin),
        cmocka_unit_test(a_slow_call_is_noticed_at_its_time_and_not_when_all_are_looked_through),
        cmocka_unit_test(interfaces_that_come_later_are_matched_by_a_prefix),
        cmocka_unit_test(a_thread_that_exits_while_it_is_listened_to_ends_its_call),
#ifndef __SANITIZE_THREAD__ /* it does not support threads in a child of a threaded process */
        cmocka_unit_test(a_forked_child_starts_with_nothing_and_works),
#endif
        cmocka_unit_test(statistics_count_every_call_of_every_thread),
        cmocka_unit_test(a_stopped_sampler_has_dropped_what_was_in_flight),
    };

    return cmocka_run_group_tests_name("watch", tests, start, stop);
}
