/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/agenda.h"

#include "common/base/random.h"
#include "tests/support/test.h"

#include <string.h>

enum { FROM = 1000000, LASTS = 100000 };

static struct agenda agenda;

/* The calls that the records stand for, and who was visited. */
static struct {
    uint64_t now;
    uint64_t due[RECORDS]; /* 0: it has ended */
    uint32_t triggered_count, visited_count;
    uint32_t late_count; /* of those that were triggered, not at their time */
} calls;

static uint64_t heed(void *context, uint32_t record)
{
    uint64_t due = calls.due[record];

    (void)context;
    calls.visited_count++;
    if (due == 0) return AGENDA_NEVER;
    if (due > calls.now) return due;
    calls.due[record] = 0;
    calls.triggered_count++;
    calls.late_count += due != calls.now;
    return AGENDA_NEVER;
}

static int begin(void **state)
{
    (void)state;
    memset(&calls, 0, sizeof calls);
    agenda_begin(&agenda, FROM, FROM + LASTS);
    return 0;
}

static void put(uint32_t record, uint64_t due)
{
    calls.due[record] = due;
    agenda_put(&agenda, record, due);
}

static uint64_t visit_at(uint64_t now)
{
    calls.now = now;
    return agenda_visit(&agenda, heed, NULL);
}

static void it_tells_the_first_that_is_due_and_then_the_next(void **state)
{
    (void)state;
    assert_true(visit_at(FROM) == AGENDA_NEVER);
    put(7, FROM + 500);
    put(RECORDS - 1, FROM + 300);
    put(0, FROM + LASTS - 1);
    assert_int_equal(visit_at(FROM), FROM + 300);
    assert_int_equal(visit_at(FROM + 299), FROM + 300);
    assert_int_equal(calls.triggered_count, 0);
    assert_int_equal(visit_at(FROM + 300), FROM + 500);
    assert_int_equal(calls.triggered_count, 1);
    assert_int_equal(visit_at(FROM + 500), FROM + LASTS - 1);
    assert_true(visit_at(FROM + LASTS) == AGENDA_NEVER);
    assert_int_equal(calls.triggered_count, 3);
}

static void what_is_due_outside_of_its_time_is_due_at_once_or_not_its_business(void **state)
{
    (void)state;
    put(1, FROM + LASTS);
    put(2, AGENDA_NEVER);
    assert_true(visit_at(FROM) == AGENDA_NEVER);
    put(3, FROM - 50);
    assert_true(visit_at(FROM) == AGENDA_NEVER);
    assert_int_equal(calls.triggered_count, 1);
}

/* Nobody is woken for a call that has ended, and nobody looks at it twice. */
static void calls_that_ended_are_passed_over_once(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        put(i, FROM + 1 + i * 50);
    }
    put(5000, FROM + 60000);
    memset(calls.due, 0, 1000 * sizeof *calls.due);
    assert_int_equal(visit_at(FROM + 10), FROM + 60000);
    assert_int_equal(calls.visited_count, 1001);
    assert_int_equal(visit_at(FROM + 20), FROM + 60000);
    assert_int_equal(calls.visited_count, 1002);
}

/* A record on the move says that it wants to be looked at a little later. */
static uint64_t heed_on_the_move(void *context, uint32_t record)
{
    uint64_t due = heed(context, record);

    if (record != 3 || calls.visited_count > 5) return due;
    return calls.now + 200;
}

static void who_cannot_be_looked_at_is_looked_at_again_soon_and_in_turn(void **state)
{
    (void)state;
    put(3, FROM + 50000);
    put(4, FROM + 90000);
    memset(&calls.due[3], 0, sizeof calls.due[3]);
    /* Far behind the head, and yet it is the first to be looked at again. */
    calls.now = FROM;
    assert_int_equal(agenda_visit(&agenda, heed_on_the_move, NULL), FROM + 200);
    calls.now = FROM + 60000;
    assert_int_equal(agenda_visit(&agenda, heed_on_the_move, NULL), FROM + 60200);
    calls.visited_count = 6;
    assert_int_equal(agenda_visit(&agenda, heed_on_the_move, NULL), FROM + 90000);
}

/* Each call is triggered at its time, neither earlier nor later, if the agenda is visited when it
 * says. */
static void thousands_come_in_their_order(void **state)
{
    uint64_t now = FROM, next;
    uint32_t count = 0;

    (void)state;
    for (uint32_t i = 0; i < RECORDS; i += 3) {
        put(i, FROM + 1 + random_u64() % (LASTS - 1));
        count++;
    }
    while ((next = visit_at(now)) != AGENDA_NEVER) {
        assert_true(next > now);
        now = next;
    }
    assert_int_equal(calls.triggered_count, count);
    assert_int_equal(calls.late_count, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, begin)
    const struct CMUnitTest tests[] = {
        CASE(it_tells_the_first_that_is_due_and_then_the_next),
        CASE(what_is_due_outside_of_its_time_is_due_at_once_or_not_its_business),
        CASE(calls_that_ended_are_passed_over_once),
        CASE(who_cannot_be_looked_at_is_looked_at_again_soon_and_in_turn),
        CASE(thousands_come_in_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
