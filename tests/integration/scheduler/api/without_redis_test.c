/* SPDX-License-Identifier: Apache-2.0 */
/* without_redis_test.c: a scheduler whose Redis is not there lives, is not ready, and says so. */
#include "scheduler/api/openapi.h"
#include "tests/integration/scheduler/api/schema.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include "common/model/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is it as the description has it? */
static void check_schema(const json_t *value, const char *name)
{
    size_t size;
    char *text = openapi_print(&size);
    json_t *document = json_loadb(text, size, 0, NULL);
    char path[64];
    json_t *schema;

    snprintf(path, sizeof path, "#/components/schemas/%s", name);
    schema = json_pack("{s:s}", "$ref", path);
    schema_check(document, schema, value, name);
    json_decref(schema);
    json_decref(document);
    free(text);
}

static void it_is_alive_and_not_ready(void **state)
{
    struct api_answer answer;

    (void)state;
    api_ask(&(struct api_call){ .port = scheduler.port, .path = "/healthz" }, &answer);
    assert_int_equal(answer.status, 200);
    api_answer_done(&answer);
    api_ask(&(struct api_call){ .port = scheduler.port, .path = "/readyz" }, &answer);
    assert_int_equal(answer.status, 503);
    assert_string_equal(json_string_value(json_object_get(answer.json, "status")), "failed");
    check_schema(answer.json, "Health");
    assert_non_null(strstr(scheduler_check("store"), "does not answer"));
    assert_string_equal(scheduler_check("tasks"), "The tasks are not loaded from Redis yet.");
    api_answer_done(&answer);
}

static bool log_says_why(void *context)
{
    (void)context;
    return scheduler_log_has("Redis is not available: ");
}

static void its_log_says_what_it_waits_for(void **state)
{
    (void)state;
    assert_true(wait_until(log_says_why, NULL, 20000));
}

/* Its tokens are not known, so that nobody can be told from anybody: a probe must try again, and
 * not take it for a refusal. */
static void everybody_is_told_to_try_again(void **state)
{
    struct api_answer answer;

    (void)state;
    api_ask(&(struct api_call){ .port = scheduler.port, .path = "/api/v1/tasks" }, &answer);
    assert_int_equal(answer.status, 503);
    assert_string_equal(api_header(&answer, "Retry-After"), "1");
    assert_string_equal(api_header(&answer, "Content-Type"), "application/problem+json");
    assert_string_equal(json_string_value(json_object_get(answer.json, "type")),
                        problem_slug(PROBLEM_BUSY));
    check_schema(answer.json, "Problem");
    api_answer_done(&answer);
}

static void it_stops_as_others_do(void **state)
{
    (void)state;
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_alive_and_not_ready),
        cmocka_unit_test(its_log_says_what_it_waits_for),
        cmocka_unit_test(everybody_is_told_to_try_again),
        cmocka_unit_test(it_stops_as_others_do),
    };

    /* The name of a socket that nobody ever made. */
    scheduler.options[0] = "--redis";
    scheduler.options[1] = "redis+unix:///nowhere/at/all.sock";
    scheduler.ready_path = "/healthz";
    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
