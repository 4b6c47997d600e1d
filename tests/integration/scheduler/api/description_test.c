/* SPDX-License-Identifier: Apache-2.0 */
/* description_test.c: a real stakeoutd with its Redis, asked everything that its OpenAPI document
 * lists; it answers with what is described. */
#include "tests/integration/scheduler/api/scene.h"
#include "tests/integration/scheduler/api/schema.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUILD_ID_TEXT_SIZE = 65 };

static char uploaded[BUILD_ID_TEXT_SIZE]; /* the build-id of what was uploaded last */

/* A file that may be uploaded: this program. */
static struct text read_self(void)
{
    static char whole[32 * 1024 * 1024];
    FILE *file = fopen("/proc/self/exe", "re");
    size_t size;

    assert_non_null(file);
    size = fread(whole, 1, sizeof whole, file);
    fclose(file);
    assert_true(size < sizeof whole);
    return (struct text){ whole, size };
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
    if (strstr(pattern, "{build_id}")) id = uploaded;
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

static bool takes_nothing(const json_t *operation)
{
    const json_t *body = json_object_get(operation, "requestBody");

    return body && !json_is_true(json_object_get(body, "required"));
}

static void try_operation(const json_t *document, const char *pattern, const char *method,
                          const json_t *operation, const struct scene *scene)
{
    struct api_call call = { .port = scheduler.port, .method = method_of(method) };
    const json_t *content, *json_content;
    char path[256];
    int status = 0;
    json_t *answer;

    fill_path(pattern, scene, path, sizeof path);
    if (strcmp(pattern, "/api/v1/diff") == 0)
        snprintf(path, sizeof path, "/api/v1/diff?base=sample:%s&other=task:%s",
                 scene->samples[0].text, scene->task);
    if (strcmp(pattern, "/api/v1/symbols") == 0 && strcmp(method, "post") == 0) {
        call.content_type = "application/octet-stream";
        call.body = read_self();
    } else if (takes_nothing(operation))
        call.body = TEXT("{}");
    else if (strcmp(method, "put") == 0)
        call.body = TEXT("{\"probe\":\"on\",\"budget_core_percent\":0.5}");
    else if (json_object_get(operation, "requestBody"))
        call.body = TEXT("{\"application\":\"openapi-new\",\"interface\":\"x\",\"duration_min\":5,"
                         "\"threshold_ms\":50}");
    call.path = path;
    content = answer_of(operation, &status);
    if (json_object_get(content, "text/event-stream")) return; /* a test of its own */
    answer = scheduler_ask(&call, status);
    if (call.content_type) snprintf(uploaded, sizeof uploaded, "%s", text_at(answer, "build_id"));
    json_content = json_object_get(content, "application/json");
    if (json_content) {
        assert_non_null(answer);
        schema_check(document, json_object_get(json_content, "schema"), answer, path);
    }
    json_decref(answer);
}

static void every_route_answers_as_the_description_says(void **state)
{
    json_t *document = scheduler_get("/api/v1/openapi.json"), *path, *operation;
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
            if (strstr(pattern, "/cancel") || strstr(pattern, "/symbols")) continue;
            if (strstr(pattern, "/session") && strcmp(method, "get") != 0)
                continue; /* of browsers */
            try_operation(document, pattern, method, operation, &scene);
            count++;
        }
    }
    path = json_object_get(json_object_get(document, "paths"), "/api/v1/tasks/{id}/cancel");
    try_operation(document, "/api/v1/tasks/{id}/cancel", "post", json_object_get(path, "post"),
                  &scene);
    assert_true(count > 17);
    json_decref(document);
}

/* ------------------------------------------------------------------ exports */

static const json_t *operation_of(const json_t *document, const char *path)
{
    const json_t *paths = json_object_get(document, "paths");

    return json_object_get(json_object_get(paths, path), "get");
}

/* The words that the description has for the parameter `format` of an operation. */
static const json_t *formats_of(const json_t *document, const json_t *operation)
{
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    const json_t *parameter;
    size_t index;

    json_array_foreach(json_object_get(operation, "parameters"), index, parameter)
    {
        const json_t *schema = json_object_get(parameter, "schema");

        if (strcmp(text_at(parameter, "name"), "format") != 0) continue;
        return json_object_get(json_object_get(schemas, strrchr(text_at(schema, "$ref"), '/') + 1),
                               "enum");
    }
    return NULL;
}

