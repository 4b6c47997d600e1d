/* SPDX-License-Identifier: Apache-2.0 */
/* refusals_test.c: what is refused gets a problem object that says why, and changes nothing. */
#include "common/model/limits.h"
#include "tests/integration/scheduler/api/schema.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static const struct refusal {
    const char *says, *method, *path, *type, *body;
    enum problem_code code;
    const char *field, *sentence;
} refusals[] = {
    { "broken JSON", "POST", "/api/v1/tasks", NULL, "{\"application\":", PROBLEM_BAD_BODY, "",
      "The body is not JSON" },
    { "no body", "POST", "/api/v1/tasks", NULL, "", PROBLEM_BAD_BODY, "", "The body is not JSON" },
    { "an unknown field", "POST", "/api/v1/tasks", NULL, "{\"colour\":1}", PROBLEM_BAD_FIELD,
      "colour", "'colour' is not a field of a task." },
    { "invalid UTF-8", "POST", "/api/v1/tasks", NULL, "{\"application\":\"\xff\"}",
      PROBLEM_BAD_BODY, "", "The body is not JSON" },
    { "a date of 1970", "POST", "/api/v1/tasks", NULL,
      "{\"application\":\"a\",\"interface\":\"i\",\"duration_min\":5,\"threshold_ms\":50,\"start\":"
      "\"1970-01-01T00:00:00Z\"}",
      PROBLEM_BAD_FIELD, "start", "'start' is \"1970-01-01T00:00:00Z\"" },
    { "lookback", "POST", "/api/v1/tasks", NULL,
      "{\"application\":\"a\",\"interface\":\"i\",\"duration_min\":5,\"threshold_ms\":50,"
      "\"lookback\":\"on\"}",
      PROBLEM_BAD_FIELD, "lookback", "it must be true or false" },
    { "a form", "POST", "/api/v1/tasks", "application/x-www-form-urlencoded", "application=a",
      PROBLEM_BAD_TYPE, "", "must be application/json" },
    { "no content type", "POST", "/api/v1/tasks", "", "{}", PROBLEM_BAD_TYPE, "",
      "must be application/json" },
    { "a path as an id", "GET", "/api/v1/tasks/..%2f..%2fetc%2fpasswd", NULL, NULL,
      PROBLEM_NO_SUCH_TASK, "", "No task has such an id" },
    { "a key as an id", "GET", "/api/v1/tasks/%7Bshop%7D:tasks", NULL, NULL, PROBLEM_NO_SUCH_TASK,
      "", "No task has such an id" },
    { "an id of nobody", "GET", "/api/v1/tasks/0123456789abcdef0123", NULL, NULL,
      PROBLEM_NO_SUCH_TASK, "", "" },
    { "cancelling nobody's", "POST", "/api/v1/tasks/0123456789abcdef0123/cancel", NULL, NULL,
      PROBLEM_NO_SUCH_TASK, "", "" },
    { "a sample of nobody", "GET", "/api/v1/samples/0123456789abcdef0123456789abcdef", NULL, NULL,
      PROBLEM_NO_SUCH_SAMPLE, "", "" },
    { "its analysis", "GET", "/api/v1/samples/0123456789abcdef0123456789abcdef/analysis", NULL,
      NULL, PROBLEM_NO_SUCH_SAMPLE, "", "" },
    { "a trace of nobody", "GET", "/api/v1/traces/0123456789abcdef0123456789abcdef", NULL, NULL,
      PROBLEM_NO_SUCH_TRACE, "", "" },
    { "the trace of zeros", "GET", "/api/v1/traces/00000000000000000000000000000000", NULL, NULL,
      PROBLEM_NO_SUCH_TRACE, "", "not all zero" },
    { "an unknown parameter", "GET", "/api/v1/tasks?colour=red", NULL, NULL, PROBLEM_BAD_FIELD,
      "colour", "'colour' is not a parameter here; it must be one of: application" },
    { "a parameter where none is", "GET", "/api/v1/applications?limit=1", NULL, NULL,
      PROBLEM_BAD_FIELD, "limit", "'limit' is not a parameter here; there are none." },
    { "a parameter twice", "GET", "/api/v1/tasks?limit=1&limit=2", NULL, NULL, PROBLEM_BAD_FIELD,
      "limit", "'limit' is given twice." },
    { "limit 0", "GET", "/api/v1/tasks?limit=0", NULL, NULL, PROBLEM_BAD_FIELD, "limit",
      "'limit' is '0'; it must be 1 to 1000." },
    { "limit 1001", "GET", "/api/v1/tasks?limit=1001", NULL, NULL, PROBLEM_BAD_FIELD, "limit",
      "'limit' is '1001'; it must be 1 to 1000." },
    { "a strange state", "GET", "/api/v1/tasks?state=active", NULL, NULL, PROBLEM_BAD_FIELD,
      "state", "it must be SCHEDULED, ACTIVE, EXPIRED, FILLED or CANCELLED." },
    { "a strange time", "GET", "/api/v1/tasks?from=yesterday", NULL, NULL, PROBLEM_BAD_FIELD,
      "from", "'from' is 'yesterday'; it must be a time" },
    { "a strange cursor", "GET", "/api/v1/tasks?cursor=../x", NULL, NULL, PROBLEM_BAD_FIELD,
      "cursor", "'cursor' is '../x'; it must be the \"next\" of the page before, unchanged." },
    { "a strange format", "GET", "/api/v1/tasks/0123456789abcdef0123/analysis?format=pdf", NULL,
      NULL, PROBLEM_BAD_FIELD, "format",
      "'format' is 'pdf'; it must be json, folded, speedscope, pprof or svg." },
    { "a comparison with nothing", "GET", "/api/v1/diff?base=task:0123456789abcdef0123", NULL, NULL,
      PROBLEM_BAD_FIELD, "other", "'other' is missing; it must be sample:ID or task:ID." },
    { "a comparison with a word", "GET",
      "/api/v1/diff?base=task:0123456789abcdef0123&other=trace:0123", NULL, NULL, PROBLEM_BAD_FIELD,
      "other", "'other' is 'trace:0123'; it must be sample:ID or task:ID." },
    { "an id of zeros", "GET", "/api/v1/tasks/00000000000000000000", NULL, NULL,
      PROBLEM_NO_SUCH_TASK, "",
      "No task has such an id; one is 20 lower-case hex digits, not all zero." },
    { "a sample of zeros", "GET", "/api/v1/samples/00000000000000000000000000000000", NULL, NULL,
      PROBLEM_NO_SUCH_SAMPLE, "",
      "No sample has such an id; one is 32 lower-case hex digits, not all zero." },
    { "an analysis of zeros", "GET", "/api/v1/tasks/00000000000000000000/analysis", NULL, NULL,
      PROBLEM_NO_SUCH_TASK, "", "20 lower-case hex digits, not all zero." },
    { "an empty author", "GET", "/api/v1/tasks?author=", NULL, NULL, PROBLEM_BAD_FIELD, "author",
      "'author' is empty; leave it out, or say what." },
    { "an empty cursor", "GET", "/api/v1/tasks?cursor=", NULL, NULL, PROBLEM_BAD_FIELD, "cursor",
      "'cursor' is empty;" },
    { "an empty cursor of a log", "GET", "/api/v1/tasks/0123456789abcdef0123/log?cursor=", NULL,
      NULL, PROBLEM_BAD_FIELD, "cursor", "'cursor' is empty;" },
    { "an empty state", "GET", "/api/v1/tasks?state=", NULL, NULL, PROBLEM_BAD_FIELD, "state",
      "'state' is empty;" },
    { "an empty time", "GET", "/api/v1/tasks?to=", NULL, NULL, PROBLEM_BAD_FIELD, "to",
      "'to' is empty;" },
    { "from after to", "GET", "/api/v1/tasks?from=2026-11-22T00:00:01Z&to=1795305600999", NULL,
      NULL, PROBLEM_BAD_FIELD, "from",
      "'from' is '2026-11-22T00:00:01Z', which is after 'to', '1795305600999'." },
    { "from after the beginning of all time", "GET", "/api/v1/tasks?from=1&to=0", NULL, NULL,
      PROBLEM_BAD_FIELD, "from", "'from' is '1', which is after 'to', '0'." },
    { "a field where none is", "POST", "/api/v1/tasks/0123456789abcdef0123/cancel", NULL,
      "{\"reason\":1}", PROBLEM_BAD_FIELD, "reason",
      "'reason' is not a field here; there are none." },
    { "a list where nothing is", "POST", "/api/v1/tasks/0123456789abcdef0123/extend", NULL, "[]",
      PROBLEM_BAD_BODY, "", "The body must be empty, or an empty JSON object." },
    { "a form where nothing is", "POST", "/api/v1/tasks/0123456789abcdef0123/extend",
      "application/x-www-form-urlencoded", "{}", PROBLEM_BAD_TYPE, "", "must be application/json" },
    { "cancelling nobody's with {}", "POST", "/api/v1/tasks/0123456789abcdef0123/cancel", NULL,
      "{}", PROBLEM_NO_SUCH_TASK, "", "No task has the id" },
    { "an instance that is a number", "POST", "/api/v1/tasks", NULL,
      "{\"application\":\"a\",\"interface\":\"i\",\"duration_min\":5,\"threshold_ms\":50,"
      "\"instances\":[\"a\",5]}",
      PROBLEM_BAD_FIELD, "instances",
      "One of 'instances' is 5; it must be 1 to 255 bytes of printable UTF-8." },
    { "nothing here", "GET", "/api/v1/nothing", NULL, NULL, PROBLEM_NO_SUCH_PAGE, "", "" },
    { "a method that is not", "POST", "/api/v1/applications", NULL, NULL, PROBLEM_BAD_METHOD, "",
      "" },
};

