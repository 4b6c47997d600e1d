/* SPDX-License-Identifier: Apache-2.0 */
/* signals_test.c: how many signals a call gets that does nothing but wait: none.
 *
 * Each waits in one system call from before its trigger to its end, in a function whose frame is
 * found by rbp. Counted are both ends: the signals that were sent, and what the host saw. */
#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "probe/hot/memory.h"
#include "probe/hot/rest.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/integration/probe/one_task.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THRESHOLD_MS = 50, FREQUENCY_MS = 5, WAIT_MS = 300, SNAPSHOTS_MIN = 5 };

/* Who is woken by its timeout runs a moment before it has returned: a look that meets just that is
 * right to send one. It does not meet it again and again. */
enum { TRIES = 3 };

/* Sanitizers stand between a call and the C library, in frames that are aligned anew. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SIGNALS_MAX = 1 };
#else
enum { SIGNALS_MAX = 0 };
#endif

static struct sample *_Atomic heard;

#define BRIEF "brief" /* calls of which many come, and none is kept */

static _Atomic uint32_t brief_count, behind_count;

static void brief_heard(const struct sample *sample)
{
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        if (sample->snapshots[i].syscall == SYS_clock_nanosleep) atomic_fetch_add(&behind_count, 1);
    }
    atomic_fetch_add(&brief_count, 1);
}

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    one_task_accept(take_sample);
    if (strcmp(take_sample->interface, BRIEF) == 0) {
        brief_heard(take_sample);
        sample_free(take_sample);
    } else {
        sample_free(atomic_exchange(&heard, take_sample));
    }
}

static bool one_is_heard(void *context)
{
    (void)context;
    return atomic_load(&heard) != NULL;
}

/* Signals that were sent so far: each loan counts its own. */
static uint32_t signals_sent(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < STACK_COPIES_MAX; i++) {
        count += atomic_load(&hot.loans[i].sequence);
    }
    return count;
}

static struct timespec after_ms(clockid_t clock, uint64_t ms)
{
    struct timespec at;

    clock_gettime(clock, &at);
    at.tv_nsec += (long)(ms * NS_PER_MS);
    at.tv_sec += at.tv_nsec / (long)NS_PER_S;
    at.tv_nsec %= (long)NS_PER_S;
    return at;
}

/* ---- waits: each returns whether it lasted as long as it was to ---- */

static bool wait_by_poll(void)
{
    return poll(NULL, 0, WAIT_MS) == 0;
}

static bool wait_by_select(void)
{
    struct timeval time = { .tv_usec = WAIT_MS * 1000 };

    return select(0, NULL, NULL, NULL, &time) == 0;
}

static bool wait_by_nanosleep(void)
{
    return nanosleep(&(struct timespec){ .tv_nsec = WAIT_MS * (long)NS_PER_MS }, NULL) == 0;
}

static bool wait_by_epoll(void)
{
    struct epoll_event event;
    int fd = epoll_create1(EPOLL_CLOEXEC), rc = epoll_wait(fd, &event, 1, WAIT_MS);

    close(fd);
    return rc == 0;
}

static bool wait_by_semaphore(void)
{
    struct timespec until = after_ms(CLOCK_REALTIME, WAIT_MS);
    sem_t semaphore;

    sem_init(&semaphore, 0, 0);
    return sem_timedwait(&semaphore, &until) < 0 && errno == ETIMEDOUT;
}

static bool wait_by_condition(void)
{
    struct timespec until = after_ms(CLOCK_REALTIME, WAIT_MS);
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    int rc;

    pthread_mutex_lock(&lock);
    rc = pthread_cond_timedwait(&condition, &lock, &until);
    pthread_mutex_unlock(&lock);
    return rc == ETIMEDOUT;
}

static void *write_later(void *fd)
{
    nanosleep(&(struct timespec){ .tv_nsec = WAIT_MS * (long)NS_PER_MS }, NULL);
    return (void *)(intptr_t)write(*(int *)fd, "x", 1);
}

static bool wait_by_read(void)
{
    pthread_t thread;
    char byte;
    int ends[2];
    ssize_t got;

    if (pipe(ends) < 0 || pthread_create(&thread, NULL, write_later, &ends[1]) != 0) return false;
    got = read(ends[0], &byte, 1);
    pthread_join(thread, NULL);
    close(ends[0]);
    close(ends[1]);
    return got == 1;
}

static bool wait_by_join(void)
{
    pthread_t thread;
    int fd = -1;

    return pthread_create(&thread, NULL, write_later, &fd) == 0 && pthread_join(thread, NULL) == 0;
}

