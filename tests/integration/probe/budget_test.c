/* SPDX-License-Identifier: Apache-2.0 */
/* budget_test.c: a load under which the budget binds, and what it cost: by the ledger, and by the
 * clock that the kernel keeps of the sampler's thread.
 *
 * Eight threads have slow calls that a task wants to look at every 5 ms: that would be several
 * percent of a core. */
#include "common/base/clock.h"
#include "common/model/task_event.h"
#include "common/wire/messages.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/integration/probe/one_task.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CALLERS = 8, FREQUENCY_MS = 5, SECONDS = 4, CORE_PPM = 10000 };

static _Atomic uint32_t sample_count, snapshot_count, stretched_count;
static _Atomic uint64_t interval_ns_max;
static _Atomic bool is_over;
static char stretched_says[128];

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    one_task_accept(take_sample);
    if (!take_sample->running) {
        atomic_fetch_add(&sample_count, 1);
        atomic_fetch_add(&snapshot_count, take_sample->snapshot_count);
        if (take_sample->interval_ns > atomic_load(&interval_ns_max))
            atomic_store(&interval_ns_max, take_sample->interval_ns);
    }
    sample_free(take_sample);
}

static void on_event(void *context, const struct task_id *of, uint32_t event, const char *detail,
                     uint64_t count)
{
    (void)context, (void)of, (void)count;
    if (event != TASK_EVENT_STRETCHED) return;
    if (atomic_load(&stretched_count) == 0)
        snprintf(stretched_says, sizeof stretched_says, "%s", detail);
    atomic_fetch_add(&stretched_count, 1);
}

static stakeout_interface_id arm(const char *interface)
{
    return one_task_arm(&(struct one_task){
        .interface = interface, .threshold_ms = 50, .frequency_ms = FREQUENCY_MS });
}

static void *call_for_a_while(void *context)
{
    stakeout_call call = stakeout_call_begin(*(stakeout_interface_id *)context);

    while (!atomic_load(&is_over)) {
        nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
    }
    stakeout_call_end(call, 0);
    return NULL;
}

static bool has_samples(void *context)
{
    return atomic_load(&sample_count) >= *(uint32_t *)context;
}

static bool has_snapshots(void *context)
{
    return one_task_ledger().snapshots >= *(uint64_t *)context;
}

/* A file of the sampler's thread; NULL if there is no such thread yet. */
static FILE *sampler_thread_file(const char *file_name)
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    FILE *found = NULL;

    assert_non_null(folder);
    while (!found && (entry = readdir(folder)) != NULL) {
        char path[320], name[32] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "r");
        if (!file) continue;
        if (!fgets(name, sizeof name, file)) name[0] = '\0';
        fclose(file);
        snprintf(path, sizeof path, "/proc/self/task/%s/%s", entry->d_name, file_name);
        if (strcmp(name, "stakeout-sample\n") == 0) found = fopen(path, "r");
    }
    closedir(folder);
    return found;
}

/* As the kernel counts it: the first number of schedstat. */
static uint64_t sampler_thread_cpu_ns(void)
{
    FILE *file = sampler_thread_file("schedstat");
    uint64_t cpu_ns = UINT64_MAX;

    if (!file) return cpu_ns;
    assert_int_equal(fscanf(file, "%" SCNu64, &cpu_ns), 1);
    fclose(file);
    return cpu_ns;
}

/* How often it went to sleep. */
static uint64_t sampler_thread_sleeps(void)
{
    FILE *file = sampler_thread_file("status");
    uint64_t count = 0;
    char line[256];

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &count) == 1) break;
    }
    fclose(file);
    return count;
}

static bool has_thread(void *context)
{
    (void)context;
    return sampler_thread_cpu_ns() != UINT64_MAX;
}

struct cost {
    uint64_t wall_ns, thread_ns;
    struct ledger ledger;
};

static struct cost drive(const char *name)
{
    stakeout_interface_id interface = arm(name);
    uint64_t begin_ns = clock_monotonic_ns(), cpu_ns;
    uint32_t wanted = CALLERS;
    pthread_t threads[CALLERS];
    struct cost cost;

    assert_true(wait_until(has_thread, NULL, 20000)); /* it gives itself its name */
    cpu_ns = sampler_thread_cpu_ns();
    atomic_store(&is_over, false);
    atomic_store(&sample_count, 0);
    atomic_store(&snapshot_count, 0);
    atomic_store(&interval_ns_max, 0);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, call_for_a_while, &interface), 0);
    }
    nanosleep(&(struct timespec){ .tv_sec = SECONDS }, NULL);
    cost.ledger = one_task_ledger();
    cost.thread_ns = sampler_thread_cpu_ns() - cpu_ns;
    cost.wall_ns = clock_monotonic_ns() - begin_ns;
    atomic_store(&is_over, true);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(wait_until(has_samples, &wanted, 20000));
    return cost;
}