static void refusals_are_problem_objects_that_say_why(void **state)
{
    json_t *document = scheduler_get("/api/v1/openapi.json");
    json_t *schema_of_problems = json_pack("{s:s}", "$ref", "#/components/schemas/Problem");

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        const struct refusal *refusal = &refusals[i];
        json_t *problem = scheduler_ask(&(struct api_call){ .port = scheduler.port,
                                                            .method = refusal->method,
                                                            .path = refusal->path,
                                                            .content_type = refusal->type,
                                                            .body = text_of(refusal->body) },
                                        problem_status(refusal->code));

        check_problem(problem, refusal->code, refusal->says);
        schema_check(document, schema_of_problems, problem, refusal->says);
        if (*refusal->field && strcmp(text_at(problem, "field"), refusal->field) != 0)
            fail_msg("%s: blamed '%s'", refusal->says, text_at(problem, "field"));
        if (!strstr(text_at(problem, "detail"), refusal->sentence))
            fail_msg("%s: said: %s", refusal->says, text_at(problem, "detail"));
        json_decref(problem);
    }
    json_decref(schema_of_problems);
    json_decref(document);
}

/* Answers end as they end, with a line feed or without, and all alike. */
static void a_problem_ends_as_other_answers_do(void **state)
{
    static const char *const paths[] = { "/api/v1/tasks", "/api/v1/nothing" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct api_answer answer;

        api_ask(&(struct api_call){ .port = scheduler.port, .path = paths[i] }, &answer);
        assert_int_equal(answer.body.data[answer.body.size - 1], '}');
        api_answer_done(&answer);
    }
}

static void a_body_past_its_limit_is_too_large(void **state)
{
    char *body = mem_alloc(JSON_SIZE_MAX + 2);
    json_t *problem;

    (void)state;
    memset(body, ' ', JSON_SIZE_MAX + 1);
    body[JSON_SIZE_MAX + 1] = '\0';
    problem = scheduler_post("/api/v1/tasks", body, 413);
    check_problem(problem, PROBLEM_TOO_LARGE, "one byte past the limit");
    json_decref(problem);
    body[JSON_SIZE_MAX] = '\0';
    problem = scheduler_post("/api/v1/tasks", body, 400);
    check_problem(problem, PROBLEM_BAD_BODY, "at the limit");
    json_decref(problem);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_problem_objects_that_say_why),
        cmocka_unit_test(a_problem_ends_as_other_answers_do),
        cmocka_unit_test(a_body_past_its_limit_is_too_large),
    };

    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
