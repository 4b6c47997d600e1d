/* SPDX-License-Identifier: Apache-2.0 */
/* unwinder_test.c: the walk over a copy, against backtrace() of the same moment.
 *
 * A thread works; it is interrupted at random points, and its handler keeps both: what our copy
 * would be, and what backtrace() says. A handler of a test may do that; ours never unwinds. */
#include "probe/agent/unwind/unwinder.h"

#include "probe/agent/unwind/modules.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"
#include "tests/unit/probe/agent/unwind/moment.h"
#include "tests/unit/probe/agent/unwind/unwound.h"

#include <execinfo.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

enum { DEPTH = 20, INTERRUPTIONS = 200, TRACE_MAX = 256, TABLES_MS_MAX = 1000 };

static struct unwinder *unwinder;
static struct walk walk;

/* What backtrace() says of the latest moment. */
static struct {
    void *frames[TRACE_MAX];
    int count;
    _Atomic int is_taken;
} trace;

static void on_interruption(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    moment_take(context);
    trace.count = backtrace(trace.frames, TRACE_MAX);
    atomic_store(&trace.is_taken, 1);
}

/* Where in the trace the interrupted program counter stands, behind the handler's own frames. */
static int trace_begin(void)
{
    for (int i = 0; i < trace.count; i++) {
        if ((uint64_t)(uintptr_t)trace.frames[i] == moment.view.registers[REGISTER_RIP]) return i;
    }
    return -1;
}

/* Are the two the same, frame by frame? */
static bool walk_equals_trace(void)
{
    int begin = trace_begin();

    if (begin < 0 || walk.count != (uint32_t)(trace.count - begin)) return false;
    for (uint32_t i = 0; i < walk.count; i++) {
        uint64_t pc = (uint64_t)(uintptr_t)trace.frames[begin + (int)i];

        if (walk.frames[i].pc != (i == 0 ? pc : pc - 1)) return false;
    }
    return true;
}

struct worker {
    void (*work)(int depth, _Atomic int *stop);
    _Atomic int stop, is_up;
};

static void *worker_main(void *context)
{
    struct worker *worker = context;

    moment.high = (uint64_t)(uintptr_t)__builtin_frame_address(0) + 512;
    atomic_store(&worker->is_up, 1);
    worker->work(DEPTH, &worker->stop);
    return NULL;
}

static bool is_set(void *context)
{
    return atomic_load((_Atomic int *)context) != 0;
}

static void walk_print(void)
{
    int begin = trace_begin();

    for (uint32_t i = 0; i < walk.count; i++) {
        print_message("  walk  %p\n", (void *)(uintptr_t)walk.frames[i].pc);
    }
    for (int i = begin; i >= 0 && i < trace.count; i++) {
        print_message("  trace %p\n", trace.frames[i]);
    }
}

static bool walk_is_complete(void *unused)
{
    (void)unused;
    unwinder_refresh(unwinder);
    unwinder_walk(unwinder, &moment.view, &walk);
    return walk.is_complete;
}

/* Interrupts the work again and again. Points at which backtrace() itself is lost are left out. */
static void check_work(void (*work)(int depth, _Atomic int *stop))
{
    struct worker worker = { .work = work };
    uint32_t equal = 0, complete = 0, compared = 0;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, worker_main, &worker), 0);
    assert_true(wait_until(is_set, &worker.is_up, 10000));
    for (int i = 0; i < INTERRUPTIONS; i++) {
        atomic_store(&trace.is_taken, 0);
        assert_int_equal(pthread_kill(thread, SIGUSR2), 0);
        while (!atomic_load(&trace.is_taken)) {
            sched_yield();
        }
        /* The tables of a module are another thread's work, which begins when it is met first. */
        complete += wait_until(walk_is_complete, NULL, TABLES_MS_MAX);
        if (trace_begin() < 0) continue;
        compared++;
        equal += walk_equals_trace();
        if (walk.count < DEPTH) walk_print();
    }
    atomic_store(&worker.stop, 1);
    pthread_join(thread, NULL);
    print_message("  %u complete, %u of %u equal to backtrace()\n", complete, equal, compared);
    assert_true(complete >= INTERRUPTIONS * 99 / 100);
    assert_true(compared >= INTERRUPTIONS * 95 / 100);
    assert_true(equal >= compared * 99 / 100);
}

static void walks_equal_backtrace_with_frame_pointers(void **state)
{
    (void)state;
    check_work(unwound_work);
}

static void walks_equal_backtrace_without_frame_pointers(void **state)
{
    void (*work)(int depth, _Atomic int *stop);
    void *found = moment_library_symbol("unwound_work");

    (void)state;
    assert_non_null(found);
    memcpy(&work, &found, sizeof found);
    check_work(work);
}

/* The handler as a function call: the thread interrupts itself. */
static void interrupt_self(void *context)
{
    (void)context;
    raise(SIGUSR2);
}

