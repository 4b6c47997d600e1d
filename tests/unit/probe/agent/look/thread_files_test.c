/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/look/thread_files.h"

#include "probe/hot/ticks.h"
#include "tests/support/process_usage.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint32_t tids[10];
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *waiter_main(void *context)
{
    *(_Atomic uint32_t *)context = (uint32_t)syscall(SYS_gettid);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return NULL;
}

static void files_are_kept_open_up_to_their_bound(void **state)
{
    struct thread_files files;
    pthread_t threads[10];
    uint32_t before = process_descriptor_count(getpid());
    char line[256];

    (void)state;
    pthread_mutex_lock(&gate);
    thread_files_init(&files, 2 * THREAD_FILE_KINDS + 1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, waiter_main, (void *)&tids[i]), 0);
        while (tids[i] == 0) {
        }
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10; i++) {
            uint64_t queue_ns, turns;

            assert_int_equal(thread_files_syscall(&files, tids[i], line, sizeof line), 0);
            assert_int_equal(thread_files_queue_ns(&files, tids[i], &queue_ns, &turns), 0);
        }
    }
    assert_int_equal(process_descriptor_count(getpid()), before + 2 * THREAD_FILE_KINDS);
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 10; i++) {
        pthread_join(threads[i], NULL);
    }
    /* Who joins is woken before the kernel has taken the thread out of /proc. */
    while (syscall(SYS_tgkill, getpid(), tids[9], 0) == 0) {
    }
    assert_true(thread_files_syscall(&files, tids[9], line, sizeof line) < 0);
    thread_files_done(&files);
    assert_int_equal(process_descriptor_count(getpid()), before);
}

static void without_places_none_is_kept(void **state)
{
    struct thread_files files;
    uint32_t before = process_descriptor_count(getpid());
    char line[256];

    (void)state;
    thread_files_init(&files, 0);
    assert_int_equal(thread_files_syscall(&files, (uint32_t)syscall(SYS_gettid), line, sizeof line),
                     0);
    assert_int_equal(process_descriptor_count(getpid()), before);
    assert_true(thread_files_syscall(&files, 0x3fffff, line, sizeof line) < 0);
    thread_files_done(&files);
}

static void who_asks_is_running(void **state)
{
    struct thread_files files;
    char line[256];

    (void)state;
    thread_files_init(&files, THREAD_FILE_KINDS);
    assert_int_equal(thread_files_syscall(&files, (uint32_t)syscall(SYS_gettid), line, sizeof line),
                     0);
    assert_int_equal(strncmp(line, "running", 7) == 0 || strncmp(line, "17 ", 3) == 0, 1);
    thread_files_done(&files);
}

/* Whoever runs was given a CPU once more often than he gave it up. */
static void turns_are_counted(void **state)
{
    uint32_t self = (uint32_t)syscall(SYS_gettid);
    struct thread_files files;
    struct rusage before, after;
    uint64_t turns;

    (void)state;
    thread_files_init(&files, THREAD_FILE_KINDS);
    do { /* others may take the CPU in between */
        getrusage(RUSAGE_THREAD, &before);
        turns = thread_files_turns(&files, self);
        getrusage(RUSAGE_THREAD, &after);
    } while (before.ru_nvcsw != after.ru_nvcsw || before.ru_nivcsw != after.ru_nivcsw);
    assert_int_equal(turns, after.ru_nvcsw + after.ru_nivcsw + 1);
    assert_int_equal(thread_files_turns(&files, 0x3fffff), 0);
    thread_files_done(&files);
}