/* What two seconds and the time since give, and the first snapshots, which may cost what they
 * will. */
static uint64_t bound_ns(const struct cost *cost)
{
    return CORE_PPM * (2 * NS_PER_S + cost->wall_ns / 4 * 3) / 1000000 + CALLERS * 2 * NS_PER_MS;
}

static void looks_get_rarer_rather_than_pass_the_budget(void **state)
{
    struct cost bounded, free_cost;
    uint32_t looks;

    (void)state;
    sampler_set_budget(CORE_PPM, 0);
    bounded = drive("bounded");
    looks = atomic_load(&snapshot_count);
    print_message(
        "  in %.1f s: %" PRIu64 " snapshots, thread %.1f ms, ledger %.1f ms, bound %.1f ms\n"
        "  %s; longest %.1f ms\n",
        (double)bounded.wall_ns / 1e9, bounded.ledger.snapshots, (double)bounded.thread_ns / 1e6,
        (double)bounded.ledger.cpu_ns / 1e6, (double)bound_ns(&bounded) / 1e6, stretched_says,
        (double)bounded.ledger.stretched_ns / 1e6);
    assert_in_range(bounded.thread_ns, 1, bound_ns(&bounded));
    assert_true(bounded.ledger.stretched_ns > FREQUENCY_MS * NS_PER_MS);
    assert_true(atomic_load(&interval_ns_max) > FREQUENCY_MS * NS_PER_MS);
    assert_in_range(atomic_load(&stretched_count), 1, SECONDS + 2);
    assert_non_null(strstr(stretched_says, "every 5 ms, stretched to "));

    sampler_set_budget(SAMPLER_BUDGET_NONE, SAMPLER_BUDGET_NONE);
    free_cost = drive("free");
    print_message("  without a bound: %" PRIu64 " snapshots, thread %.1f ms\n",
                  free_cost.ledger.snapshots, (double)free_cost.thread_ns / 1e6);
    assert_true(atomic_load(&snapshot_count) > looks);
    assert_int_equal(free_cost.ledger.stretched_ns, 0);
    assert_int_equal(atomic_load(&interval_ns_max), FREQUENCY_MS * NS_PER_MS);
}

static bool is_stretched(void *context)
{
    return one_task_ledger().stretched_ns >= *(uint64_t *)context;
}

/* So much was spent that no look is covered for seconds: the ledger says so while the call runs. */
static void a_look_that_is_put_off_is_told_before_it_is_made(void **state)
{
    uint64_t far_ns = 5 * NS_PER_S, wanted = 1, spent_at_ns;
    stakeout_interface_id interface;
    stakeout_call call;

    (void)state;
    sampler_set_budget(CORE_PPM, 0);
    interface = arm("put off");
    call = stakeout_call_begin(interface);
    assert_true(wait_until(has_snapshots, &wanted, 20000));
    spent_at_ns = clock_monotonic_ns();
    atomic_fetch_add(&hot.handler_ticks, ticks_from_ns(NS_PER_S));
    assert_true(wait_until(is_stretched, &far_ns, 20000));
    assert_in_range(clock_monotonic_ns() - spent_at_ns, 0, far_ns);
    stakeout_call_end(call, 0);
}

