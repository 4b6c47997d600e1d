/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/agenda.h"

#include "common/base/random.h"
#include "tests/support/test.h"

#include <string.h>

enum { FROM = 1000000, AHEAD = 100000, CROWD = 2000, TURNS = 20 };

static struct agenda agenda;

/* The calls that the records stand for, and who was visited. */
static struct {
    uint64_t now;
    uint64_t due[RECORDS]; /* 0: it has ended */
    uint32_t triggered_count, visited_count, unexpected_count;
    uint32_t late_count; /* of those that were triggered, not at their time */
    bool is_expected[RECORDS];
} calls;

static void expect(uint32_t record)
{
    calls.is_expected[record] = true;
}

static uint64_t heed(void *context, uint32_t record)
{
    uint64_t due = calls.due[record];

    (void)context;
    calls.visited_count++;
    calls.unexpected_count += !calls.is_expected[record];
    calls.is_expected[record] = false;
    if (due == 0) return AGENDA_NEVER;
    if (due > calls.now) return due;
    calls.due[record] = 0;
    calls.triggered_count++;
    calls.late_count += due != calls.now;
    return AGENDA_NEVER;
}

static bool agenda_has(uint32_t record)
{
    return agenda_gap(&agenda, record, record + 1) != record;
}

static int begin(void **state)
{
    (void)state;
    memset(&calls, 0, sizeof calls);
    agenda_begin(&agenda, FROM, AHEAD);
    return 0;
}

static void put(uint32_t record, uint64_t due)
{
    calls.due[record] = due;
    agenda_put(&agenda, record, due);
}

static uint64_t visit_by(uint64_t (*visit)(void *context, uint32_t record), uint64_t now)
{
    const struct agenda_visitor visitor = { visit, expect, NULL };
    uint64_t due;

    calls.now = now;
    due = agenda_visit(&agenda, now, &visitor);
    assert_int_equal(calls.unexpected_count, 0);
    return due;
}

static uint64_t visit_at(uint64_t now)
{
    return visit_by(heed, now);
}

static void it_tells_the_first_that_is_due_and_then_the_next(void **state)
{
    (void)state;
    assert_true(visit_at(FROM) == AGENDA_NEVER);
    put(7, FROM + 500);
    put(RECORDS - 1, FROM + 300);
    put(0, FROM + AHEAD);
    assert_int_equal(visit_at(FROM), FROM + 300);
    assert_int_equal(visit_at(FROM + 299), FROM + 300);
    assert_int_equal(calls.triggered_count, 0);
    assert_int_equal(visit_at(FROM + 300), FROM + 500);
    assert_int_equal(calls.triggered_count, 1);
    assert_int_equal(visit_at(FROM + 500), FROM + AHEAD);
    assert_true(visit_at(FROM + AHEAD) == AGENDA_NEVER);
    assert_int_equal(calls.triggered_count, 3);
}

static void what_is_due_outside_of_its_time_is_due_at_once_or_not_its_business(void **state)
{
    (void)state;
    put(1, FROM + AHEAD + 1);
    put(2, AGENDA_NEVER);
    assert_false(agenda_has(1) || agenda_has(2));
    assert_true(visit_at(FROM) == AGENDA_NEVER);
    put(3, FROM - 50);
    assert_true(agenda_has(3));
    assert_true(visit_at(FROM) == AGENDA_NEVER);
    assert_false(agenda_has(3));
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
    assert_int_equal(visit_by(heed_on_the_move, FROM), FROM + 200);
    assert_int_equal(visit_by(heed_on_the_move, FROM + 60000), FROM + 60200);
    calls.visited_count = 6;
    assert_int_equal(visit_by(heed_on_the_move, FROM + 60000), FROM + 90000);
}

/* Each call is triggered at its time, neither earlier nor later, if the agenda is visited when it
 * says. */
static void thousands_come_in_their_order(void **state)
{
    uint64_t now = FROM, next;
    uint32_t count = 0;

    (void)state;
    for (uint32_t i = 0; i < RECORDS; i += 3) {
        put(i, FROM + 1 + random_u64() % (AHEAD - 1));
        count++;
    }
    while ((next = visit_at(now)) != AGENDA_NEVER) {
        assert_true(next > now);
        now = next;
    }
    assert_int_equal(calls.triggered_count, count);
    assert_int_equal(calls.late_count, 0);
}

