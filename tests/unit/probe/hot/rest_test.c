/* SPDX-License-Identifier: Apache-2.0 */
/* rest_test.c: waits of any age that our signal ended, and our handler waits for to their end.
 *
 * The signals come as to a thread of which nothing is known: that it was seen running, or does not
 * come from a handler of the host's. No such call would be made again. */
#include "probe/hot/rest.h"

#include "common/base/clock.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ACCOUNT = 11, PATIENCE_MS = 10000, WAIT_MS = 100, LONG_MS = 60000, SMALL_STACK = 16384 };

#define WAIT_NS ((long)(WAIT_MS * NS_PER_MS))

static int pipe_ends[2];
static _Atomic uint32_t futex_word;
static _Atomic uint32_t waiter_tid, foreign_count;
static _Atomic bool waiter_is_done, waits_for_ours;
static __thread sigjmp_buf way_out;
static __thread bool may_jump;

static uint32_t left_count(void)
{
    return atomic_load(&hot.interrupted[ACCOUNT]);
}

/* ---- handlers of the host's ---- */

static void on_foreign(int number)
{
    sigset_t pending;

    (void)number;
    atomic_fetch_add(&foreign_count, 1);
    sigemptyset(&pending);
    while (atomic_load(&waits_for_ours) && !sigismember(&pending, SIGURG)) {
        sigpending(&pending);
    }
    if (may_jump) siglongjmp(way_out, 1);
}

/* ---- waits: each returns 0, or -errno ---- */

static int wait_poll(int ms)
{
    int rc = poll(&(struct pollfd){ .fd = pipe_ends[0], .events = POLLIN }, 1, ms);

    return rc < 0 ? -errno : rc;
}

static int short_poll(void)
{
    return wait_poll(WAIT_MS);
}

static int long_poll(void)
{
    return wait_poll(LONG_MS);
}

/* The C library's is clock_nanosleep; and its syscall() shows no number. */
static int short_nanosleep(void)
{
    struct timespec time = { .tv_nsec = WAIT_NS };
    long rc;

    __asm__ volatile("mov $35, %%eax\n\tsyscall"
                     : "=a"(rc)
                     : "D"(&time), "S"(NULL)
                     : "rcx", "r11", "memory");
    return (int)rc;
}

static int short_sleep(void)
{
    return -clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = WAIT_NS }, NULL);
}

static int short_futex(void)
{
    struct timespec time = { .tv_nsec = WAIT_NS };
    register struct timespec *r10 __asm__("r10") = &time;
    long rc;

    __asm__ volatile("mov $202, %%eax\n\tsyscall"
                     : "=a"(rc)
                     : "D"(&futex_word), "S"(FUTEX_WAIT_PRIVATE), "d"(0), "r"(r10)
                     : "rcx", "r11", "memory");
    return rc == -ETIMEDOUT ? 0 : (int)rc;
}

static int poll_to_jump_out_of(void)
{
    int rc;

    may_jump = true;
    rc = sigsetjmp(way_out, 1) == 0 ? long_poll() : -ECANCELED;
    may_jump = false;
    /* Its place is its own again. */
    return rc == -ECANCELED ? short_poll() - 1 : rc;
}

static int poll_on_a_small_stack(void)
{
    static _Alignas(16) char bytes[SMALL_STACK];
    stack_t stack = { .ss_sp = bytes, .ss_size = sizeof bytes }, none = { .ss_flags = SS_DISABLE };
    int rc;

    sigaltstack(&stack, NULL);
    rc = long_poll();
    sigaltstack(&none, NULL);
    return rc;
}

/* ---- a thread that waits, and signals ---- */

struct waiting {
    int (*wait)(void);
    int rc;
    uint64_t took_ns;
};

static void *waiter_main(void *context)
{
    struct waiting *waiting = context;
    stakeout_call call = stakeout_call_begin(stakeout_interface("waiter"));
    uint64_t began_ns = clock_monotonic_ns();

    atomic_store(&waiter_tid, (uint32_t)syscall(SYS_gettid));
    waiting->rc = waiting->wait();
    waiting->took_ns = clock_monotonic_ns() - began_ns;
    atomic_store(&waiter_is_done, true);
    stakeout_call_end(call, 0);
    return NULL;
}

