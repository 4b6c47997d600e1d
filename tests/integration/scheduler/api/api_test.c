/* SPDX-License-Identifier: Apache-2.0 */
/* api_test.c: a real stakeoutd with its Redis, asked everything that routes.def lists.
 *
 * One scheduler serves all tests of this program, in their order; each makes what it needs under
 * an application of its own. */
#include "tests/integration/scheduler/api/schema.h"
#include "tests/support/api_client.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_process.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/model/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct scheduler_process scheduler;

/* ------------------------------------------------------------------ asking */

static json_t *ask_for(const struct api_call *call, int status)
{
    struct api_answer answer;
    json_t *json;

    api_ask(call, &answer);
    if (answer.status != status)
        fail_msg("%s: %d, wanted %d: %s", call->path, answer.status, status,
                 answer.body.data ? answer.body.data : "");
    if (status >= 400)
        assert_string_equal(api_header(&answer, "Content-Type"), "application/problem+json");
    json = json_incref(answer.json);
    api_answer_done(&answer);
    return json;
}

static json_t *get(const char *path)
{
    return ask_for(&(struct api_call){ .port = scheduler.port, .path = path }, 200);
}

static json_t *post(const char *path, const char *body, int status)
{
    return ask_for(
        &(struct api_call){
            .port = scheduler.port, .method = "POST", .path = path, .body = text_of(body) },
        status);
}

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "(no text)";
}