static const struct {
    const char *says;
    bool (*wait)(void);
} waits[] = {
    { "poll", wait_by_poll },           { "select", wait_by_select },
    { "nanosleep", wait_by_nanosleep }, { "epoll_wait", wait_by_epoll },
    { "semaphore", wait_by_semaphore }, { "condition", wait_by_condition },
    { "read", wait_by_read },           { "join", wait_by_join },
};

static stakeout_interface_id arm(void)
{
    return one_task_arm(&(struct one_task){
        .interface = "waiter", .threshold_ms = THRESHOLD_MS, .frequency_ms = FREQUENCY_MS });
}

/* How many signals a call got that did nothing but wait. */
static uint32_t signals_in_wait(stakeout_interface_id interface, const char *says,
                                bool (*wait)(void))
{
    uint32_t before = signals_sent(), sent;
    stakeout_call call = stakeout_call_begin(interface);
    bool is_whole = wait();

    sent = signals_sent() - before;
    stakeout_call_end(call, 0);
    if (!wait_until(one_is_heard, NULL, 10000)) fail_msg("%s: no sample", says);
    if (!is_whole && sent == 0) fail_msg("%s: interrupted", says);
    if (atomic_load(&heard)->snapshot_count < SNAPSHOTS_MIN)
        fail_msg("%s: %u snapshots", says, atomic_load(&heard)->snapshot_count);
    sample_free(atomic_exchange(&heard, NULL));
    return sent;
}

static void a_call_that_waits_is_never_signalled(void **state)
{
    stakeout_interface_id interface = arm();

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        uint32_t sent = UINT32_MAX;

        for (int attempt = 0; attempt < TRIES && sent > SIGNALS_MAX; attempt++) {
            sent = signals_in_wait(interface, waits[i].says, waits[i].wait);
        }
        if (sent > SIGNALS_MAX) fail_msg("%s: %u signals", waits[i].says, sent);
    }
}

/* ---- one that met a wait ---- */

#if !defined(__SANITIZE_THREAD__) /* it hands on a copy of what a handler returns by */

static bool is_at_rest(void *tid)
{
    struct unfinished_view view;

    return unfinished_read(*(uint32_t *)tid, &view);
}

/* As the sampler's, to a thread that it has no cause to signal. */
static void *meet_later(void *context)
{
    struct loan_order order = { .tid = *(uint32_t *)context, .state = UINT64_MAX };
    int loan;

    nanosleep(&(struct timespec){ .tv_nsec = WAIT_MS / 3 * (long)NS_PER_MS }, NULL);
    loan = stack_copy_request(&order);
    if (loan < 0 || !wait_until(is_at_rest, context, 10000)) return NULL;
    loan_write_off(loan);
    return context;
}

/* Our handler waits for the rest of it; what is shown is the call. */
static void a_wait_that_was_met_goes_on_and_is_seen_as_it_was(void **state)
{
    stakeout_interface_id interface = arm();
    uint32_t tid = (uint32_t)syscall(SYS_gettid);
    uint32_t in_poll = 0, stack = UINT32_MAX;
    const struct sample *sample;
    stakeout_call call;
    pthread_t thread;
    bool is_whole;
    void *has_met;

    (void)state;
    rest_allow(true); /* as it is by the sampler's first signal */
    assert_int_equal(pthread_create(&thread, NULL, meet_later, &tid), 0);
    call = stakeout_call_begin(interface);
    is_whole = wait_by_poll();
    stakeout_call_end(call, 0);
    pthread_join(thread, &has_met);
    assert_non_null(has_met);
    assert_true(is_whole);
    assert_true(wait_until(one_is_heard, NULL, 10000));
    sample = atomic_load(&heard);
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct snapshot *snapshot = &sample->snapshots[i];

        if (snapshot->syscall == SYSCALL_NONE) continue; /* met as it woke */
        if (in_poll++ == 0) stack = snapshot->stack;
        assert_int_equal(snapshot->syscall, SYS_poll);
        assert_int_equal(snapshot->stack, stack);
    }
    assert_in_range(in_poll, SNAPSHOTS_MIN, UINT32_MAX);
    sample_free(atomic_exchange(&heard, NULL));
}

#endif

/* ---- behind the end ---- */

enum { BRIEF_THREADS = 24, BRIEF_CALLS = 150, BRIEF_MS = 6 };

/* A call that waits in poll() for a little longer than the threshold; its thread sleeps at once
 * when it has ended, and in nothing else. */
static void *brief_main(void *context)
{
    const stakeout_interface_id *interface = context;

    for (int i = 0; i < BRIEF_CALLS; i++) {
        stakeout_call call = stakeout_call_begin(*interface);

        poll(NULL, 0, BRIEF_MS);
        stakeout_call_end(call, 0);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 2000000 }, NULL);
    }
    return NULL;
}

static bool has_come(void *count)
{
    return atomic_load((_Atomic uint32_t *)count) > 0;
}

