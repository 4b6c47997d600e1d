/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "scheduler/access/pacer.h"

#include <string.h>

static const struct pace ten_then_one = { .interval_ns = NS_PER_S, .burst = 10 };

static struct pacer_key key_of(uint64_t number)
{
    struct pacer_key key = { { 0 } };

    memcpy(key.bytes + 4, &number, sizeof number);
    return key;
}

static uint64_t take(struct pacer *pacer, uint64_t number, uint64_t now_ns)
{
    struct pacer_key key = key_of(number);

    return pacer_take(pacer, &key, &ten_then_one, now_ns);
}

static void a_burst_is_let_through_and_then_one_a_second(void **state)
{
    struct pacer *pacer = pacer_new();
    uint64_t now_ns = 1000 * NS_PER_S;

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(take(pacer, 1, now_ns), 0);
    }
    assert_int_equal(take(pacer, 1, now_ns), NS_PER_S);
    assert_int_equal(take(pacer, 1, now_ns), NS_PER_S); /* asking too early costs nothing */
    assert_int_equal(take(pacer, 1, now_ns + NS_PER_S - 1), 1);
    assert_int_equal(take(pacer, 1, now_ns + NS_PER_S), 0);
    assert_int_equal(take(pacer, 1, now_ns + NS_PER_S), NS_PER_S);
    for (int i = 0; i < 10; i++) { /* who was quiet has all of it again */
        assert_int_equal(take(pacer, 1, now_ns + 60 * NS_PER_S), 0);
    }
    assert_int_equal(take(pacer, 1, now_ns + 60 * NS_PER_S), NS_PER_S);
    pacer_free(pacer);
}

static void nobody_is_held_up_by_what_others_did(void **state)
{
    struct pacer *pacer = pacer_new();

    (void)state;
    for (int i = 0; i < 100; i++) {
        take(pacer, 1, NS_PER_S);
    }
    assert_int_not_equal(take(pacer, 1, NS_PER_S), 0);
    for (uint64_t other = 2; other < 100000; other++) {
        assert_int_equal(take(pacer, other, NS_PER_S), 0);
    }
    pacer_free(pacer);
}

/* While it is not full of worse ones, an eager key is not forgotten for others that came once. */
static void the_eager_are_remembered_the_longest(void **state)
{
    struct pacer *pacer = pacer_new();
    unsigned forgotten = 0;

    (void)state;
    for (uint64_t key = 0; key < 64; key++) {
        while (take(pacer, key, NS_PER_S) == 0) {
        }
    }
    for (uint64_t other = 1000; other < 101000; other++) {
        take(pacer, other, NS_PER_S);
    }
    for (uint64_t key = 0; key < 64; key++) {
        forgotten += take(pacer, key, NS_PER_S) == 0;
    }
    assert_int_equal(forgotten, 0);
    pacer_free(pacer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_let_through_and_then_one_a_second),
        cmocka_unit_test(nobody_is_held_up_by_what_others_did),
        cmocka_unit_test(the_eager_are_remembered_the_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
