/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/stack_copy.h"

#include "probe/hot/call.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t foreign_signals;

static void on_foreign(int number)
{
    (void)number;
    foreign_signals++;
}

static struct loan_order order_make(stakeout_call call)
{
    uint32_t record = token_record(call.opaque[0]);
    uint64_t sp = (uint64_t)(uintptr_t)__builtin_frame_address(0);

    return (struct loan_order){ .tid = (uint32_t)syscall(SYS_gettid),
                                .slot = slot_index(slot_mine()),
                                .record = record,
                                .state = atomic_load(&hot.records[record].state),
                                .low = sp - 16384,
                                .high = sp + 1024 };
}

/* The kernel delivers before the system call returns: here the thread signals itself. */
static void a_copy_holds_registers_and_stack(void **state)
{
    stakeout_call call = stakeout_call_begin(stakeout_interface("copied"));
    struct loan_order order = order_make(call);
    char landmark[32] = "here lies the stack, truly";
    const char *found;
    const struct loan *loan;
    int index;

    (void)state;
    order.stack_is_own = true;
    index = stack_copy_request(&order);
    assert_true(index >= 0);
    assert_true(loan_is_back(index));
    loan = &hot.loans[index];
    assert_int_equal(loan->outcome, LOAN_COPIED);
    assert_in_range(loan->registers[REGISTER_RSP], order.low, order.high);
    assert_int_equal(loan->base + loan->size, order.high);
    found = memmem(loan_bytes(index), loan->size, landmark, sizeof landmark);
    assert_non_null(found);
    assert_int_equal(loan->base + (uint64_t)(found - (const char *)loan_bytes(index)),
                     (uint64_t)(uintptr_t)landmark);
    loan_return(index);
    stakeout_call_end(call, 0);
}

/* What a copy says of its thread's CPU clock when the order says that it read `clock_ns` then. */
static uint64_t clock_of_copy(struct loan_order *order, uint64_t clock_ticks, uint64_t clock_ns)
{
    uint64_t cpu_ns;
    int index;

    order->clock_ticks = clock_ticks;
    order->clock_ns = clock_ns;
    index = stack_copy_request(order);
    assert_true(index >= 0);
    cpu_ns = hot.loans[index].cpu_ns;
    loan_return(index);
    return cpu_ns;
}

/* A made-up reading, a year of CPU time: it is seen by which way the copy has its own. */
static void a_clock_that_was_just_read_is_not_read_again(void **state)
{
    const uint64_t made_up_ns = UINT64_C(31536000) * NS_PER_S;
    stakeout_call call = stakeout_call_begin(stakeout_interface("clocked"));
    struct loan_order order = order_make(call);
    uint64_t cpu_ns = 0, before_ns = clock_thread_cpu_ns();

    (void)state;
    for (int i = 0; i < 1000 && cpu_ns < made_up_ns; i++) { /* others may have the CPU meanwhile */
        cpu_ns = clock_of_copy(&order, ticks_now(), made_up_ns);
    }
    assert_in_range(cpu_ns, made_up_ns + 1, made_up_ns + 40 * NS_PER_US);
    /* One that is old by now, or none, is. */
    cpu_ns = clock_of_copy(&order, ticks_now() - ticks_from_ns(NS_PER_MS), made_up_ns);
    assert_in_range(cpu_ns, before_ns, clock_thread_cpu_ns());
    cpu_ns = clock_of_copy(&order, 0, 0);
    assert_in_range(cpu_ns, before_ns, clock_thread_cpu_ns());
    stakeout_call_end(call, 0);
}

static void nothing_is_copied_outside_of_the_bounds(void **state)
{
    stakeout_call call = stakeout_call_begin(stakeout_interface("copied"));
    struct loan_order order = order_make(call);
    int index;

    (void)state;
    order.low -= 1 << 20;
    order.high -= 1 << 20;
    index = stack_copy_request(&order);
    assert_true(loan_is_back(index));
    assert_int_equal(hot.loans[index].outcome, LOAN_STACK_BOUNDS);
    loan_return(index);
    stakeout_call_end(call, 0);
}

/* A stack that the host swapped in, below memory that is gone by now: the bounds still have it. */
enum { BORROWED_SIZE = 256 * 1024, GONE_SIZE = 65536 };

struct borrowed {
    char *stack;
    enum loan_outcome outcome;
    uint64_t sp, end;
};

static void *on_borrowed_stack(void *argument)
{
    struct borrowed *borrowed = argument;
    stakeout_call call = stakeout_call_begin(stakeout_interface("borrowed"));
    struct loan_order order = order_make(call);
    int index;

    order.low = (uint64_t)(uintptr_t)borrowed->stack;
    order.high = order.low + BORROWED_SIZE + GONE_SIZE;
    index = stack_copy_request(&order);
    if (index >= 0 && loan_is_back(index)) {
        borrowed->outcome = hot.loans[index].outcome;
        borrowed->sp = hot.loans[index].registers[REGISTER_RSP];
        borrowed->end = hot.loans[index].base + hot.loans[index].size;
        loan_return(index);
    }
    stakeout_call_end(call, 0);
    return NULL;
}

