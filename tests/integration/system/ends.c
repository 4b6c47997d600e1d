/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/system/ends.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/wall_time.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    AHEAD_MS = 4000, /* where the end is moved to: time for a restart, and to be told of it */
    MARGIN_MS = 300, /* what must be left of it then */
    EARLY_MS_MAX = 50,
    WAIT_MS = 30000,
};

static uint64_t now_wall_ms(void)
{
    return ns_to_ms(clock_wall_ns());
}

/* The task's end in Redis, where the scheduler reads it at its start. */
static void move_end(struct house *house, const struct task_id *task, uint64_t ends_ms)
{
    char command[256];

    snprintf(command, sizeof command, "HSET 'stakeout:{shop}:task:%s' ends_ms %" PRIu64, task->text,
             ends_ms);
    house_ask_redis(house, command);
    house_ask_redis(house, "INCR 'stakeout:{shop}:version'");
}

struct awaited {
    struct house *house;
    const struct task_id *task;
    const char *event;
    uint64_t wall_ms;
};

/* When the task log says that the event was; 0: not yet. By the instance's clock, and where that
 * is off, by the scheduler's. */
static uint64_t event_ms(const struct awaited *awaited)
{
    json_t *log = house_get(awaited->house, "/api/v1/tasks/%s/log?limit=1000", awaited->task->text);
    json_t *event;
    uint64_t at_ms = 0;
    size_t i;

    json_array_foreach(json_object_get(log, "events"), i, event)
    {
        const char *at = json_string_value(json_object_get(event, "at"));

        if (strcmp(json_string_value(json_object_get(event, "event")), awaited->event) != 0)
            continue;
        CHECK(at && wall_time_parse(text_of(at), &at_ms) == 0);
    }
    json_decref(log);
    return at_ms;
}

static bool has_event(void *context)
{
    return event_ms(context) != 0;
}

static bool has_polled(void *context)
{
    const struct awaited *awaited = context;
    json_t *list = house_get(awaited->house, "/api/v1/instances?application=shop");
    json_t *instance = json_array_get(json_object_get(list, "instances"), 0);
    const char *at = json_string_value(json_object_get(instance, "last_poll"));
    uint64_t polled_ms = 0;

    if (at) CHECK(wall_time_parse(text_of(at), &polled_ms) == 0);
    json_decref(list);
    return polled_ms > awaited->wall_ms;
}

static bool has_passed(void *context)
{
    return now_wall_ms() > ((const struct awaited *)context)->wall_ms;
}

static void await(bool (*condition)(void *context), struct awaited awaited)
{
    if (!wait_until(condition, &awaited, WAIT_MS)) fail_msg("%s did not come", awaited.event);
}

void ends_await(uint64_t wall_ms)
{
    await(has_passed, (struct awaited){ .event = "time", .wall_ms = wall_ms });
}

/* If the machine is too busy to tell it in time, that task is let go, and another is given more. */
uint64_t ends_order(struct house *house, struct task_id *ret)
{
    for (uint64_t ahead_ms = AHEAD_MS;; ahead_ms *= 2) {
        uint64_t ends_ms, restarted_ms;

        house_order(house, &(struct order){ .interface = "GET /fast" }, ret);
        await(has_event, (struct awaited){ house, ret, "armed", 0 });
        ends_ms = now_wall_ms() + ahead_ms;
        move_end(house, ret, ends_ms);
        restarted_ms = now_wall_ms();
        house_kill(house, HOUSE_SCHEDULER);
        house_recover(house);
        await(has_polled, (struct awaited){ house, NULL, "a poll", restarted_ms });
        if (now_wall_ms() + MARGIN_MS < ends_ms) return ends_ms;
        house_wait_state(house, ret, "EXPIRED", WAIT_MS);
    }
}

int64_t ends_assert_on_time(struct house *house, const struct task_id *task, uint64_t ends_ms)
{
    struct awaited disarmed = { house, task, "disarmed", 0 };
    uint64_t disarmed_ms;
    json_t *json;

    house_wait_state(house, task, "EXPIRED", WAIT_MS);
    json = house_get(house, "/api/v1/tasks/%s", task->text);
    assert_string_equal(json_string_value(json_object_get(json, "ended")),
                        json_string_value(json_object_get(json, "ends")));
    json_decref(json);
    await(has_event, disarmed);
    disarmed_ms = event_ms(&disarmed);
    assert_in_range(disarmed_ms, ends_ms - EARLY_MS_MAX, ends_ms + ENDS_LATE_MS_MAX);
    return (int64_t)(disarmed_ms - ends_ms);
}
