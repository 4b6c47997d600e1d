/* SPDX-License-Identifier: Apache-2.0 */
/* By what a wait is known again. */
#include "probe/agent/known_waits.h"

#include "tests/support/test.h"

static struct walk walk;

static struct wait_view wait_at(uint64_t sp)
{
    walk.count = 3;
    walk.frames[2].pc = 0x4711;
    return (struct wait_view){ .syscall = 202, .sp = sp, .pc = 0x1000 };
}

static void a_wait_is_known_once_a_signal_was_spent_on_it(void **state)
{
    struct known_waits waits = { 0 };
    struct wait_view wait = wait_at(0x7000);

    (void)state;
    assert_null(known_waits_find(&waits, &wait, &walk));
    known_waits_add(&waits, &wait, &walk);
    assert_non_null(known_waits_find(&waits, &wait, &walk));
    assert_false(known_waits_find(&waits, &wait, &walk)->has_rbp);
}

static void another_place_call_or_depth_is_another_wait(void **state)
{
    struct known_waits waits = { 0 };
    struct wait_view wait = wait_at(0x7000), other = wait;

    (void)state;
    known_waits_add(&waits, &wait, &walk);
    other.sp++;
    assert_null(known_waits_find(&waits, &other, &walk));
    other = wait;
    other.pc++;
    assert_null(known_waits_find(&waits, &other, &walk));
    other = wait;
    other.syscall = 0;
    assert_null(known_waits_find(&waits, &other, &walk));
    walk.count = 2;
    assert_null(known_waits_find(&waits, &wait, &walk));
    walk.count = 3;
    walk.frames[2].pc++;
    assert_null(known_waits_find(&waits, &wait, &walk));
}

static void the_frame_pointer_goes_to_the_latest(void **state)
{
    struct known_waits waits = { 0 };
    struct wait_view first = wait_at(0x7000), second = wait_at(0x8000);

    (void)state;
    known_waits_add(&waits, &first, &walk);
    known_waits_add(&waits, &second, &walk);
    known_waits_learn(&waits, 0xb9);
    assert_false(known_waits_find(&waits, &first, &walk)->has_rbp);
    assert_true(known_waits_find(&waits, &second, &walk)->has_rbp);
    assert_int_equal(known_waits_find(&waits, &second, &walk)->rbp, 0xb9);
}

static void the_oldest_gives_way(void **state)
{
    struct known_waits waits = { 0 };
    struct wait_view wait;

    (void)state;
    for (uint64_t i = 0; i <= KNOWN_WAITS; i++) {
        wait = wait_at(0x7000 + 16 * i);
        known_waits_add(&waits, &wait, &walk);
        known_waits_learn(&waits, i);
    }
    wait = wait_at(0x7000);
    assert_null(known_waits_find(&waits, &wait, &walk));
    for (uint64_t i = 1; i <= KNOWN_WAITS; i++) {
        wait = wait_at(0x7000 + 16 * i);
        assert_non_null(known_waits_find(&waits, &wait, &walk));
        assert_int_equal(known_waits_find(&waits, &wait, &walk)->rbp, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_is_known_once_a_signal_was_spent_on_it),
        cmocka_unit_test(another_place_call_or_depth_is_another_wait),
        cmocka_unit_test(the_frame_pointer_goes_to_the_latest),
        cmocka_unit_test(the_oldest_gives_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