static void a_stack_that_is_not_the_threads_own_is_copied_up_to_a_hole(void **state)
{
    struct borrowed borrowed = { .stack =
                                     mmap(NULL, BORROWED_SIZE + GONE_SIZE, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) };
    pthread_attr_t attributes;
    pthread_t thread;

    (void)state;
    assert_ptr_not_equal(borrowed.stack, MAP_FAILED);
    assert_int_equal(munmap(borrowed.stack + BORROWED_SIZE, GONE_SIZE), 0);
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstack(&attributes, borrowed.stack, BORROWED_SIZE), 0);
    assert_int_equal(pthread_create(&thread, &attributes, on_borrowed_stack, &borrowed), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    assert_int_equal(borrowed.outcome, LOAN_COPIED);
    assert_true(borrowed.end > borrowed.sp);
    assert_in_range(borrowed.end, 0, (uint64_t)(uintptr_t)borrowed.stack + BORROWED_SIZE);
    munmap(borrowed.stack, BORROWED_SIZE);
}

static void nothing_is_copied_after_the_calls_end(void **state)
{
    stakeout_call call = stakeout_call_begin(stakeout_interface("copied"));
    struct loan_order order = order_make(call);
    int index;

    (void)state;
    stakeout_call_end(call, 0);
    index = stack_copy_request(&order);
    assert_true(loan_is_back(index));
    assert_int_equal(hot.loans[index].outcome, LOAN_CALL_ENDED);
    loan_return(index);
}

static void a_blocked_signal_is_written_off_and_its_loan_comes_back(void **state)
{
    stakeout_call call = stakeout_call_begin(stakeout_interface("copied"));
    struct loan_order order = order_make(call);
    sigset_t urgent;
    int index;

    (void)state;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_BLOCK, &urgent, NULL);
    index = stack_copy_request(&order);
    assert_true(index >= 0);
    assert_false(loan_is_back(index));
    assert_int_equal(stack_copy_request(&order), -EALREADY); /* one at a time */
    loan_write_off(index);
    assert_int_equal(loan_count_lost(), 1);
    assert_int_equal(stack_copy_request(&order), -ETIMEDOUT); /* it may still land */
    pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
    assert_int_equal(loan_count_lost(), 0); /* it did, and gave the buffer back */
    index = stack_copy_request(&order);
    assert_true(loan_is_back(index));
    loan_return(index);
    stakeout_call_end(call, 0);
}

/* Two pending signals of one number are one to the kernel: here the host's own is there first. */
static void a_signal_that_was_merged_with_the_hosts_serves_the_loan(void **state)
{
    stakeout_call call = stakeout_call_begin(stakeout_interface("copied"));
    struct loan_order order = order_make(call);
    int before = foreign_signals;
    sigset_t urgent;
    int index;

    (void)state;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_BLOCK, &urgent, NULL);
    raise(SIGURG);
    index = stack_copy_request(&order);
    assert_true(index >= 0);
    pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
    assert_int_equal(foreign_signals, before + 1);
    assert_true(loan_is_back(index));
    assert_int_equal(hot.loans[index].outcome, LOAN_COPIED);
    loan_return(index);
    stakeout_call_end(call, 0);
}

static _Atomic bool may_leave;

static void *blocker_main(void *context)
{
    struct loan_order *ret = context;
    stakeout_call call = stakeout_call_begin(stakeout_interface("copied"));
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    *ret = order_make(call);
    while (!atomic_load(&may_leave)) {
    }
    return NULL;
}

static bool order_is_made(void *context)
{
    return *(volatile uint32_t *)&((struct loan_order *)context)->tid != 0;
}

static void a_loan_that_a_dead_thread_had_is_used_again(void **state)
{
    static struct loan_order order;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, blocker_main, &order), 0);
    assert_true(wait_until(order_is_made, &order, 10000));
    assert_true(stack_copy_request(&order) >= 0);
    for (int i = 0; i < STACK_COPIES_MAX; i++) {
        loan_write_off(i);
    }
    assert_int_equal(loan_count_lost(), 1);
    atomic_store(&may_leave, true);
    pthread_join(thread, NULL);
    for (int i = 0; i < STACK_COPIES_MAX; i++) { /* all of them can be lent */
        stakeout_call call = stakeout_call_begin(stakeout_interface("copied"));
        struct loan_order mine = order_make(call);

        assert_true(stack_copy_request(&mine) >= 0);
        stakeout_call_end(call, 0);
    }
    assert_int_equal(loan_count_lost(), 0);
    for (int i = 0; i < STACK_COPIES_MAX; i++) {
        loan_return(i);
    }
}