static int64_t number_at(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* A task for `application`, checked to be made; its id is in `ret`. */
static void make_task(const char *application, const char *more, char ret[TASK_ID_SIZE + 1])
{
    char body[512];
    json_t *task;

    snprintf(body, sizeof body,
             "{\"application\":\"%s\",\"interface\":\"POST /checkout\",\"duration_min\":5,"
             "\"threshold_ms\":100%s}",
             application, more);
    task = post("/api/v1/tasks", body, 201);
    snprintf(ret, TASK_ID_SIZE + 1, "%s", text_at(task, "id"));
    json_decref(task);
}

static void path_to(char *ret, size_t size, const char *noun, const char *id, const char *rest)
{
    snprintf(ret, size, "/api/v1/%s/%s%s", noun, id, rest);
}

static json_t *get_task(const char *id, const char *rest)
{
    char path[160];

    path_to(path, sizeof path, "tasks", id, rest);
    return get(path);
}

/* ------------------------------------------------------------------ the description holds */

/* One application with everything: a probe, statistics, a task with two samples, a trace. */
struct scene {
    struct fake_probe probe;
    char task[TASK_ID_SIZE + 1];
    struct sample_id samples[2];
    struct trace_id trace;
};

static void scene_make(struct scene *scene, const char *application)
{
    struct fake_calls calls = { .interface = "POST /checkout",
                                .count = 1000,
                                .each_ns = 180 * NS_PER_MS,
                                .seen = 50,
                                .triggered = 2,
                                .sampled = 2 };

    scene->probe = FAKE_PROBE(scheduler.port, application, "host-1:17");
    scene->trace = trace_id_make();
    make_task(application, "", scene->task);
    assert_int_equal(fake_probe_poll(&scene->probe), 1);
    for (int i = 0; i < 2; i++) {
        scene->samples[i] = sample_id_make();
        assert_int_equal(
            fake_probe_report(&scene->probe, &(struct fake_sample){ .task = scene->task,
                                                                    .id = &scene->samples[i],
                                                                    .trace = &scene->trace }),
            REPORT_ACCEPTED);
    }
    calls.task = scene->task;
    fake_probe_pulse(&scene->probe, &calls, 1);
}

/* A path of the description with the scene's ids in it. */
static void fill_path(const char *pattern, const struct scene *scene, char *ret, size_t size)
{
    const char *open = strchr(pattern, '{'), *id = scene->task;

    if (!open) {
        snprintf(ret, size, "%s", pattern);
        return;
    }
    if (strstr(pattern, "/samples/{")) id = scene->samples[0].text;
    if (strstr(pattern, "{trace_id}")) id = scene->trace.text;
    snprintf(ret, size, "%.*s%s%s", (int)(open - pattern), pattern, id, strchr(pattern, '}') + 1);
}

static const json_t *answer_of(const json_t *operation, int *ret_status)
{
    const char *name;
    json_t *response;

    json_object_foreach(json_object_get(operation, "responses"), name, response)
    {
        if (strcmp(name, "default") == 0) continue;
        *ret_status = (int)strtol(name, NULL, 10);
        return json_object_get(response, "content");
    }
    fail_msg("an operation without an answer");
    return NULL;
}

static void try_operation(const json_t *document, const char *pattern, const char *method,
                          const json_t *operation, const struct scene *scene)
{
    struct api_call call = { .port = scheduler.port,
                             .method = strcmp(method, "post") == 0 ? "POST" : "GET" };
    const json_t *content, *json_content;
    char path[256];
    int status = 0;
    json_t *answer;

    fill_path(pattern, scene, path, sizeof path);
    if (strcmp(pattern, "/api/v1/diff") == 0)
        snprintf(path, sizeof path, "/api/v1/diff?base=sample:%s&other=task:%s",
                 scene->samples[0].text, scene->task);
    if (json_object_get(operation, "requestBody"))
        call.body = TEXT("{\"application\":\"openapi-new\",\"interface\":\"x\",\"duration_min\":5,"
                         "\"threshold_ms\":50}");
    call.path = path;
    content = answer_of(operation, &status);
    if (json_object_get(content, "text/event-stream")) return; /* a test of its own */
    answer = ask_for(&call, status);
    json_content = json_object_get(content, "application/json");
    if (json_content) {
        assert_non_null(answer);
        schema_check(document, json_object_get(json_content, "schema"), answer, path);
    }
    json_decref(answer);
}

static void every_route_answers_as_the_description_says(void **state)
{
    json_t *document = get("/api/v1/openapi.json"), *path, *operation;
    const char *pattern, *method;
    struct scene scene;
    size_t count = 0;

    (void)state;
    scene_make(&scene, "openapi");
    json_object_foreach(json_object_get(document, "paths"), pattern, path)
    {
        json_object_foreach(path, method, operation)
        {
            /* A cancelled task can be read, and not be changed again. */
            if (strstr(pattern, "/cancel")) continue;
            try_operation(document, pattern, method, operation, &scene);
            count++;
        }
    }
    path = json_object_get(json_object_get(document, "paths"), "/api/v1/tasks/{id}/cancel");
    try_operation(document, "/api/v1/tasks/{id}/cancel", "post", json_object_get(path, "post"),
                  &scene);
    assert_true(count > 20);
    json_decref(document);
}

static void exports_are_files_for_their_viewers(void **state)
{
    static const struct {
        const char *format, *type, *suffix;
    } formats[] = {
        { "folded", "text/plain; charset=utf-8", "folded" },
        { "speedscope", "application/json", "speedscope.json" },
        { "pprof", "application/octet-stream", "pb.gz" },
        { "svg", "image/svg+xml", "svg" },
    };
    struct scene scene;

    (void)state;
    scene_make(&scene, "exports");
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        struct api_answer answer;
        char path[160], wanted[160];

        snprintf(path, sizeof path, "/api/v1/tasks/%s/analysis?format=%s", scene.task,
                 formats[i].format);
        snprintf(wanted, sizeof wanted, "attachment; filename=\"stakeout-task-%s.%s\"", scene.task,
                 formats[i].suffix);
        api_ask(&(struct api_call){ .port = scheduler.port, .path = path }, &answer);
        assert_int_equal(answer.status, 200);
        assert_string_equal(api_header(&answer, "Content-Type"), formats[i].type);
        assert_string_equal(api_header(&answer, "Content-Disposition"), wanted);
        assert_true(answer.body.size > 20);
        api_answer_done(&answer);
    }
}

/* Two samples of 2500 snapshots are analysed by a child; two of two are not. The sums are the same,
 * and the one that is compared with itself differs by nothing. */