/* What is described is answered, of a type that is described; and nothing else is. */
static size_t try_formats(const json_t *document, const char *pattern, const char *path)
{
    static const char *const all[] = { "json", "folded", "speedscope", "pprof", "svg" };
    const json_t *operation = operation_of(document, pattern);
    const json_t *formats = formats_of(document, operation), *word;
    int unused;
    const json_t *content = answer_of(operation, &unused);
    size_t index, accepted = 0;

    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        struct api_answer answer;
        bool is_described = false;
        char with_format[320];

        json_array_foreach(formats, index, word)
        {
            is_described = is_described || strcmp(json_string_value(word), all[i]) == 0;
        }
        snprintf(with_format, sizeof with_format, "%s%cformat=%s", path,
                 strchr(path, '?') ? '&' : '?', all[i]);
        api_ask(&(struct api_call){ .port = scheduler.port, .path = with_format }, &answer);
        if ((answer.status == 200) != is_described)
            fail_msg("%s: %d, and it is %sdescribed", with_format, answer.status,
                     is_described ? "" : "not ");
        if (is_described && !json_object_get(content, api_header(&answer, "Content-Type")))
            fail_msg("%s: %s is not described", with_format, api_header(&answer, "Content-Type"));
        accepted += is_described;
        api_answer_done(&answer);
    }
    return accepted;
}

static void exports_are_of_the_types_that_are_described(void **state)
{
    json_t *document = scheduler_get("/api/v1/openapi.json");
    struct scene scene;
    char path[256];

    (void)state;
    scene_make(&scene, "exports");
    snprintf(path, sizeof path, "/api/v1/tasks/%s/analysis", scene.task);
    assert_int_equal(try_formats(document, "/api/v1/tasks/{id}/analysis", path), 5);
    snprintf(path, sizeof path, "/api/v1/samples/%s/analysis", scene.samples[0].text);
    assert_int_equal(try_formats(document, "/api/v1/samples/{id}/analysis", path), 5);
    snprintf(path, sizeof path, "/api/v1/diff?base=sample:%s&other=task:%s", scene.samples[0].text,
             scene.task);
    assert_int_equal(try_formats(document, "/api/v1/diff", path), 2);
    json_decref(document);
}

/* Asks an operation with a body of its own, and holds the answer against its schema. */
static void try_symbols(const json_t *document, const char *method, const char *path,
                        struct text body)
{
    bool is_delete = strcmp(method, "DELETE") == 0;
    const char *pattern = is_delete ? "/api/v1/symbols/{build_id}" : "/api/v1/symbols";
    const char *key = is_delete ? "delete" : body.size > 0 ? "post" : "get";
    const json_t *operation =
        json_object_get(json_object_get(json_object_get(document, "paths"), pattern), key);
    int status = 0;
    const json_t *content = answer_of(operation, &status);
    struct api_call call = { .port = scheduler.port, .method = method, .path = path, .body = body };
    json_t *answer = scheduler_ask(&call, status);

    assert_non_null(answer);
    schema_check(document, json_object_get(json_object_get(content, "application/json"), "schema"),
                 answer, path);
    json_decref(answer);
}

static char *read_whole(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    size_t room = 1 << 22;
    char *bytes = malloc(room);

    assert_non_null(file);
    assert_non_null(bytes);
    *ret_size = fread(bytes, 1, room, file);
    assert_true(*ret_size > 0 && *ret_size < room);
    fclose(file);
    return bytes;
}

static void symbols_answer_as_the_description_says(void **state)
{
    json_t *document = scheduler_get("/api/v1/openapi.json"), *page;
    char path[256];
    size_t size;
    char *program = read_whole("/proc/self/exe", &size);

    (void)state;
    try_symbols(document, "GET", "/api/v1/symbols", TEXT(""));
    try_symbols(document, "POST", "/api/v1/symbols", (struct text){ program, size });
    try_symbols(document, "GET", "/api/v1/symbols?limit=1", TEXT(""));
    page = scheduler_get("/api/v1/symbols");
    assert_int_equal(json_array_size(json_object_get(page, "symbols")), 1);
    snprintf(path, sizeof path, "/api/v1/symbols/%s",
             json_string_value(
                 json_object_get(json_array_get(json_object_get(page, "symbols"), 0), "build_id")));
    json_decref(page);
    try_symbols(document, "DELETE", path, TEXT(""));
    page = scheduler_ask(
        &(struct api_call){ .port = scheduler.port, .method = "DELETE", .path = path }, 404);
    assert_string_equal(json_string_value(json_object_get(page, "type")), "no-such-symbols");
    json_decref(page);
    free(program);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_are_of_the_types_that_are_described),
        cmocka_unit_test(every_route_answers_as_the_description_says),
        cmocka_unit_test(symbols_answer_as_the_description_says),
    };

    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
