/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/scheduler_fixture.h"

#include "common/base/own.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 512, BODY_SIZE = 1024, DETAIL_SIZE = 1024, SESSION_MS_MAX = 10000 };

struct scheduler_process scheduler;
struct redis_process scheduler_redis;
struct scheduler_process scheduler_other;

int scheduler_setup(void **state)
{
    (void)state;
    scheduler_process_start(&scheduler);
    return 0;
}

int scheduler_teardown(void **state)
{
    (void)state;
    scheduler_process_done(&scheduler);
    return 0;
}

int scheduler_setup_with_redis(void **state)
{
    redis_process_start(&scheduler_redis, "appendonly yes\nappendfsync always\n");
    scheduler.options[0] = "--redis";
    scheduler.options[1] = scheduler_redis.url;
    return scheduler_setup(state);
}

int scheduler_teardown_with_redis(void **state)
{
    scheduler_teardown(state);
    redis_process_stop(&scheduler_redis);
    return 0;
}

void scheduler_start_other(void)
{
    scheduler_other.options[0] = "--redis";
    scheduler_other.options[1] = scheduler_redis.url;
    scheduler_process_start(&scheduler_other);
}

int scheduler_setup_with_other(void **state)
{
    scheduler_setup_with_redis(state);
    scheduler_start_other();
    return 0;
}

int scheduler_teardown_with_other(void **state)
{
    scheduler_process_done(&scheduler_other);
    return scheduler_teardown_with_redis(state);
}

/* ------------------------------------------------------------------ asking */

json_t *scheduler_ask(const struct api_call *call, int status)
{
    struct api_call told = *call;
    struct api_answer answer;
    json_t *json;

    told.port = scheduler.port;
    api_ask(&told, &answer);
    if (answer.status != status)
        fail_msg("%s: %d, wanted %d: %s", call->path, answer.status, status,
                 answer.body.data ? answer.body.data : "");
    if (status >= 400)
        assert_string_equal(api_header(&answer, "Content-Type"), "application/problem+json");
    json = json_incref(answer.json);
    api_answer_done(&answer);
    return json;
}

json_t *scheduler_get(const char *path)
{
    return scheduler_ask(&(struct api_call){ .path = path }, 200);
}

json_t *scheduler_post(const char *path, const char *body, int status)
{
    return scheduler_ask(
        &(struct api_call){ .method = "POST", .path = path, .body = text_of(body) }, status);
}

int scheduler_status(struct api_call call)
{
    struct api_answer answer;
    int status;

    call.port = scheduler.port;
    api_ask(&call, &answer);
    status = answer.status;
    api_answer_done(&answer);
    return status;
}

void scheduler_make_token(const char *name, const char *role, const char *application,
                          char ret[SCHEDULER_TOKEN_SIZE])
{
    const char *words[] = { "token",     "create", name,
                            "--role",    role,     application ? "--application" : NULL,
                            application, NULL };

    assert_int_equal(scheduler_process_command(&scheduler, words, ret, SCHEDULER_TOKEN_SIZE), 0);
}

struct visitor {
    const char *token, *headers;
    int status;
};

static bool is_answered_so(void *context)
{
    const struct visitor *visitor = context;

    return scheduler_status((struct api_call){ .path = "/api/v1/session",
                                               .token = visitor->token,
                                               .headers = visitor->headers }) == visitor->status;
}

void scheduler_wait_session(const char *token, const char *headers, int status)
{
    struct visitor visitor = { token, headers, status };

    if (!wait_until(is_answered_so, &visitor, SESSION_MS_MAX))
        fail_msg("'%s' never led to %d", token ? token : "no token", status);
}

void scheduler_create_task(const char *application, const char *more, char ret[TASK_ID_SIZE + 1])
{
    char body[BODY_SIZE];
    json_t *task;

    snprintf(body, sizeof body,
             "{\"application\":\"%s\",\"interface\":\"POST /checkout\",\"duration_min\":5,"
             "\"threshold_ms\":100%s}",
             application, more);
    task = scheduler_post("/api/v1/tasks", body, 201);
    snprintf(ret, TASK_ID_SIZE + 1, "%s", text_at(task, "id"));
    json_decref(task);
}

json_t *scheduler_get_task(const char *id, const char *rest)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/api/v1/tasks/%s%s", id, rest);
    return scheduler_get(path);
}

double scheduler_metric(const char *series)
{
    return api_metric(scheduler.port, series);
}

bool scheduler_log_has(const char *words)
{
    OWN(buf_done) struct buf log = BUF_INIT(SCHEDULER_LOG_SIZE_MAX);

    scheduler_process_read_log(&scheduler, &log);
    return log.data && strstr(log.data, words);
}

const char *scheduler_check(const char *name)
{
    static char said[DETAIL_SIZE];
    struct api_answer answer;
    const json_t *check;
    size_t index;

    snprintf(said, sizeof said, "(no such check)");
    api_ask(&(struct api_call){ .port = scheduler.port, .path = "/readyz" }, &answer);
    json_array_foreach(json_object_get(answer.json, "checks"), index, check)
    {
        if (strcmp(text_at(check, "name"), name) != 0) continue;
        snprintf(said, sizeof said, "%s%s",
                 json_is_true(json_object_get(check, "ok")) ? "(ok) " : "",
                 text_at(check, "detail"));
    }
    api_answer_done(&answer);
    return said;
}

/* ------------------------------------------------------------------ reading answers */

const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "(no text)";
}

int64_t number_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_integer(value)) fail_msg("'%s' is no integer", name);
    return json_integer_value(value);
}

const char *method_of(const char *operation)
{
    if (strcmp(operation, "post") == 0) return "POST";
    if (strcmp(operation, "put") == 0) return "PUT";
    return strcmp(operation, "delete") == 0 ? "DELETE" : "GET";
}

void check_problem(const json_t *problem, enum problem_code code, const char *says)
{
    if (strcmp(text_at(problem, "type"), problem_slug(code)) != 0)
        fail_msg("%s: %s, wanted %s: %s", says, text_at(problem, "type"), problem_slug(code),
                 text_at(problem, "detail"));
    assert_string_equal(text_at(problem, "title"), problem_title(code));
    assert_int_equal(number_at(problem, "status"), problem_status(code));
    assert_true(json_string_length(json_object_get(problem, "detail")) > 0);
}
