/* SPDX-License-Identifier: Apache-2.0 */
/* tasks_test.c: the life of a task as the API tells it, and the lists that tasks are in. */
#include "common/base/clock.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_task_is_cancelled_once_and_extended_to_the_longest(void **state)
{
    char id[TASK_ID_SIZE + 1], path[128];
    json_t *answer;

    (void)state;
    scheduler_create_task("life", "", id);
    snprintf(path, sizeof path, "/api/v1/tasks/%s/extend", id);
    for (int minutes = 10; minutes <= 15; minutes += 5) {
        answer = scheduler_post(path, NULL, 200);
        assert_int_equal(number_at(answer, "duration_min"), minutes);
        assert_true(json_is_null(json_object_get(answer, "start"))); /* it was to begin at once */
        json_decref(answer);
    }
    answer = scheduler_post(path, NULL, 409);
    check_problem(answer, PROBLEM_LONGEST, "extended past the longest");
    json_decref(answer);
    snprintf(path, sizeof path, "/api/v1/tasks/%s/cancel", id);
    answer = scheduler_post(path, NULL, 200);
    assert_string_equal(text_at(answer, "state"), "CANCELLED");
    assert_true(json_is_string(json_object_get(answer, "ended")));
    json_decref(answer);
    answer = scheduler_post(path, NULL, 409);
    check_problem(answer, PROBLEM_TASK_OVER, "cancelled twice");
    json_decref(answer);
}

static void an_overlapping_task_is_refused_and_names_the_one_in_the_way(void **state)
{
    char id[TASK_ID_SIZE + 1];
    json_t *problem;

    (void)state;
    scheduler_create_task("overlap", "", id);
    problem =
        scheduler_post("/api/v1/tasks",
                       "{\"application\":\"overlap\",\"interface\":\"POST *\",\"duration_min\":5,"
                       "\"threshold_ms\":100}",
                       409);
    check_problem(problem, PROBLEM_OVERLAP, "a prefix over it");
    if (!strstr(text_at(problem, "detail"), id))
        fail_msg("the task in the way is not named: %s", text_at(problem, "detail"));
    json_decref(problem);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(left, right);
}

static void pages_hold_every_task_once_newest_first(void **state)
{
    enum { TASKS = 7 };
    char ids[TASKS][TASK_ID_SIZE + 1], path[512] = "/api/v1/tasks?application=pages&limit=3";
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < TASKS; i++) {
        char body[256];
        json_t *task;

        snprintf(body, sizeof body,
                 "{\"application\":\"pages\",\"interface\":\"GET /%zu\",\"duration_min\":5,"
                 "\"threshold_ms\":100}",
                 i);
        task = scheduler_post("/api/v1/tasks", body, 201);
        snprintf(ids[i], sizeof ids[i], "%s", text_at(task, "id"));
        json_decref(task);
    }
    qsort(ids, TASKS, sizeof ids[0], by_text); /* two of one ms are in no other order */
    for (bool is_last = false; !is_last;) {
        json_t *page = scheduler_get(path), *task;
        size_t index;

        json_array_foreach(json_object_get(page, "tasks"), index, task)
        {
            assert_true(seen < TASKS);
            assert_string_equal(text_at(task, "id"), ids[TASKS - 1 - seen++]);
        }
        is_last = json_is_null(json_object_get(page, "next"));
        snprintf(path, sizeof path, "/api/v1/tasks?application=pages&limit=3&cursor=%s",
                 text_at(page, "next"));
        json_decref(page);
    }
    assert_int_equal(seen, TASKS);
}

static void lists_are_filtered_by_state_interface_and_time(void **state)
{
    static const struct {
        const char *query;
        size_t count;
    } lists[] = {
        { "", 1 },
        { "&state=SCHEDULED", 1 },
        { "&state=ACTIVE", 0 },
        { "&interface=POST%20/checkout", 1 },
        { "&interface=POST+/other", 0 },
        { "&author=local", 1 },
        { "&author=nobody", 0 },
        { "&from=2026-01-01T00:00:00Z", 1 },
        { "&to=2001-01-01T00:00:00Z", 0 },
        { "&from=946684800000&to=2100-01-01T00:00:00Z", 1 },
    };
    char id[TASK_ID_SIZE + 1], more[64], path[256];
    uint64_t start_ms = clock_wall_ns() / NS_PER_MS + 3600000;
    json_t *page;

    (void)state;
    snprintf(more, sizeof more, ",\"start\":%llu", (unsigned long long)start_ms);
    scheduler_create_task("filters", more, id);
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        snprintf(path, sizeof path, "/api/v1/tasks?application=filters%s", lists[i].query);
        page = scheduler_get(path);
        if (json_array_size(json_object_get(page, "tasks")) != lists[i].count)
            fail_msg("%s: %zu tasks", path, json_array_size(json_object_get(page, "tasks")));
        json_decref(page);
    }
    snprintf(path, sizeof path, "/api/v1/tasks/%s", id);
    page = scheduler_get(path);
    assert_true(json_is_string(json_object_get(page, "start"))); /* as ordered */
    json_decref(page);
}

/* ------------------------------------------------------------------ thresholds */

static void a_threshold_may_be_what_the_interface_took(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "percentile", "host-1:1");
    struct fake_calls calls[] = {
        { .interface = "POST /checkout", .count = 0 },
        { .interface = "GET /fast", .count = 0 },
    };
    json_t *answer;

    (void)state;
    fake_probe_pulse(&probe, calls, 2);
    calls[0] = (struct fake_calls){ .interface = "POST /checkout",
                                    .count = 100,
                                    .each_ns = 184 * NS_PER_MS };
    calls[1] =
        (struct fake_calls){ .interface = "GET /fast", .count = 100, .each_ns = 2 * NS_PER_MS };
    fake_probe_pulse(&probe, calls, 2);
    answer = scheduler_post("/api/v1/tasks",
                            "{\"application\":\"percentile\",\"interface\":\"POST /checkout\","
                            "\"duration_min\":5,\"threshold_ms\":\"p99\"}",
                            201);
    assert_string_equal(text_at(answer, "threshold_from"), "p99");
    assert_in_range(number_at(answer, "threshold_ms"), 150, 184); /* a bucket is 25 % wide */
    assert_int_equal(json_array_size(json_object_get(answer, "warnings")), 0);
    json_decref(answer);
    answer = scheduler_post(
        "/api/v1/tasks",
        "{\"application\":\"percentile\",\"interface\":\"GET /fast\",\"duration_min\":5,"
        "\"threshold_ms\":\"p50\"}",
        400);
    check_problem(answer, PROBLEM_BAD_FIELD, "p50 below the smallest threshold");
    assert_non_null(strstr(text_at(answer, "detail"), "'threshold_ms' is p50, which was 1."));
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_cancelled_once_and_extended_to_the_longest),
        cmocka_unit_test(an_overlapping_task_is_refused_and_names_the_one_in_the_way),
        cmocka_unit_test(pages_hold_every_task_once_newest_first),
        cmocka_unit_test(lists_are_filtered_by_state_interface_and_time),
        cmocka_unit_test(a_threshold_may_be_what_the_interface_took),
    };

    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
