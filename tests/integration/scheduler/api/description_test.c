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
    } else if (json_object_get(operation, "requestBody"))
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_answers_as_the_description_says),
    };

    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
