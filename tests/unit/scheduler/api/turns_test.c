/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/api/turns.h"

#include "common/base/check.h"
#include "tests/support/test.h"

#include <errno.h>
#include <stdbool.h>

enum { AT_ONCE = 2, WAITING = 3, ALL = AT_ONCE + WAITING };

struct job {
    struct turn turn;
    struct turns *turns;
    bool ends_at_once; /* its client has gone */
};

static struct job *begun[ALL + 1];
static size_t begun_count;

static void on_begin(void *context)
{
    struct job *job = context;

    begun[begun_count++] = job;
    if (job->ends_at_once) turn_end(job->turns);
}

static struct turns *line_up(struct job *jobs)
{
    struct turns *turns = turns_new(AT_ONCE, WAITING);

    begun_count = 0;
    for (size_t i = 0; i < ALL; i++) {
        jobs[i].turns = turns;
        assert_int_equal(turn_wait(turns, &jobs[i].turn, on_begin, &jobs[i]), 0);
    }
    return turns;
}

static void who_waits_begins_in_order(void **state)
{
    struct job jobs[ALL] = { 0 };
    struct turns *turns = line_up(jobs);

    (void)state;
    assert_int_equal(begun_count, AT_ONCE);
    for (size_t i = AT_ONCE; i < ALL; i++) {
        turn_end(turns);
        assert_int_equal(begun_count, i + 1);
        assert_ptr_equal(begun[i], &jobs[i]);
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        turn_end(turns);
    }
    assert_null(turns_free(turns));
}

static void a_full_line_refuses(void **state)
{
    struct job jobs[ALL] = { 0 }, late = { 0 };
    struct turns *turns = line_up(jobs);

    (void)state;
    assert_int_equal(turn_wait(turns, &late.turn, on_begin, &late), -EBUSY);
    assert_int_equal(begun_count, AT_ONCE);
    turn_end(turns);
    assert_int_equal(turn_wait(turns, &late.turn, on_begin, &late), 0);
    for (size_t i = 0; i < ALL; i++) {
        turn_end(turns);
    }
    assert_int_equal(begun_count, ALL + 1);
    assert_ptr_equal(begun[ALL], &late);
    turns_free(turns);
}

static void who_ends_as_it_begins_makes_way(void **state)
{
    struct job jobs[ALL] = { [AT_ONCE] = { .ends_at_once = true },
                             [AT_ONCE + 1] = { .ends_at_once = true } };
    struct turns *turns = line_up(jobs);

    (void)state;
    turn_end(turns);
    assert_int_equal(begun_count, ALL); /* the two, and the one behind them */
    turn_end(turns);
    turn_end(turns);
    turns_free(turns);
    assert_null(turns_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_begins_in_order),
        cmocka_unit_test(a_full_line_refuses),
        cmocka_unit_test(who_ends_as_it_begins_makes_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
