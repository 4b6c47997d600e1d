/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/symbols/worker/ranges.h"

#include "tests/support/test.h"

static uint32_t row_at(const struct range_list *list, uint64_t address)
{
    const struct range *range = range_list_find(list, address);

    return range ? range->row : UINT32_MAX;
}

static void an_address_is_found_from_the_first_to_before_the_end(void **state)
{
    struct range_list list = { .rows = NULL };

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) { /* the last one first */
        uint32_t row = 999 - i;

        range_list_add(&list, (struct range){ row * 10 + 100, row * 10 + 105, row });
    }
    range_list_sort(&list);
    for (uint32_t row = 0; row < 1000; row++) {
        assert_int_equal(row_at(&list, row * 10 + 99), UINT32_MAX);
        assert_int_equal(row_at(&list, row * 10 + 100), row);
        assert_int_equal(row_at(&list, row * 10 + 104), row);
        assert_int_equal(row_at(&list, row * 10 + 105), UINT32_MAX);
    }
    range_list_done(&list);
}

static void of_ranges_within_each_other_the_last_to_begin_is_found(void **state)
{
    struct range_list list = { .rows = NULL };

    (void)state;
    range_list_add(&list, (struct range){ 100, 200, 0 });
    range_list_add(&list, (struct range){ 120, 130, 1 });
    range_list_add(&list, (struct range){ 140, 150, 2 });
    range_list_sort(&list);
    assert_int_equal(row_at(&list, 125), 1);
    assert_int_equal(row_at(&list, 135), 0);
    assert_int_equal(row_at(&list, 199), 0);
    range_list_done(&list);
}

static void an_empty_range_is_left_out(void **state)
{
    struct range_list list = { .rows = NULL };

    (void)state;
    range_list_sort(&list);
    assert_null(range_list_find(&list, 5));
    range_list_add(&list, (struct range){ 5, 5, 0 });
    range_list_add(&list, (struct range){ 6, 2, 1 }); /* of a hostile file: past the end of all */
    assert_int_equal(list.count, 0);
    range_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_found_from_the_first_to_before_the_end),
        cmocka_unit_test(of_ranges_within_each_other_the_last_to_begin_is_found),
        cmocka_unit_test(an_empty_range_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