static void a_large_analysis_says_what_a_small_one_says(void **state)
{
    static const uint32_t counts[] = { 2, 2500 };
    char path[256];
    json_t *analysis, *tree;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        struct fake_probe probe = FAKE_PROBE(scheduler.port, i ? "large" : "small", "host-1:1");
        struct fake_sample sample = { .snapshot_count = counts[i] };
        char id[TASK_ID_SIZE + 1];

        make_task(probe.application, "", id);
        sample.task = id;
        fake_probe_poll(&probe);
        assert_int_equal(fake_probe_report(&probe, &sample), REPORT_ACCEPTED);
        assert_int_equal(fake_probe_report(&probe, &sample), REPORT_ACCEPTED);
        analysis = get_task(id, "/analysis");
        tree = json_object_get(analysis, "tree");
        assert_int_equal(number_at(analysis, "snapshots"), 2 * counts[i]);
        assert_true(json_number_value(json_object_get(tree, "total_ms")) == 200);
        assert_true(json_number_value(json_object_get(tree, "cpu_ms")) == 100);
        assert_true(json_number_value(json_object_get(tree, "wait_ms")) == 100);
        json_decref(analysis);
        snprintf(path, sizeof path, "/api/v1/diff?base=task:%s&other=task:%s", id, id);
        analysis = get(path);
        tree = json_object_get(analysis, "tree");
        assert_true(
            json_equal(json_object_get(tree, "base_ms"), json_object_get(tree, "other_ms")));
        json_decref(analysis);
    }
}

/* ------------------------------------------------------------------ what is refused */

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
      "\"lookback\":true}",
      PROBLEM_NOT_YET, "lookback", "not available in this version" },
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
      PROBLEM_BAD_FIELD, "limit", "'limit' is not a parameter here" },
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
      "cursor", "" },
    { "a strange format", "GET", "/api/v1/tasks/0123456789abcdef0123/analysis?format=pdf", NULL,
      NULL, PROBLEM_BAD_FIELD, "format", "json, folded, speedscope, pprof or svg" },
    { "a comparison with nothing", "GET", "/api/v1/diff?base=task:0123456789abcdef0123", NULL, NULL,
      PROBLEM_BAD_FIELD, "other", "'other' must be sample:ID or task:ID." },
    { "nothing here", "GET", "/api/v1/nothing", NULL, NULL, PROBLEM_NO_SUCH_PAGE, "", "" },
    { "a method that is not", "POST", "/api/v1/applications", NULL, NULL, PROBLEM_BAD_METHOD, "",
      "" },
};

static void check_problem(const json_t *problem, enum problem_code code, const char *says)
{
    if (strcmp(text_at(problem, "type"), problem_slug(code)) != 0)
        fail_msg("%s: %s, wanted %s: %s", says, text_at(problem, "type"), problem_slug(code),
                 text_at(problem, "detail"));
    assert_string_equal(text_at(problem, "title"), problem_title(code));
    assert_int_equal(number_at(problem, "status"), problem_status(code));
    assert_true(json_string_length(json_object_get(problem, "detail")) > 0);
}

static void refusals_are_problem_objects_that_say_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        const struct refusal *refusal = &refusals[i];
        json_t *problem = ask_for(&(struct api_call){ .port = scheduler.port,
                                                      .method = refusal->method,
                                                      .path = refusal->path,
                                                      .content_type = refusal->type,
                                                      .body = text_of(refusal->body) },
                                  problem_status(refusal->code));

        check_problem(problem, refusal->code, refusal->says);
        if (*refusal->field && strcmp(text_at(problem, "field"), refusal->field) != 0)
            fail_msg("%s: blamed '%s'", refusal->says, text_at(problem, "field"));
        if (!strstr(text_at(problem, "detail"), refusal->sentence))
            fail_msg("%s: said: %s", refusal->says, text_at(problem, "detail"));
        json_decref(problem);
    }
}

static void a_body_past_its_limit_is_too_large(void **state)
{
    char *body = mem_alloc(JSON_SIZE_MAX + 2);
    json_t *problem;

    (void)state;
    memset(body, ' ', JSON_SIZE_MAX + 1);
    body[JSON_SIZE_MAX + 1] = '\0';
    problem = post("/api/v1/tasks", body, 413);
    check_problem(problem, PROBLEM_TOO_LARGE, "one byte past the limit");
    json_decref(problem);
    body[JSON_SIZE_MAX] = '\0';
    problem = post("/api/v1/tasks", body, 400);
    check_problem(problem, PROBLEM_BAD_BODY, "at the limit");
    json_decref(problem);
    free(body);
}

