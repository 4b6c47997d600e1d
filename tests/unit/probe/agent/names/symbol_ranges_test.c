/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several ranges covers an address. */
#include "probe/agent/names/symbol_ranges.h"

#include "tests/support/test.h"

#include <errno.h>

enum { COUNT_MAX = 1000 };

static int setup(void **state)
{
    static struct symbol_ranges ranges;

    *state = &ranges;
    return 0;
}

static int teardown(void **state)
{
    symbol_ranges_done(*state);
    return 0;
}

static void add(struct symbol_ranges *ranges, uint64_t begin, uint32_t size, uint32_t name)
{
    struct symbol_range range = { .begin = begin, .size = size, .name = name };

    assert_int_equal(symbol_ranges_add(ranges, &range, COUNT_MAX), 0);
}

static void assert_found(const struct symbol_ranges *ranges, uint64_t offset, uint32_t name)
{
    const struct symbol_range *range = symbol_ranges_find(ranges, offset);

    assert_non_null(range);
    assert_int_equal(range->name, name);
}

static void nothing_is_found_in_none(void **state)
{
    symbol_ranges_sort(*state);
    assert_null(symbol_ranges_find(*state, 0));
    assert_null(symbol_ranges_find(*state, 4711));
}

static void a_range_covers_its_bytes_and_no_more(void **state)
{
    add(*state, 200, 10, 2);
    add(*state, 100, 10, 1);
    symbol_ranges_sort(*state);
    assert_null(symbol_ranges_find(*state, 99));
    assert_found(*state, 100, 1);
    assert_found(*state, 109, 1);
    assert_null(symbol_ranges_find(*state, 110));
    assert_found(*state, 209, 2);
}

static void the_innermost_wins_and_then_the_one_around_it(void **state)
{
    add(*state, 100, 100, 1);
    add(*state, 150, 10, 2);
    symbol_ranges_sort(*state);
    assert_found(*state, 149, 1);
    assert_found(*state, 155, 2);
    assert_found(*state, 160, 1);
}

static void without_a_size_it_reaches_to_the_next(void **state)
{
    add(*state, 100, 0, 1);
    add(*state, 200, 10, 2);
    symbol_ranges_sort(*state);
    assert_found(*state, 199, 1);
    assert_found(*state, 200, 2);
    assert_null(symbol_ranges_find(*state, 210));
}

static void aliases_follow_each_other(void **state)
{
    const struct symbol_range *first;

    add(*state, 100, 10, 3);
    add(*state, 50, 10, 9);
    add(*state, 100, 10, 1);
    add(*state, 100, 10, 2);
    symbol_ranges_sort(*state);
    first = symbol_ranges_first_alias(*state, symbol_ranges_find(*state, 105));
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(first[i].begin, 100);
        assert_int_equal(first[i].name, i + 1);
    }
}

static void there_are_at_most_as_many_as_allowed(void **state)
{
    struct symbol_range range = { .begin = 7, .size = 1, .name = 1 };

    for (uint32_t i = 0; i < COUNT_MAX; i++) {
        add(*state, UINT64_C(10) * (COUNT_MAX - i), 10, i);
    }
    assert_int_equal(symbol_ranges_add(*state, &range, COUNT_MAX), -ENOBUFS);
    symbol_ranges_sort(*state);
    assert_found(*state, 10, COUNT_MAX - 1);
    assert_found(*state, 10 * COUNT_MAX + 9, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_found_in_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_range_covers_its_bytes_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(the_innermost_wins_and_then_the_one_around_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_a_size_it_reaches_to_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(aliases_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(there_are_at_most_as_many_as_allowed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
