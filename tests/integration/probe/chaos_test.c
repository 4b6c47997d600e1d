/* SPDX-License-Identifier: Apache-2.0 */
/* chaos_test.c: hosts that do everything at once, while all their calls are slow and looked at.
 *
 * Nothing is claimed of the samples but that they are sound; what is claimed is that the host
 * lives: no crash, no deadlock, no call that is lost from the ledger. */
#include "common/base/clock.h"
#include "common/model/problem.h"
#include "common/wire/messages.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/integration/probe/one_task.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHAOS_MS = 3000, CALL_MS = 70 };

static _Atomic bool is_over;
static _Atomic uint64_t sample_count, unsound_count, ended_count, host_signals;
static stakeout_interface_id chaos;

static void on_sample(void *context, struct sample *take_sample)
{
    struct problem problem;

    (void)context;
    atomic_fetch_add(&sample_count, 1);
    if (sample_check(take_sample, &problem) != 0) atomic_fetch_add(&unsound_count, 1);
    one_task_accept(take_sample);
    sample_free(take_sample);
}

static bool call_goes_on(uint64_t began_ns)
{
    return clock_monotonic_ns() - began_ns < CALL_MS * NS_PER_MS;
}

static void end(stakeout_call call)
{
    stakeout_call_end(call, 200);
    atomic_fetch_add(&ended_count, 1);
}

static void work_with_memory(uint64_t began_ns)
{
    while (call_goes_on(began_ns)) {
        char *text = malloc(4000), copy[64];

        snprintf(text, 4000, "%s %d %g", "text", 42, 3.5);
        memcpy(copy, text, 10);
        free(text);
    }
}

static void work_with_libraries(uint64_t began_ns)
{
    while (call_goes_on(began_ns)) {
        void *library = dlopen(TRUTH_LIBRARY, RTLD_NOW | RTLD_LOCAL), *found;
        void (*idle)(void);

        if (!library) return;
        found = dlsym(library, "truth_idle_briefly");
        memcpy(&idle, &found, sizeof found);
        idle();
        dlclose(library);
    }
}

static void work_with_processes(uint64_t began_ns)
{
    while (call_goes_on(began_ns)) {
        pid_t pid = fork();

        if (pid == 0) {
            stakeout_call_end(stakeout_call_begin(chaos), 0); /* not started here: nothing */
            _exit(0);
        }
        if (pid > 0) waitpid(pid, NULL, 0);
    }
}

static void work_with_sleep(uint64_t began_ns)
{
    while (call_goes_on(began_ns)) {
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
}

static void work_with_signals(uint64_t began_ns)
{
    while (call_goes_on(began_ns)) {
        raise(SIGURG);
    }
}

static void *worker_main(void *context)
{
    void (*work)(uint64_t began_ns) = *(void (**)(uint64_t))context;

    while (!atomic_load(&is_over)) {
        stakeout_call call = stakeout_call_begin(chaos);

        work(clock_monotonic_ns());
        end(call);
    }
    return NULL;
}

static void *short_lived_main(void *context)
{
    uint64_t began_ns = clock_monotonic_ns();

    stakeout_call_begin(chaos); /* and never ended: its thread's end ends it */
    work_with_memory(began_ns);
    atomic_fetch_add(&ended_count, 1);
    pthread_exit(context); /* unwinds by force */
}

static void *churner_main(void *context)
{
    while (!atomic_load(&is_over)) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, short_lived_main, NULL) == 0) pthread_join(thread, NULL);
    }
    return context;
}

/* Two threads that throw one call to and fro. */
static void *thrower_main(void *context)
{
    stakeout_call *call = context;
    uint64_t began_ns = clock_monotonic_ns();

    while (call_goes_on(began_ns)) {
        stakeout_call_attach(*call);
        stakeout_call_detach(*call, "the other one");
    }
    return NULL;
}

static void *throwers_main(void *context)
{
    while (!atomic_load(&is_over)) {
        stakeout_call call = stakeout_call_begin(chaos);
        pthread_t thread;

        if (pthread_create(&thread, NULL, thrower_main, &call) == 0) {
            thrower_main(&call);
            pthread_join(thread, NULL);
        }
        end(call);
    }
    return context;
}

static void on_host_signal(int number)
{
    (void)number;
    atomic_fetch_add(&host_signals, 1);
}

static bool is_settled(void *context)
{
    struct ledger ledger = one_task_ledger();

    (void)context;
    return ledger.pending == 0 && ledger.seen == atomic_load(&ended_count);
}

static void a_host_survives_being_watched(void **state)
{
    static void (*works[])(uint64_t) = { work_with_memory, work_with_libraries, work_with_processes,
                                         work_with_sleep, work_with_signals };
    pthread_t threads[ARRAY_COUNT(works) + 2];
    uint64_t began_ns = clock_monotonic_ns();
    struct ledger ledger;

    (void)state;
    one_task_arm(&(struct one_task){ .interface = "chaos", .threshold_ms = 50, .frequency_ms = 5 });
    for (size_t i = 0; i < ARRAY_COUNT(works); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, worker_main, &works[i]), 0);
    }
    assert_int_equal(pthread_create(&threads[ARRAY_COUNT(works)], NULL, churner_main, NULL), 0);
    assert_int_equal(pthread_create(&threads[ARRAY_COUNT(works) + 1], NULL, throwers_main, NULL),
                     0);
    while (clock_monotonic_ns() - began_ns < CHAOS_MS * NS_PER_MS) {
        one_task_ledger();
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    if (!wait_until(is_settled, NULL, 10000)) {
        ledger = one_task_ledger();
        fail_msg("seen %lu of %lu, pending %lu", ledger.seen, atomic_load(&ended_count),
                 ledger.pending);
    }
    ledger = one_task_ledger();
    print_message("  %lu calls, %lu samples, %lu snapshots, late %.1f ms, pause p99 %lu ns\n",
                  ledger.seen, atomic_load(&sample_count), ledger.snapshots,
                  (double)ledger.late_ns_max / 1e6, ledger.pause_ns_p99);
    for (int i = 0; i < CALL_DROP_COUNT; i++) {
        if (ledger.drops[i] > 0)
            print_message("  %lu %s\n", ledger.drops[i], call_drop_slug((enum call_drop)i));
    }
    for (int i = 0; i < SNAPSHOT_DROP_COUNT; i++) {
        if (ledger.snapshot_drops[i] > 0)
            print_message("  %lu %s\n", ledger.snapshot_drops[i],
                          snapshot_drop_slug((enum snapshot_drop)i));
    }
    assert_int_equal(atomic_load(&unsound_count), 0);
    assert_true(atomic_load(&sample_count) > 10);
    assert_true(atomic_load(&host_signals) > 0);
}

static int start(void **state)
{
    struct sigaction action = { .sa_handler = on_host_signal, .sa_flags = SA_RESTART };

    (void)state;
    sigaction(SIGURG, &action, NULL); /* the host's own: it gets what is not ours */
    chaos = stakeout_interface("chaos");
    return one_task_start(&(struct sampler_options){ .on_sample = on_sample });
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_host_survives_being_watched) };

    return cmocka_run_group_tests_name("chaos", tests, start, one_task_stop);
}