static void what_a_thread_does_behind_the_end_is_not_the_calls(void **state)
{
    stakeout_interface_id interface = one_task_arm(
        &(struct one_task){ .interface = BRIEF, .threshold_ms = BRIEF_MS - 1, .frequency_ms = 1 });
    pthread_t threads[BRIEF_THREADS];

    (void)state;
    for (int i = 0; i < BRIEF_THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, brief_main, &interface), 0);
    }
    for (int i = 0; i < BRIEF_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(wait_until(has_come, &brief_count, 10000));
    assert_int_equal(atomic_load(&behind_count), 0);
}

/* ---- signals of the host's own ---- */

enum { ALARMS = 12, ALARM_AFTER_MS = 200, HANDLER_MS = 12, BIG = 8 << 20, HUNG_AFTER_MS = 3000 };

struct alarm {
    pthread_t thread;
    int peer; /* closed if the alarm does not end the call; -1: none */
    _Atomic bool is_over, has_hung;
};

/* As long as several looks, and with all signals blocked: so ours come when it returns. */
static void on_alarm(int number)
{
    uint64_t until_ns = clock_monotonic_ns() + HANDLER_MS * NS_PER_MS;

    (void)number;
    while (clock_monotonic_ns() < until_ns) {
    }
}

static bool is_over(void *alarm)
{
    return atomic_load(&((struct alarm *)alarm)->is_over);
}

static void *alarm_main(void *context)
{
    struct alarm *alarm = context;

    nanosleep(&(struct timespec){ .tv_nsec = ALARM_AFTER_MS * (long)NS_PER_MS }, NULL);
    pthread_kill(alarm->thread, SIGALRM);
    if (alarm->peer >= 0 && !wait_until(is_over, alarm, HUNG_AFTER_MS)) {
        atomic_store(&alarm->has_hung, true);
        close(alarm->peer);
    }
    return NULL;
}

static void alarm_handler_set(void)
{
    struct sigaction action = { .sa_handler = on_alarm };

    sigfillset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
}

/* A wait that a signal of the host's ended is not made again. */
static void a_wait_that_the_host_ends_stays_ended(void **state)
{
    stakeout_interface_id interface = arm();

    (void)state;
    alarm_handler_set();
    for (int i = 0; i < ALARMS; i++) {
        struct alarm alarm = { .thread = pthread_self(), .peer = -1 };
        stakeout_call call = stakeout_call_begin(interface);
        pthread_t thread;
        int rc;

        assert_int_equal(pthread_create(&thread, NULL, alarm_main, &alarm), 0);
        rc = poll(NULL, 0, 4 * ALARM_AFTER_MS);
        stakeout_call_end(call, 0);
        pthread_join(thread, NULL);
        if (rc != -1) fail_msg("poll %d of %d returned %d", i, ALARMS, rc);
        assert_true(wait_until(one_is_heard, NULL, 10000));
        sample_free(atomic_exchange(&heard, NULL));
    }
}

/* An alarm is how a write is given a time-out; nobody reads. */
static void a_write_that_the_host_ends_stays_ended(void **state)
{
    stakeout_interface_id interface = arm();
    struct alarm alarm = { .thread = pthread_self() };
    char *big = calloc(1, BIG);
    pthread_t thread;
    stakeout_call call;
    ssize_t count;
    int ends[2];

    (void)state;
    alarm_handler_set();
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    alarm.peer = ends[1];
    assert_int_equal(pthread_create(&thread, NULL, alarm_main, &alarm), 0);
    call = stakeout_call_begin(interface);
    count = write(ends[0], big, BIG);
    atomic_store(&alarm.is_over, true);
    stakeout_call_end(call, 0);
    pthread_join(thread, NULL);
    close(ends[0]);
    if (!atomic_load(&alarm.has_hung)) close(ends[1]);
    free(big);
    assert_false(atomic_load(&alarm.has_hung));
    assert_in_range(count, 1, BIG - 1);
    assert_true(wait_until(one_is_heard, NULL, 10000));
    sample_free(atomic_exchange(&heard, NULL));
}

static int setup(void **state)
{
    static const struct sampler_options options = { .on_sample = on_sample,
                                                    .thread_files_max = THREAD_FILES_HELD };

    (void)state;
    return one_task_start(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_waits_is_never_signalled),
        cmocka_unit_test(what_a_thread_does_behind_the_end_is_not_the_calls),
#if !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(a_wait_that_was_met_goes_on_and_is_seen_as_it_was),
#endif
        cmocka_unit_test(a_wait_that_the_host_ends_stays_ended),
        cmocka_unit_test(a_write_that_the_host_ends_stays_ended),
    };

    return cmocka_run_group_tests(tests, setup, one_task_stop);
}
