/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes on a real Redis: taken in turn, passed over while they are down, gone when closed. */
#include "scheduler/store/store_lanes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "tests/integration/scheduler/store/conn_room.h"
#include "tests/support/test.h"

enum { WAIT_MS_MAX = 20000 };

/* How many lanes are up: as many as are picked before the first comes again. */
static unsigned count_up(struct store_lanes *lanes)
{
    struct redis_conn *first = store_lanes_pick(lanes);
    unsigned count = first != NULL;

    while (first && store_lanes_pick(lanes) != first) {
        count++;
    }
    return count;
}

static void wait_up(struct line *line, struct store_lanes *lanes, unsigned wanted)
{
    uint64_t deadline_ns = clock_monotonic_ns() + ms_to_ns(WAIT_MS_MAX);

    while (count_up(lanes) != wanted) {
        event_base_loop(line->base, EVLOOP_ONCE);
        if (clock_monotonic_ns() > deadline_ns) fail_msg("%u lanes are up", count_up(lanes));
    }
}

static void a_lane_that_is_lost_is_passed_over_until_it_is_back(void **state)
{
    struct line *line = line_new("");
    struct store_lanes *lanes = store_lanes_new(line->base);
    struct redis_address address = { .db = 0 };
    struct redis_conn *conn;
    struct asked asked = { .rc = 0 };
    char kill[64];
    unsigned id;

    (void)state;
    assert_null(store_lanes_pick(lanes));
    snprintf(address.path, sizeof(address.path), "%s", line->redis.socket);
    store_lanes_open(lanes, &address);
    wait_up(line, lanes, STORE_LANES);

    /* The oldest connection is the first of the list. */
    assert_int_equal(sscanf(redis_process_ask(&line->redis, "CLIENT LIST"), "id=%u", &id), 1);
    snprintf(kill, sizeof(kill), "CLIENT KILL ID %u", id);
    assert_string_equal(redis_process_ask(&line->redis, kill), "1");
    wait_up(line, lanes, STORE_LANES - 1);
    wait_up(line, lanes, STORE_LANES); /* by itself */

    conn = store_lanes_pick(lanes);
    store_lanes_close(lanes);
    assert_null(store_lanes_pick(lanes));
    asked.request.command = redis_command_make("PING");
    asked.request.on_answer = asked_on_answer;
    redis_conn_send(conn, &asked.request);
    wait_for(line, &asked.answered, 1);
    assert_int_equal(asked.rc, -ENOTCONN);

    store_lanes_open(lanes, &address); /* as after the next connection of the store */
    wait_up(line, lanes, STORE_LANES);
    store_lanes_close(lanes);
    assert_false(store_lanes_answer_failed(lanes));
    store_lanes_free(lanes);
    line_free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_that_is_lost_is_passed_over_until_it_is_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