/* ------------------------------------------------------------------ the life of a task */

static void a_task_is_cancelled_once_and_extended_to_the_longest(void **state)
{
    char id[TASK_ID_SIZE + 1], path[128];
    json_t *answer;

    (void)state;
    make_task("life", "", id);
    path_to(path, sizeof path, "tasks", id, "/extend");
    for (int minutes = 10; minutes <= 15; minutes += 5) {
        answer = post(path, NULL, 200);
        assert_int_equal(number_at(answer, "duration_min"), minutes);
        assert_true(json_is_null(json_object_get(answer, "start"))); /* it was to begin at once */
        json_decref(answer);
    }
    answer = post(path, NULL, 409);
    check_problem(answer, PROBLEM_LONGEST, "extended past the longest");
    json_decref(answer);
    path_to(path, sizeof path, "tasks", id, "/cancel");
    answer = post(path, NULL, 200);
    assert_string_equal(text_at(answer, "state"), "CANCELLED");
    assert_true(json_is_string(json_object_get(answer, "ended")));
    json_decref(answer);
    answer = post(path, NULL, 409);
    check_problem(answer, PROBLEM_TASK_OVER, "cancelled twice");
    json_decref(answer);
}

static void an_overlapping_task_is_refused_and_names_the_one_in_the_way(void **state)
{
    char id[TASK_ID_SIZE + 1];
    json_t *problem;

    (void)state;
    make_task("overlap", "", id);
    problem = post("/api/v1/tasks",
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
        task = post("/api/v1/tasks", body, 201);
        snprintf(ids[i], sizeof ids[i], "%s", text_at(task, "id"));
        json_decref(task);
    }
    qsort(ids, TASKS, sizeof ids[0], by_text); /* two of one ms are in no other order */
    for (bool is_last = false; !is_last;) {
        json_t *page = get(path), *task;
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
    make_task("filters", more, id);
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        snprintf(path, sizeof path, "/api/v1/tasks?application=filters%s", lists[i].query);
        page = get(path);
        if (json_array_size(json_object_get(page, "tasks")) != lists[i].count)
            fail_msg("%s: %zu tasks", path, json_array_size(json_object_get(page, "tasks")));
        json_decref(page);
    }
    snprintf(path, sizeof path, "/api/v1/tasks/%s", id);
    page = get(path);
    assert_true(json_is_string(json_object_get(page, "start"))); /* as ordered */
    json_decref(page);
}

/* ------------------------------------------------------------------ thresholds and verdicts */

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
    calls[0] = (struct fake_calls){ "POST /checkout", 100, 184 * NS_PER_MS, NULL, 0, 0, 0 };
    calls[1] = (struct fake_calls){ "GET /fast", 100, 2 * NS_PER_MS, NULL, 0, 0, 0 };
    fake_probe_pulse(&probe, calls, 2);
    answer = post("/api/v1/tasks",
                  "{\"application\":\"percentile\",\"interface\":\"POST /checkout\","
                  "\"duration_min\":5,\"threshold_ms\":\"p99\"}",
                  201);
    assert_string_equal(text_at(answer, "threshold_from"), "p99");
    assert_in_range(number_at(answer, "threshold_ms"), 150, 184); /* a bucket is 25 % wide */
    assert_int_equal(json_array_size(json_object_get(answer, "warnings")), 0);
    json_decref(answer);
    answer = post("/api/v1/tasks",
                  "{\"application\":\"percentile\",\"interface\":\"GET /fast\",\"duration_min\":5,"
                  "\"threshold_ms\":\"p50\"}",
                  400);
    check_problem(answer, PROBLEM_BAD_FIELD, "p50 below the smallest threshold");
    assert_non_null(strstr(text_at(answer, "detail"), "'threshold_ms' is p50, which was 2 ms"));
    json_decref(answer);
}