/* 0.1 % of a thread's time is 1 ms a second; a signal every 5 ms is more than that. */
static void a_thread_is_paused_no_longer_than_its_share(void **state)
{
    stakeout_interface_id interface;
    uint64_t begin_ns, now_ns;
    stakeout_call call;
    uint32_t wanted = 1;
    uint64_t bound_ns;

    (void)state;
    sampler_set_budget(SAMPLER_BUDGET_NONE, BUDGET_PPM_MIN);
    interface = arm("paused");
    atomic_store(&sample_count, 0);
    atomic_store(&snapshot_count, 0);
    call = stakeout_call_begin(interface);
    begin_ns = clock_monotonic_ns();
    do { /* until it is seen that it binds */
        now_ns = clock_monotonic_ns();
    } while (now_ns - begin_ns < 2 * NS_PER_S ||
             (one_task_ledger().stretched_ns == 0 && now_ns - begin_ns < 20 * NS_PER_S));
    stakeout_call_end(call, 0);
    assert_true(wait_until(has_samples, &wanted, 20000));
    bound_ns = (2 * NS_PER_S + (now_ns - begin_ns) / 4 * 3) / 1000000 * BUDGET_PPM_MIN;
    print_message("  %u snapshots of a running thread in %.1f s; pauses may take %.1f ms\n",
                  atomic_load(&snapshot_count), (double)(now_ns - begin_ns) / 1e9,
                  (double)bound_ns / 1e6);
    assert_true(one_task_ledger().stretched_ns > FREQUENCY_MS * NS_PER_MS);
    /* Our handler alone takes a microsecond of a pause, at the least. */
    assert_in_range((uint64_t)atomic_load(&snapshot_count) * NS_PER_US, 1, bound_ns);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *call_for_lock(void *context)
{
    stakeout_call call = stakeout_call_begin(*(stakeout_interface_id *)context);

    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    stakeout_call_end(call, 0);
    return NULL;
}

static uint64_t handler_ns(void)
{
    return ticks_to_ns(atomic_load(&hot.handler_ticks));
}

/* The holder of a lock runs no call; those that wait for it ask for its stack, each at each
 * look. */
static void so_is_the_holder_of_a_lock(void **state)
{
    pthread_t threads[CALLERS];
    stakeout_interface_id interface;
    uint64_t begin_ns, now_ns, paused_ns, bound_ns;

    (void)state;
    sampler_set_budget(SAMPLER_BUDGET_NONE, BUDGET_PPM_MIN);
    interface = arm("locked");
    pthread_mutex_lock(&lock);
    paused_ns = handler_ns();
    begin_ns = clock_monotonic_ns();
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, call_for_lock, &interface), 0);
    }
    do {
        now_ns = clock_monotonic_ns();
    } while (now_ns - begin_ns < 3 * NS_PER_S);
    paused_ns = handler_ns() - paused_ns;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    bound_ns = (2 * NS_PER_S + (now_ns - begin_ns) / 4 * 3) / 1000000 * BUDGET_PPM_MIN;
    print_message("  the holder was paused for %.2f ms, and may be for %.2f\n",
                  (double)paused_ns / 1e6, (double)bound_ns / 1e6);
    assert_in_range(paused_ns, 1, bound_ns);
}

static void *spin_for_a_while(void *context)
{
    stakeout_call call = stakeout_call_begin(*(stakeout_interface_id *)context);

    while (!atomic_load(&is_over)) {
    }
    stakeout_call_end(call, 0);
    return NULL;
}

/* Calls that began at different times are looked at in the same rounds; and nobody is woken for a
 * copy that a thread makes of its stack: the next round takes it up. */
static void one_waking_serves_all(void **state)
{
    enum { SPINNERS = 2 };
    pthread_t threads[SPINNERS];
    stakeout_interface_id interface;
    uint64_t sleeps, snapshots, wanted = 20;

    (void)state;
    sampler_set_budget(SAMPLER_BUDGET_NONE, SAMPLER_BUDGET_NONE);
    interface = arm("spinning");
    atomic_store(&is_over, false);
    for (int i = 0; i < SPINNERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, spin_for_a_while, &interface), 0);
        nanosleep(&(struct timespec){ .tv_nsec = 2200000 }, NULL);
    }
    assert_true(wait_until(has_snapshots, &wanted, 20000));
    snapshots = one_task_ledger().snapshots;
    sleeps = sampler_thread_sleeps();
    wanted = snapshots + 400;
    assert_true(wait_until(has_snapshots, &wanted, 60000));
    snapshots = one_task_ledger().snapshots - snapshots;
    sleeps = sampler_thread_sleeps() - sleeps;
    atomic_store(&is_over, true);
    for (int i = 0; i < SPINNERS; i++) {
        pthread_join(threads[i], NULL);
    }
    print_message("  %" PRIu64 " snapshots of %d threads, woken %" PRIu64 " times\n", snapshots,
                  SPINNERS, sleeps);
    /* It is half as often as there are snapshots, and more where others have the CPUs, because a
     * thread is looked for again. Each by itself, and for copies, it would be twice or more. */
    assert_in_range(sleeps, 1, snapshots * 2 - 1);
}

static int start(void **state)
{
    (void)state;
    return sampler_start(&(struct sampler_options){ .on_sample = on_sample, .on_event = on_event },
                         false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_get_rarer_rather_than_pass_the_budget),
        cmocka_unit_test(a_thread_is_paused_no_longer_than_its_share),
        cmocka_unit_test(so_is_the_holder_of_a_lock),
        cmocka_unit_test(one_waking_serves_all),
        cmocka_unit_test(a_look_that_is_put_off_is_told_before_it_is_made), /* spends all */
    };

    return cmocka_run_group_tests_name("budget", tests, start, one_task_stop);
}