/* A visitor that comes late, by a turn and more, finds everybody that it has missed. */
static void who_was_missed_is_found_by_a_late_visit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CROWD; i++) {
        put(i, FROM + 1 + i * AHEAD / CROWD);
    }
    assert_true(visit_at(FROM + 3 * AHEAD) == AGENDA_NEVER);
    assert_int_equal(calls.triggered_count, CROWD);
    put(0, FROM + 4 * AHEAD);
    assert_int_equal(visit_at(FROM + 3 * AHEAD + 1), FROM + 4 * AHEAD);
}

/* ---- a crowd, for many turns ---- */

/* All that is in flight: each record holds one call after the other, which nobody tells of. */
static struct {
    uint64_t began[CROWD], ends[CROWD]; /* those that are slow end by being triggered */
    uint32_t slow_part, triggered_count, looked_count, late_count;
    uint64_t now;
} crowd;

static void crowd_begin(uint32_t record, uint64_t at)
{
    bool is_slow = crowd.slow_part > 0 && random_u64() % crowd.slow_part == 0;

    crowd.began[record] = at;
    crowd.ends[record] = is_slow ? UINT64_MAX : at + 1 + random_u64() % (AHEAD - 1);
}

/* Calls that ended by now make room for others, each at once. */
static void record_bring_up(uint32_t record)
{
    while (crowd.ends[record] <= crowd.now) {
        crowd_begin(record, crowd.ends[record]);
    }
}

static uint64_t crowd_heed(void *context, uint32_t record)
{
    uint64_t due;

    (void)context;
    crowd.looked_count++;
    record_bring_up(record);
    due = crowd.began[record] + AHEAD;
    if (due > crowd.now) return due;
    crowd.late_count += due != crowd.now;
    crowd.triggered_count++;
    crowd_begin(record, crowd.now);
    return crowd.began[record] + AHEAD;
}

static void crowd_scan(void)
{
    for (uint32_t i = 0; (i = agenda_gap(&agenda, i, CROWD)) < CROWD; i++) {
        agenda_put(&agenda, i, crowd_heed(NULL, i));
    }
}

/* As the sampler does it: it sleeps until the first is due, or until all must be looked at. */
static void crowd_run(uint32_t slow_part)
{
    const struct agenda_visitor visitor = { crowd_heed, expect, NULL };
    uint64_t next_scan = FROM;

    memset(&crowd, 0, sizeof crowd);
    crowd.slow_part = slow_part;
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd_begin(i, FROM - random_u64() % AHEAD);
    }
    for (crowd.now = FROM; crowd.now < FROM + TURNS * AHEAD;) {
        agenda_visit(&agenda, crowd.now, &visitor);
        if (crowd.now == next_scan) {
            crowd_scan();
            next_scan += AHEAD;
        }
        crowd.now = agenda.next_due < next_scan ? agenda.next_due : next_scan;
    }
}

static void no_slow_call_of_a_crowd_is_missed_or_late(void **state)
{
    (void)state;
    crowd_run(10);
    assert_int_equal(crowd.late_count, 0);
    for (uint32_t i = 0; i < CROWD; i++) {
        assert_true(crowd.ends[i] != UINT64_MAX || crowd.began[i] + AHEAD >= crowd.now);
    }
    assert_in_range(crowd.triggered_count, CROWD * TURNS / 10, CROWD * TURNS);
}

/* Where all end in time, each record is looked at about once in the time that a call may take,
 * however many calls it holds in that. */
static void a_crowd_of_fast_calls_costs_a_look_each(void **state)
{
    (void)state;
    crowd_run(0);
    assert_int_equal(crowd.triggered_count, 0);
    assert_in_range(crowd.looked_count, CROWD * TURNS / 2, CROWD * TURNS * 3 / 2);
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
        CASE(who_was_missed_is_found_by_a_late_visit),
        CASE(no_slow_call_of_a_crowd_is_missed_or_late),
        CASE(a_crowd_of_fast_calls_costs_a_look_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