static void a_prefix_of_a_known_interface_is_not_warned_of(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "prefix", "host-1:1");
    struct fake_calls calls = { "GET /item/{sku}", 100, 184 * NS_PER_MS, NULL, 0, 0, 0 };
    static const struct {
        const char *interface;
        size_t warnings;
    } cases[] = { { "GET /it*", 0 }, { "PUT /it*", 1 } };

    (void)state;
    fake_probe_pulse(&probe, &calls, 1);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char body[256];
        json_t *task;

        snprintf(body, sizeof body,
                 "{\"application\":\"prefix\",\"interface\":\"%s\",\"duration_min\":5,"
                 "\"threshold_ms\":100}",
                 cases[i].interface);
        task = post("/api/v1/tasks", body, 201);
        assert_int_equal(json_array_size(json_object_get(task, "warnings")), cases[i].warnings);
        json_decref(task);
    }
}

static size_t interface_count(const char *path)
{
    json_t *list = get(path);
    size_t count = json_array_size(json_object_get(list, "interfaces"));

    json_decref(list);
    return count;
}

/* More than a thousand are written by a child; what one application has, and what all have. */
static void a_long_list_of_interfaces_is_whole(void **state)
{
    enum { PULSES = 70, PER_PULSE = 16, NAME_SIZE = 32 };
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "many", "host-1:1");
    static char names[PER_PULSE][NAME_SIZE];
    size_t others = interface_count("/api/v1/interfaces");

    (void)state;
    assert_true(others > 0);
    for (int pulse = 0; pulse < PULSES; pulse++) {
        struct fake_calls calls[PER_PULSE];

        for (int i = 0; i < PER_PULSE; i++) {
            snprintf(names[i], NAME_SIZE, "GET /%d/%d", pulse, i);
            calls[i] = (struct fake_calls){ names[i], 5, NS_PER_MS, NULL, 0, 0, 0 };
        }
        fake_probe_pulse(&probe, calls, PER_PULSE);
    }
    assert_int_equal(interface_count("/api/v1/interfaces?application=many"), PULSES * PER_PULSE);
    assert_int_equal(interface_count("/api/v1/interfaces"), PULSES * PER_PULSE + others);
    assert_int_equal(interface_count("/api/v1/interfaces?application=nobody"), 0);
}

struct verdict_wait {
    const char *task, *words;
};

static bool has_verdict(void *context)
{
    const struct verdict_wait *wait = context;
    json_t *ledger = get_task(wait->task, "/ledger");
    bool is_there = strstr(text_at(ledger, "verdict"), wait->words) != NULL;

    json_decref(ledger);
    return is_there;
}

static void wait_for_verdict(const char *task, const char *words)
{
    struct verdict_wait wait = { task, words };
    json_t *ledger;

    if (wait_until(has_verdict, &wait, 10000)) return;
    ledger = get_task(task, "/ledger");
    fail_msg("the verdict is: %s", text_at(ledger, "verdict"));
}

static void a_misspelt_interface_is_warned_of_and_explained(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "misspelt", "host-1:1");
    struct fake_calls calls = { "POST /checkout", 100, 184 * NS_PER_MS, NULL, 0, 0, 0 };
    char id[TASK_ID_SIZE + 1];
    json_t *answer;

    (void)state;
    fake_probe_pulse(&probe, &calls, 1);
    answer = post("/api/v1/tasks",
                  "{\"application\":\"misspelt\",\"interface\":\"POST /chekout\","
                  "\"duration_min\":5,\"threshold_ms\":100}",
                  201);
    snprintf(id, sizeof id, "%s", text_at(answer, "id"));
    assert_non_null(
        strstr(json_string_value(json_array_get(json_object_get(answer, "warnings"), 0)),
               "'POST /checkout'"));
    json_decref(answer);
    assert_int_equal(fake_probe_poll(&probe), 1);
    wait_for_verdict(id, "Not delivered: ");
    fake_probe_park(&probe);
    wait_for_verdict(id, "No such interface: no instance has called 'POST /chekout'. Nearest: "
                         "'POST /checkout' (");
    answer = get_task(id, "/ledger");
    assert_int_equal(json_array_size(json_object_get(answer, "nearest")), 1);
    json_decref(answer);
    fake_probe_done(&probe);
}

