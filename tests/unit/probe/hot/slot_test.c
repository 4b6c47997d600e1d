/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/slot.h"

#include "probe/hot/call.h"
#include "probe/hot/memory.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t taken_index;

static void *beginner_main(void *context)
{
    stakeout_call_begin(stakeout_interface("left"));
    taken_index = slot_index(slot_mine());
    return context;
}

static void thread_run(void *(*run)(void *))
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
    pthread_join(thread, NULL);
}

static void a_thread_registers_at_its_first_begin(void **state)
{
    uint32_t before = slot_count_used();

    (void)state;
    assert_null(slot_mine());
    stakeout_call_end(stakeout_call_begin(stakeout_interface("first")), 0);
    assert_non_null(slot_mine());
    assert_int_equal(atomic_load(&slot_mine()->tid), syscall(SYS_gettid));
    assert_int_equal(slot_count_used(), before + 1);
}

static void a_slot_comes_back_at_the_threads_end_and_is_used_again(void **state)
{
    uint32_t used = slot_count_used(), first;
    uint64_t forgotten = atomic_load(&hot.notes[HOT_NOTE_FORGOTTEN]);

    (void)state;
    thread_run(beginner_main);
    first = taken_index;
    assert_int_equal(slot_count_used(), used);
    assert_int_equal(atomic_load(&hot.notes[HOT_NOTE_FORGOTTEN]), forgotten + 1);
    assert_int_equal(call_count_running(), 0);
    thread_run(beginner_main);
    assert_int_equal(taken_index, first);
}

static void *leaver_main(void *context)
{
    stakeout_call_begin(stakeout_interface("gone"));
    *(_Atomic bool *)context = true;
    syscall(SYS_exit, 0); /* no destructor runs */
    return NULL;
}

static void the_sweep_finds_threads_that_left_without_a_word(void **state)
{
    static _Atomic bool has_left;
    uint32_t used = slot_count_used();
    pthread_t thread;

    (void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* they want to see a thread's end */
#endif
    assert_int_equal(pthread_create(&thread, NULL, leaver_main, &has_left), 0);
    while (!atomic_load(&has_left) || slot_count_used() > used) {
        slot_sweep();
    }
    assert_int_equal(call_count_running(), 0);
    pthread_join(thread, NULL);
}

static void *churn_main(void *context)
{
    stakeout_call_end(stakeout_call_begin(stakeout_interface("churn")), 0);
    return context;
}

static void more_threads_than_slots_may_come_one_after_the_other(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        thread_run(churn_main);
    }
    assert_true(atomic_load(&hot.slot_count) < 10);
}

/* As if by another thread that lives on: the slot is taken, and this thread has none any more. */
static void slot_take_for_another(void)
{
    slot_face = (struct thread_face){ NULL, 0 };
    assert_non_null(slot_acquire());
}

/* Last: it leaves none free. With 4096 real threads: tests/integration/probe/bounds_test.c. */
static void every_slot_can_be_taken_and_no_more(void **state)
{
    uint64_t refused = atomic_load(&hot.notes[HOT_NOTE_NO_SLOT]);
    uint32_t last;

    (void)state;
    while (slot_count_used() < THREADS_MAX - 1) {
        slot_take_for_another();
    }
    thread_run(beginner_main); /* the last one, which comes back */
    last = taken_index;
    thread_run(beginner_main);
    assert_int_equal(taken_index, last);
    assert_int_equal(atomic_load(&hot.notes[HOT_NOTE_NO_SLOT]), refused);
    slot_take_for_another();
    assert_int_equal(slot_count_used(), THREADS_MAX);
    thread_run(churn_main);
    assert_int_equal(atomic_load(&hot.notes[HOT_NOTE_NO_SLOT]), refused + 1);
    assert_int_equal(slot_count_used(), THREADS_MAX);
}

static int open_memory(void **state)
{
    (void)state;
    return memory_open(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_registers_at_its_first_begin),
        cmocka_unit_test(a_slot_comes_back_at_the_threads_end_and_is_used_again),
        cmocka_unit_test(the_sweep_finds_threads_that_left_without_a_word),
        cmocka_unit_test(more_threads_than_slots_may_come_one_after_the_other),
        cmocka_unit_test(every_slot_can_be_taken_and_no_more),
    };

    return cmocka_run_group_tests(tests, open_memory, NULL);
}