/* Each wait is one sleep more, and nothing else is. */
static void sleeps_are_counted(void **state)
{
    uint32_t self = (uint32_t)syscall(SYS_gettid);
    struct timespec brief = { .tv_nsec = 1 };
    struct thread_status before, after;
    struct thread_files files;

    (void)state;
    for (uint32_t max = 0; max <= THREAD_FILE_KINDS; max += THREAD_FILE_KINDS) {
        thread_files_init(&files, max);
        thread_files_status(&files, self, SIGURG, &before);
        for (int i = 0; i < 3; i++) {
            nanosleep(&brief, NULL);
        }
        thread_files_status(&files, self, SIGURG, &after);
        assert_int_equal(after.sleeps - before.sleeps, 3);
        thread_files_status(&files, 0x3fffff, SIGURG, &after);
        assert_true(after.sleeps == THREAD_SLEEPS_UNKNOWN && after.defers < 0);
        thread_files_done(&files);
    }
}

static _Atomic bool may_end;

static void *computer_main(void *context)
{
    *(_Atomic uint32_t *)context = (uint32_t)syscall(SYS_gettid);
    while (!may_end) {
    }
    return NULL;
}

/* `number` is blocked by a thread; `asked` is what is asked for. */
static int defers_of_blocker(uint32_t file_count_max, int number, int asked)
{
    _Atomic uint32_t tid = 0;
    struct thread_files files;
    struct thread_status status;
    sigset_t set, before;
    pthread_t thread;
    int rc;

    may_end = false;
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    assert_int_equal(pthread_create(&thread, NULL, computer_main, (void *)&tid), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    while (tid == 0) {
    }
    pthread_setname_np(thread, "a) R 1 2 (b");
    pthread_kill(thread, number); /* what is blocked and pending is no hindrance to others */
    thread_files_init(&files, file_count_max);
    rc = thread_files_defers(&files, tid, asked);
    thread_files_status(&files, tid, asked, &status);
    assert_int_equal(status.defers, rc);
    thread_files_done(&files);
    may_end = true;
    pthread_join(thread, NULL);
    return rc;
}

static void a_blocked_signal_is_put_off(void **state)
{
    struct thread_files files;

    (void)state;
    for (uint32_t max = 0; max <= THREAD_FILE_KINDS; max += THREAD_FILE_KINDS) {
        assert_int_equal(defers_of_blocker(max, SIGURG, SIGURG), 1);
        assert_int_equal(defers_of_blocker(max, SIGUSR1, SIGURG), 0);
        assert_int_equal(defers_of_blocker(max, SIGRTMIN + 3, SIGRTMIN + 3), 1);
        assert_int_equal(defers_of_blocker(max, SIGURG, SIGRTMIN + 3), 0);
        thread_files_init(&files, max);
        assert_true(thread_files_defers(&files, 0x3fffff, SIGURG) < 0);
        assert_true(thread_files_defers(&files, 0x3fffff, SIGRTMIN) < 0);
        thread_files_done(&files);
    }
}

static void a_clock_that_runs_is_told_from_one_that_stands(void **state)
{
    uint32_t self = (uint32_t)syscall(SYS_gettid);
    bool was_on_cpu = false;
    pthread_t thread;

    (void)state;
    for (int i = 0; i < 1000 && !was_on_cpu; i++) { /* others may have the CPU for a while */
        was_on_cpu = thread_is_on_cpu(self, thread_cpu_ns(self));
    }
    assert_true(was_on_cpu);
    tids[0] = 0;
    pthread_mutex_lock(&gate);
    assert_int_equal(pthread_create(&thread, NULL, waiter_main, (void *)&tids[0]), 0);
    while (tids[0] == 0 || thread_files_state(tids[0]) != 'S') {
    }
    assert_false(thread_is_on_cpu(tids[0], thread_cpu_ns(tids[0])));
    pthread_mutex_unlock(&gate);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_kept_open_up_to_their_bound),
        cmocka_unit_test(without_places_none_is_kept),
        cmocka_unit_test(who_asks_is_running),
        cmocka_unit_test(turns_are_counted),
        cmocka_unit_test(sleeps_are_counted),
        cmocka_unit_test(a_clock_that_runs_is_told_from_one_that_stands),
        cmocka_unit_test(a_blocked_signal_is_put_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