static void a_deep_stack_is_walked_to_its_end(void **state)
{
    (void)state;
    moment.high = (uint64_t)(uintptr_t)__builtin_frame_address(0) + 1024;
    unwound_descend(700, interrupt_self, NULL);
    unwinder_walk(unwinder, &moment.view, &walk);
    assert_true(walk.count > 700);
}

static void a_walk_ends_where_the_copy_does(void **state)
{
    uint32_t whole;

    (void)state;
    moment.high = (uint64_t)(uintptr_t)__builtin_frame_address(0) + 1024;
    unwound_descend(50, interrupt_self, NULL);
    unwinder_walk(unwinder, &moment.view, &walk);
    whole = walk.count;
    for (uint64_t size = 0; size < moment.view.size; size += 64) {
        struct stack_view part = moment.view;

        part.size = size;
        unwinder_walk(unwinder, &part, &walk);
        assert_true(walk.count >= 1 && walk.count <= whole);
        assert_false(walk.is_complete && walk.count < whole);
    }
}

/* A stack of garbage must not make us read, or believe, what is not there. */
static void garbage_ends_the_walk_and_harms_nobody(void **state)
{
    uint64_t random = 0;

    (void)state;
    moment.high = (uint64_t)(uintptr_t)__builtin_frame_address(0) + 1024;
    unwound_descend(50, interrupt_self, NULL);
    for (int round = 0; round < 300; round++) {
        struct stack_view view = moment.view;
        static unsigned char bytes[STACK_COPY_SIZE_MAX];

        memcpy(bytes, moment.bytes, sizeof bytes);
        for (int i = 0; i < 40; i++) {
            random = moment_random();
            bytes[random % view.size] = (unsigned char)(random >> 40);
        }
        view.bytes = bytes;
        if (round % 3 == 0) view.registers[REGISTER_RIP] = random;
        if (round % 5 == 0) view.registers[REGISTER_RSP] = random;
        unwinder_walk(unwinder, &view, &walk);
        assert_true(walk.count >= 1);
    }
}

static void an_unknown_frame_pointer_is_lacked_and_not_guessed(void **state)
{
    struct stack_view view;
    uint32_t whole;

    (void)state;
    moment.high = (uint64_t)(uintptr_t)__builtin_frame_address(0) + 1024;
    unwound_descend(30, interrupt_self, NULL);
    unwinder_walk(unwinder, &moment.view, &walk);
    whole = walk.count;
    view = moment.view;
    view.known = REGISTER_BIT(REGISTER_RIP) | REGISTER_BIT(REGISTER_RSP);
    unwinder_walk(unwinder, &view, &walk);
    if (walk.count < whole) {
        assert_true(walk.lacks_register);
        assert_false(walk.is_complete);
    }
}

static void the_frame_that_called_begin_is_recognized(void **state)
{
    struct stack_view view;

    (void)state;
    moment.high = (uint64_t)(uintptr_t)__builtin_frame_address(0) + 1024;
    unwound_descend(30, interrupt_self, NULL);
    view = moment.view;
    unwinder_walk(unwinder, &view, &walk);
    assert_false(walk.reached_begin);
    view.anchor_sp = (uint64_t)(uintptr_t)__builtin_frame_address(0) - 8;
    view.anchor_pc = walk.frames[walk.count - 1].pc; /* right place, another function */
    unwinder_walk(unwinder, &view, &walk);
    assert_false(walk.reached_begin);
    __asm__ volatile("lea 0(%%rip), %0" : "=r"(view.anchor_pc));
    unwinder_walk(unwinder, &view, &walk);
    assert_true(walk.reached_begin);
}

static void a_function_is_known_by_its_unwind_entry(void **state)
{
    uint64_t address = (uint64_t)(uintptr_t)&unwound_work;

    (void)state;
    assert_int_equal(unwinder_function(unwinder, address), address);
    assert_int_equal(unwinder_function(unwinder, address + 10), address);
    assert_int_equal(unwinder_function(unwinder, 4096), 0);
}

static int open_unwinder(void **state)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART };
    void *frames[2];

    (void)state;
    backtrace(frames, 2); /* loads what it needs */
    action.sa_sigaction = on_interruption;
    sigaction(SIGUSR2, &action, NULL);
    return unwinder_open(&unwinder);
}

static int close_unwinder(void **state)
{
    (void)state;
    unwinder = unwinder_close(unwinder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_equal_backtrace_with_frame_pointers),
        cmocka_unit_test(walks_equal_backtrace_without_frame_pointers),
        cmocka_unit_test(a_deep_stack_is_walked_to_its_end),
        cmocka_unit_test(a_walk_ends_where_the_copy_does),
        cmocka_unit_test(garbage_ends_the_walk_and_harms_nobody),
        cmocka_unit_test(an_unknown_frame_pointer_is_lacked_and_not_guessed),
        cmocka_unit_test(the_frame_that_called_begin_is_recognized),
        cmocka_unit_test(a_function_is_known_by_its_unwind_entry),
    };

    return cmocka_run_group_tests(tests, open_unwinder, close_unwinder);
}