/* The handler, which is at it at this moment, then finds it lost and frees it. */
static void a_loan_that_is_being_copied_can_be_written_off(void **state)
{
    struct loan *loan = &hot.loans[0];

    (void)state;
    atomic_store(&loan->status, LOAN_COPYING);
    loan_write_off(0);
    assert_int_equal(atomic_load(&loan->status), LOAN_LOST);
    atomic_store(&loan->status, LOAN_FREE);
}

static void a_signal_that_is_not_ours_goes_to_the_hosts_handler(void **state)
{
    int before = foreign_signals;

    (void)state;
    raise(SIGURG);
    assert_int_equal(foreign_signals, before + 1);
    assert_int_equal(sigqueue(getpid(), SIGURG, (union sigval){ .sival_int = 7 }), 0);
    assert_int_equal(foreign_signals, before + 2);
}

/* Last: the signal is another's from here on. */
/* Ticks of a time, roughly. */
static uint64_t ticks_of_ms(uint64_t ms)
{
    uint64_t ticks = 1;

    while (ticks_to_ns(ticks) < ms * NS_PER_MS) {
        ticks *= 2;
    }
    return ticks;
}

static bool saw_running(uint64_t sent_after, uint64_t taken_after)
{
    uint64_t seen = ticks_of_ms(100000);
    struct loan loan = { .order = { .was_running = true, .seen_ticks = seen },
                         .taken_ticks = seen + taken_after };

    if (sent_after != 0) atomic_store(&loan.sent_ticks, seen + sent_after);
    return loan_saw_running(&loan);
}

static void what_a_late_handler_meets_is_as_old_as_its_signal(void **state)
{
    uint64_t soon = ticks_of_ms(1), late = ticks_of_ms(50), too_late = ticks_of_ms(4000);

    (void)state;
    assert_true(saw_running(soon, 2 * soon));
    assert_true(saw_running(0, soon)); /* it came before the sending was over */
    assert_true(saw_running(soon, late));
    assert_false(saw_running(0, late));
    assert_false(saw_running(late, late + soon)); /* the sampler had no CPU */
    assert_false(saw_running(soon, too_late));
}

static void a_later_handler_is_never_replaced(void **state)
{
    struct sigaction theirs = { .sa_handler = on_foreign }, now;
    stakeout_call call = stakeout_call_begin(stakeout_interface("copied"));
    struct loan_order order = order_make(call);

    (void)state;
    assert_int_equal(sigaction(SIGURG, &theirs, NULL), 0);
    assert_false(stack_copy_is_open());
    assert_int_equal(stack_copy_request(&order), -EBUSY);
    assert_int_equal(stack_copy_open(SIGURG), -EBUSY);
    assert_int_equal(sigaction(SIGURG, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, on_foreign);
    stakeout_call_end(call, 0);
}

static int open_all(void **state)
{
    struct sigaction theirs = { .sa_handler = on_foreign };

    (void)state;
    sigaction(SIGURG, &theirs, NULL);
    if (memory_open(true) < 0) return -1;
    return stack_copy_open(SIGURG);
}

static void a_pause_is_charged_up_to_what_a_copy_can_take(void **state)
{
    struct loan loan = { .pause_ticks = LOAN_CHARGE_TICKS_MAX - 1 };

    (void)state;
    assert_int_equal(loan_charge_ticks(&loan), LOAN_CHARGE_TICKS_MAX - 1);
    loan.pause_ticks = LOAN_CHARGE_TICKS_MAX + 1;
    assert_int_equal(loan_charge_ticks(&loan), LOAN_CHARGE_TICKS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_holds_registers_and_stack),
        cmocka_unit_test(a_clock_that_was_just_read_is_not_read_again),
        cmocka_unit_test(nothing_is_copied_outside_of_the_bounds),
        cmocka_unit_test(a_stack_that_is_not_the_threads_own_is_copied_up_to_a_hole),
        cmocka_unit_test(nothing_is_copied_after_the_calls_end),
        cmocka_unit_test(a_blocked_signal_is_written_off_and_its_loan_comes_back),
        cmocka_unit_test(a_signal_that_was_merged_with_the_hosts_serves_the_loan),
        cmocka_unit_test(a_loan_that_a_dead_thread_had_is_used_again),
        cmocka_unit_test(a_loan_that_is_being_copied_can_be_written_off),
        cmocka_unit_test(a_signal_that_is_not_ours_goes_to_the_hosts_handler),
        cmocka_unit_test(what_a_late_handler_meets_is_as_old_as_its_signal),
        cmocka_unit_test(a_later_handler_is_never_replaced),
        cmocka_unit_test(a_pause_is_charged_up_to_what_a_copy_can_take),
    };

    return cmocka_run_group_tests(tests, open_all, NULL);
}