static bool waiter_is_there(void *context)
{
    (void)context;
    return atomic_load(&waiter_tid) != 0;
}

static pthread_t waiter_start(struct waiting *waiting)
{
    pthread_t thread;

    atomic_store(&waiter_tid, 0);
    atomic_store(&waiter_is_done, false);
    assert_int_equal(pthread_create(&thread, NULL, waiter_main, waiting), 0);
    assert_true(wait_until(waiter_is_there, NULL, PATIENCE_MS));
    return thread;
}

static bool is_at_rest(void *ret_view)
{
    return unfinished_read(atomic_load(&waiter_tid), ret_view);
}

static bool is_answered(void *loan)
{
    struct unfinished_view view;

    return loan_is_back(*(int *)loan) || atomic_load(&waiter_is_done) || is_at_rest(&view);
}

/* One signal of ours, of which nothing is known. */
static void signal_waiter(void)
{
    struct loan_order order = { .tid = atomic_load(&waiter_tid),
                                .state = UINT64_MAX, /* no call is in it: nothing is copied */
                                .account = ACCOUNT };
    int loan = stack_copy_request(&order);

    if (loan < 0) return;
    wait_until(is_answered, &loan, PATIENCE_MS);
    loan_write_off(loan);
}

static bool is_brought_to_rest(void *view)
{
    signal_waiter();
    return is_at_rest(view) || atomic_load(&waiter_is_done);
}

static bool waiter_has_ended(void *context)
{
    (void)context;
    signal_waiter();
    return atomic_load(&waiter_is_done);
}

/* ---- the tests ---- */

static void a_wait_lasts_as_long_as_it_was_to(void **state)
{
    static const struct {
        const char *says;
        int (*wait)(void);
    } waits[] = {
        { "poll", short_poll },
        { "nanosleep", short_nanosleep },
        { "clock_nanosleep", short_sleep },
        { "futex", short_futex },
    };
    uint32_t before = left_count();

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        struct waiting waiting = { .wait = waits[i].wait };
        pthread_t thread = waiter_start(&waiting);

        /* A time-out that began anew with each signal would never end under these. */
        if (!wait_until(waiter_has_ended, NULL, PATIENCE_MS))
            fail_msg("%s: goes on", waits[i].says);
        pthread_join(thread, NULL);
        if (waiting.rc != 0) fail_msg("%s: %d", waits[i].says, waiting.rc);
        if (waiting.took_ns < (uint64_t)WAIT_NS) fail_msg("%s: too short", waits[i].says);
    }
    assert_int_equal(left_count(), before);
}

static void an_event_ends_it_as_ever(void **state)
{
    struct waiting waiting = { .wait = long_poll };
    pthread_t thread = waiter_start(&waiting);
    struct unfinished_view view;
    char byte;

    (void)state;
    assert_true(wait_until(is_brought_to_rest, &view, PATIENCE_MS));
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
    pthread_join(thread, NULL);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    assert_int_equal(waiting.rc, 1);
}

static void who_waits_for_the_rest_is_seen_in_its_call(void **state)
{
    struct waiting waiting = { .wait = long_poll };
    pthread_t thread = waiter_start(&waiting);
    struct unfinished_view view = { 0 };

    (void)state;
    assert_true(wait_until(is_brought_to_rest, &view, PATIENCE_MS));
    assert_int_equal(view.call.number, SYS_poll);
    assert_int_equal(view.call.arguments[1], 1);
    assert_int_equal(view.call.arguments[2], LONG_MS);
    assert_int_equal(view.registers[REGISTER_RDX], LONG_MS);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    assert_false(is_at_rest(&view));
}

static void a_signal_of_the_hosts_ends_it(void **state)
{
    struct waiting waiting = { .wait = long_poll };
    uint32_t handled = atomic_load(&foreign_count), before = left_count();
    pthread_t thread = waiter_start(&waiting);
    struct unfinished_view view;

    (void)state;
    assert_true(wait_until(is_brought_to_rest, &view, PATIENCE_MS));
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    assert_int_equal(waiting.rc, -EINTR);
    assert_int_equal(atomic_load(&foreign_count), handled + 1);
    assert_int_equal(left_count(), before); /* it was not ours */
}

