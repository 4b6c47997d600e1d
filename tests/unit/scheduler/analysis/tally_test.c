/* SPDX-License-Identifier: Apache-2.0 */
/* tally_test.c: sums by pairs of numbers, and the index over them. */
#include "scheduler/analysis/tally.h"

#include "tests/support/test.h"

enum { PAIRS = 10000 };

static void sums_are_kept_per_pair_in_order_of_first_use(void **state)
{
    struct tally tally = { 0 };

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < PAIRS; i++) {
            assert_int_equal(tally_add(&tally, i / 100, i % 100, i), i);
        }
    }
    assert_int_equal(tally.count, PAIRS);
    for (uint32_t i = 0; i < PAIRS; i++) {
        assert_int_equal(tally.rows[i].of, i / 100);
        assert_int_equal(tally.rows[i].part, i % 100);
        assert_int_equal(tally.rows[i].ns, 3 * i);
    }
    tally_done(&tally);
    assert_int_equal(tally_add(&tally, 1, 2, 3), 0); /* as a new one */
    assert_int_equal(tally.rows[0].ns, 3);
    tally_done(&tally);
}

/* A pair is not the other way round, nor are its numbers added up. */
static void pairs_are_told_apart(void **state)
{
    struct tally tally = { 0 };

    (void)state;
    assert_int_equal(tally_add(&tally, 1, 2, 10), 0);
    assert_int_equal(tally_add(&tally, 2, 1, 20), 1);
    assert_int_equal(tally_add(&tally, 0, 3, 30), 2);
    assert_int_equal(tally_add(&tally, 3, 0, 40), 3);
    assert_int_equal(tally_add(&tally, 1, 2, 50), 0);
    assert_int_equal(tally.rows[0].ns, 60);
    tally_done(&tally);
}

static void the_heaviest_part_is_found_for_each(void **state)
{
    struct tally tally = { 0 };
    uint32_t heaviest[4];

    (void)state;
    tally_add(&tally, 0, 7, 10);
    tally_add(&tally, 0, 8, 5);
    tally_add(&tally, 2, 7, 4);
    tally_add(&tally, 2, 8, 4);  /* of equals the first */
    tally_add(&tally, 9, 1, 99); /* beyond what was asked for */
    tally_add(&tally, 0, 8, 6);  /* and now it is ahead */
    tally_add(&tally, 3, 1, 0);
    tally_heaviest(&tally, heaviest, 4);
    assert_int_equal(heaviest[0], 1);
    assert_int_equal(heaviest[1], HASH_NONE);
    assert_int_equal(heaviest[2], 2);
    assert_int_equal(tally.rows[heaviest[3]].of, 3);
    tally_done(&tally);
}

/* All rows of one hash: the walk gives each of them, once, and ends. */
static void rows_that_collide_are_all_found(void **state)
{
    struct hash_index index = { 0 };
    struct hash_walk walk = hash_walk_start(&index, 5);
    uint32_t row, seen = 0;

    (void)state;
    assert_int_equal(hash_walk_next(&walk), HASH_NONE); /* an empty one */
    for (uint32_t i = 0; i < 200; i++) {
        hash_index_add(&index, i % 2 ? 5 : 5 + 64, i); /* neighbours in the table, too */
    }
    walk = hash_walk_start(&index, 5);
    while ((row = hash_walk_next(&walk)) != HASH_NONE) {
        assert_int_equal(row % 2, 1);
        seen++;
    }
    assert_int_equal(seen, 100);
    hash_index_done(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_kept_per_pair_in_order_of_first_use),
        cmocka_unit_test(pairs_are_told_apart),
        cmocka_unit_test(the_heaviest_part_is_found_for_each),
        cmocka_unit_test(rows_that_collide_are_all_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