static void the_verdict_follows_what_probes_say(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "verdict", "host-1:1");
    struct fake_calls calls = { "POST /checkout", 212, 90 * NS_PER_MS, NULL, 212, 0, 0 };
    char id[TASK_ID_SIZE + 1];

    (void)state;
    make_task("verdict", "", id);
    wait_for_verdict(id, "No instance: no process of 'verdict' polls this scheduler.");
    assert_int_equal(fake_probe_poll(&probe), 1);
    calls.task = id;
    fake_probe_pulse(&probe, &calls, 1);
    wait_for_verdict(id, "212 calls so far, all below 100 ms; the slowest took 90.0 ms.");
    assert_int_equal(fake_probe_report(&probe, &(struct fake_sample){ .task = id }),
                     REPORT_ACCEPTED);
    wait_for_verdict(id, "1 of 1 slow call sampled.");
}

/* ------------------------------------------------------------------ events */

static void a_stream_tells_of_tasks_and_samples(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "stream", "host-1:1");
    struct sample_id sample = sample_id_make();
    struct api_stream stream;
    char id[TASK_ID_SIZE + 1];

    (void)state;
    api_stream_open(&stream, scheduler.port, "/api/v1/events");
    assert_true(api_stream_wait(&stream, "\n: stakeout\n"));
    make_task("stream", "", id);
    assert_true(api_stream_wait(&stream, "event: task\ndata: {"));
    assert_true(api_stream_wait(&stream, id));
    fake_probe_poll(&probe);
    fake_probe_report(&probe, &(struct fake_sample){ .task = id, .id = &sample });
    assert_true(api_stream_wait(&stream, "event: sample\ndata: {"));
    assert_true(api_stream_wait(&stream, sample.text));
    api_stream_close(&stream);
}

/* ------------------------------------------------------------------ a restart */

static void a_killed_scheduler_comes_back_with_everything(void **state)
{
    struct scene scene;
    json_t *before, *after;

    (void)state;
    scene_make(&scene, "restart");
    before = get_task(scene.task, "/samples");
    assert_int_equal(json_array_size(json_object_get(before, "samples")), 2);
    scheduler_process_kill(&scheduler);
    scheduler_process_start(&scheduler);
    after = get_task(scene.task, "/samples");
    assert_true(json_equal(before, after));
    json_decref(after);
    json_decref(before);
    after = get_task(scene.task, "");
    assert_string_equal(text_at(after, "state"), "ACTIVE");
    json_decref(after);
    scene.probe.port = scheduler.port;
    assert_int_equal(fake_probe_poll(&scene.probe), 1);
}

static void it_stops_when_told_and_says_so_by_its_exit_code(void **state)
{
    struct api_stream stream;

    (void)state;
    api_stream_open(&stream, scheduler.port, "/api/v1/events");
    assert_true(api_stream_wait(&stream, "\n: stakeout\n"));
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    assert_false(api_stream_wait(&stream, "never said"));
    api_stream_close(&stream);
    scheduler_process_start(&scheduler);
}

static int start(void **state)
{
    (void)state;
    scheduler_process_start(&scheduler);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    scheduler_process_done(&scheduler);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_answers_as_the_description_says),
        cmocka_unit_test(exports_are_files_for_their_viewers),
        cmocka_unit_test(a_large_analysis_says_what_a_small_one_says),
        cmocka_unit_test(refusals_are_problem_objects_that_say_why),
        cmocka_unit_test(a_body_past_its_limit_is_too_large),
        cmocka_unit_test(a_task_is_cancelled_once_and_extended_to_the_longest),
        cmocka_unit_test(an_overlapping_task_is_refused_and_names_the_one_in_the_way),
        cmocka_unit_test(pages_hold_every_task_once_newest_first),
        cmocka_unit_test(lists_are_filtered_by_state_interface_and_time),
        cmocka_unit_test(a_threshold_may_be_what_the_interface_took),
        cmocka_unit_test(a_prefix_of_a_known_interface_is_not_warned_of),
        cmocka_unit_test(a_long_list_of_interfaces_is_whole),
        cmocka_unit_test(a_misspelt_interface_is_warned_of_and_explained),
        cmocka_unit_test(the_verdict_follows_what_probes_say),
        cmocka_unit_test(a_stream_tells_of_tasks_and_samples),
        cmocka_unit_test(a_killed_scheduler_comes_back_with_everything),
        cmocka_unit_test(it_stops_when_told_and_says_so_by_its_exit_code),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
