/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/record.h"

#include "common/model/ledger.h"
#include "probe/hot/call.h"
#include "probe/hot/index_stack.h"
#include "probe/hot/memory.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/support/test.h"

#include <pthread.h>

static void the_parts_of_a_state_do_not_touch_each_other(void **state)
{
    uint64_t word = UINT64_C(0xffffffff00000000);

    (void)state;
    word = state_with_slot(state_with_phase(word, RECORD_ENDED), THREADS_MAX - 1);
    assert_int_equal(state_phase(word), RECORD_ENDED);
    assert_int_equal(state_slot(word), THREADS_MAX - 1);
    assert_int_equal(state_generation(word), UINT32_MAX);
    for (int i = 0; i < 40000; i++) {
        word = state_moved(word);
    }
    assert_int_equal(state_slot(word), THREADS_MAX - 1);
    assert_int_equal(state_generation(word), UINT32_MAX);
    assert_int_equal(state_freed(word), 0); /* generations wrap around */
}

static void the_hot_side_numbers_notes_as_the_ledger_does(void **state)
{
    (void)state;
    assert_int_equal((int)HOT_NOTE_COUNT, (int)NOTE_COUNT);
    assert_int_equal((int)HOT_NOTE_STALE_TOKEN, (int)NOTE_STALE_TOKEN);
    assert_int_equal((int)HOT_NOTE_NO_HISTOGRAM, (int)NOTE_NO_HISTOGRAM);
}

/* One thread begins and ends; each begin's fields depend on each other. */
static _Atomic bool writing = true;

static void *writer_main(void *context)
{
    stakeout_interface_id interfaces[2] = { stakeout_interface("even"), stakeout_interface("odd") };

    for (uint32_t i = 0; i < 400000; i++) {
        bool is_odd = i % 2 == 1;
        stakeout_call call =
            is_odd ? stakeout_call_begin_traced(
                         interfaces[1], "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
                   : stakeout_call_begin(interfaces[0]);

        if (i % 16 == 5) {
            stakeout_call_detach(call, "a reader");
            stakeout_call_attach(call);
        }
        stakeout_call_end(call, 0);
    }
    atomic_store(&writing, false);
    return context;
}

static void a_reader_never_sees_a_torn_record(void **state)
{
    uint32_t odd = stakeout_interface("odd");
    uint64_t latest = 0, seen = 0;
    pthread_t writer;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, writer_main, NULL), 0);
    while (atomic_load(&writing)) {
        struct record_view view;

        if (!record_read(0, &view)) continue;
        seen++;
        assert_true(view.began_ticks >= latest);
        latest = view.began_ticks;
        assert_int_equal(view.interface_id == odd, view.trace[0] != 0);
        assert_int_equal(view.trace[0] != 0, view.trace[1] != 0);
    }
    pthread_join(writer, NULL);
    print_message("%lu reads of a running call\n", seen);
}

static void every_record_can_be_taken_and_no_more(void **state)
{
    static uint32_t taken[CALLS_MAX + 1];
    uint32_t count = 0, index;

    (void)state;
    for (;;) {
        index = record_take(7);
        if (index == INDEX_NONE) break;
        assert_true(count <= CALLS_MAX);
        atomic_store(&hot.records[index].state,
                     state_with_phase(atomic_load(&hot.records[index].state), RECORD_RUNNING));
        taken[count++] = index;
    }
    assert_int_equal(count, CALLS_MAX + 1); /* the slot's own, and all shared ones */
    for (uint32_t i = 0; i < count; i++) {
        assert_true(record_free(taken[i], atomic_load(&hot.records[taken[i]].state)));
    }
    assert_int_equal(record_take(7), 7);
}

static void a_record_is_freed_once(void **state)
{
    uint32_t index = record_take(9);
    uint64_t running = state_with_phase(atomic_load(&hot.records[index].state), RECORD_RUNNING);

    (void)state;
    atomic_store(&hot.records[index].state, running);
    assert_true(record_free(index, running));
    assert_false(record_free(index, running));
}

static int open_memory(void **state)
{
    (void)state;
    return memory_open(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_of_a_state_do_not_touch_each_other),
        cmocka_unit_test(the_hot_side_numbers_notes_as_the_ledger_does),
        cmocka_unit_test(a_reader_never_sees_a_torn_record),
        cmocka_unit_test(every_record_can_be_taken_and_no_more),
        cmocka_unit_test(a_record_is_freed_once),
    };

    return cmocka_run_group_tests(tests, open_memory, NULL);
}