static bool waiter_sleeps(void *context)
{
    uint64_t clock_ns = thread_cpu_ns(atomic_load(&waiter_tid));

    (void)context;
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return thread_cpu_ns(atomic_load(&waiter_tid)) == clock_ns;
}

static bool foreign_is_at_it(void *before)
{
    return atomic_load(&foreign_count) > *(uint32_t *)before;
}

/* The host's handler blocks all signals; ours comes when it returns, and meets what it did. */
static void what_the_hosts_signal_ended_stays_ended(void **state)
{
    struct waiting waiting = { .wait = long_poll };
    uint32_t handled = atomic_load(&foreign_count);
    pthread_t thread = waiter_start(&waiting);

    (void)state;
    assert_true(wait_until(waiter_sleeps, NULL, PATIENCE_MS));
    atomic_store(&waits_for_ours, true);
    pthread_kill(thread, SIGUSR1);
    assert_true(wait_until(foreign_is_at_it, &handled, PATIENCE_MS));
    signal_waiter();
    atomic_store(&waits_for_ours, false);
    pthread_join(thread, NULL);
    assert_int_equal(waiting.rc, -EINTR);
}

static void a_jump_out_of_it_leaves_a_place_for_the_next(void **state)
{
    struct waiting waiting = { .wait = poll_to_jump_out_of };
    uint32_t before = left_count();
    pthread_t thread = waiter_start(&waiting);
    struct unfinished_view view;
    uint32_t taken = 0;

    (void)state;
    assert_true(wait_until(is_brought_to_rest, &view, PATIENCE_MS));
    pthread_kill(thread, SIGUSR1);
    assert_true(wait_until(waiter_has_ended, NULL, PATIENCE_MS));
    pthread_join(thread, NULL);
    assert_int_equal(waiting.rc, -1); /* the poll after it was whole */
    assert_int_equal(left_count(), before);
    for (int i = 0; i < UNFINISHED_MAX; i++) {
        taken += atomic_load(&hot.unfinished[i].tid) != 0;
    }
    assert_int_equal(taken, 0);
}

static void assert_left(int (*wait)(void))
{
    struct waiting waiting = { .wait = wait };
    uint32_t before = left_count();
    pthread_t thread = waiter_start(&waiting);

    assert_true(wait_until(waiter_has_ended, NULL, PATIENCE_MS));
    pthread_join(thread, NULL);
    assert_int_equal(waiting.rc, -EINTR);
    assert_int_equal(left_count(), before + 1);
}

static void on_a_small_stack_it_is_left_and_counted(void **state)
{
    (void)state;
    assert_left(poll_on_a_small_stack);
}

static void where_it_is_not_allowed_it_is_left_and_counted(void **state)
{
    (void)state;
    rest_allow(false);
    assert_left(long_poll);
    rest_allow(true);
}

static void without_a_place_it_is_left_and_counted(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < UNFINISHED_MAX; i++) {
        atomic_store(&hot.unfinished[i].tid, UINT32_MAX - i);
    }
    assert_left(long_poll);
    for (uint32_t i = 0; i < UNFINISHED_MAX; i++) {
        atomic_store(&hot.unfinished[i].tid, 0);
    }
}

static int open_all(void **state)
{
    struct sigaction action = { .sa_handler = on_foreign, .sa_flags = SA_RESTART };

    (void)state;
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    if (pipe(pipe_ends) != 0 || memory_open(true) < 0) return -1;
    rest_allow(true);
    return stack_copy_open(SIGURG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_lasts_as_long_as_it_was_to),
        cmocka_unit_test(an_event_ends_it_as_ever),
        cmocka_unit_test(who_waits_for_the_rest_is_seen_in_its_call),
        cmocka_unit_test(a_signal_of_the_hosts_ends_it),
        cmocka_unit_test(what_the_hosts_signal_ended_stays_ended),
        cmocka_unit_test(a_jump_out_of_it_leaves_a_place_for_the_next),
        cmocka_unit_test(on_a_small_stack_it_is_left_and_counted),
        cmocka_unit_test(where_it_is_not_allowed_it_is_left_and_counted),
        cmocka_unit_test(without_a_place_it_is_left_and_counted),
    };

    return cmocka_run_group_tests(tests, open_all, NULL);
}
