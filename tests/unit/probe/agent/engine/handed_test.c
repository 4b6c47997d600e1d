/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/handed.h"

#include "tests/support/test.h"

#include <stdio.h>

static struct sample_id id_of(unsigned number)
{
    struct sample_id id = { "" };

    snprintf(id.text, sizeof id.text, "%032x", number + 1);
    return id;
}

static struct handed *put(struct handed_table *table, unsigned number, uint16_t watch)
{
    struct sample_id id = id_of(number);

    return handed_put(table, &id, watch);
}

static struct handed *find(struct handed_table *table, unsigned number)
{
    struct sample_id id = id_of(number);

    return handed_find(table, &id);
}

static void a_sample_has_one_place_until_it_is_removed(void **state)
{
    static struct handed_table table;
    struct handed *place = put(&table, 7, 3);

    (void)state;
    assert_non_null(place);
    assert_int_equal(place->watch, 3);
    place->is_counted = true;
    place->final_revision = 5;
    assert_ptr_equal(put(&table, 7, 4), place); /* another revision: what is known of it stays */
    assert_int_equal(place->watch, 3);
    assert_true(place->is_counted);
    assert_ptr_equal(find(&table, 7), place);
    assert_null(find(&table, 8));

    handed_remove(place);
    assert_null(find(&table, 7));
    place = put(&table, 7, 4); /* nothing is left of the one before */
    assert_int_equal(place->watch, 4);
    assert_false(place->is_counted);
    assert_int_equal(place->final_revision, 0);
}

static void a_full_table_takes_nobody_and_forgets_nobody(void **state)
{
    static struct handed_table table;

    (void)state;
    for (unsigned i = 0; i < HANDED_MAX; i++) {
        assert_non_null(put(&table, i, (uint16_t)i));
    }
    assert_null(put(&table, HANDED_MAX, 0));
    assert_ptr_equal(put(&table, 17, 0), find(&table, 17)); /* who is there is found */
    for (unsigned i = 0; i < HANDED_MAX; i++) {
        assert_int_equal(find(&table, i)->watch, i);
    }
    handed_remove(find(&table, 600));
    assert_non_null(put(&table, HANDED_MAX, 9));
    assert_int_equal(find(&table, HANDED_MAX)->watch, 9);
    assert_null(find(&table, 600));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_has_one_place_until_it_is_removed),
        cmocka_unit_test(a_full_table_takes_nobody_and_forgets_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
