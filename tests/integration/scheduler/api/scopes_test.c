/* SPDX-License-Identifier: Apache-2.0 */
/* scopes_test.c: one application's token sees nothing of another's: every route of the description
 * is asked with a token of "garden" about what is "walled", and so are the probes' four. A route
 * that does not say what it is about fails the test. */
#include "tests/integration/scheduler/api/scene.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PATH_SIZE = 512 };

#define NOBODY_TASK   "0123456789abcdef0123"
#define NOBODY_SAMPLE "0123456789abcdef0123456789abcdef"

static struct scene walled, garden;
static char all_token[SCHEDULER_TOKEN_SIZE], garden_token[SCHEDULER_TOKEN_SIZE],
    garden_probe[SCHEDULER_TOKEN_SIZE];

static int status_of(const char *token, const char *path)
{
    return scheduler_status((struct api_call){ .path = path, .token = token });
}

static void wait_for_status(const char *token, int status)
{
    scheduler_wait_session(token, NULL, status);
}

static bool tokens_count(void *context)
{
    (void)context;
    return status_of(garden_token, "/api/v1/session") == 200 &&
           status_of(all_token, "/api/v1/session") == 200 &&
           status_of(garden_probe, "/api/v1/session") == 403;
}

static int setup(void **state)
{
    struct fake_calls fast = { .interface = "GET /fast", .count = 1000, .each_ns = NS_PER_MS };

    scheduler_setup(state);
    scene_make(&walled, "walled");
    scene_make(&garden, "garden");
    fake_probe_pulse(&walled.probe, &fast, 1);
    scheduler_make_token("everybody", "operator", NULL, all_token);
    scheduler_make_token("gardener", "operator", "garden", garden_token);
    scheduler_make_token("garden-probe", "probe", "garden", garden_probe);
    assert_true(wait_until(tokens_count, NULL, 10000));
    return 0;
}

/* ------------------------------------------------------------------ every route */

struct operation {
    const char *method, *pattern, *about;
    const json_t *described;
};

/* The pattern with the ids of a scene in it; of nobody, without one. */
static void fill_path(const struct operation *operation, const struct scene *scene,
                      char ret[PATH_SIZE])
{
    const char *pattern = operation->pattern, *open = strchr(pattern, '{');
    const char *id = scene ? scene->task : NOBODY_TASK;

    if (strstr(pattern, "/samples/{")) id = scene ? scene->samples[0].text : NOBODY_SAMPLE;
    if (strstr(pattern, "{trace_id}")) id = scene ? scene->trace.text : NOBODY_SAMPLE;
    if (strstr(pattern, "{application}")) id = scene ? scene->probe.application : "nobody";
    if (open)
        snprintf(ret, PATH_SIZE, "%.*s%s%s", (int)(open - pattern), pattern, id,
                 strchr(pattern, '}') + 1);
    else
        snprintf(ret, PATH_SIZE, "%s", pattern);
}

static struct text body_of(const struct operation *operation, const char *application,
                           char room[PATH_SIZE])
{
    if (strcmp(operation->method, "PUT") == 0) return TEXT("{\"probe\":\"on\"}");
    if (strcmp(operation->method, "POST") != 0) return (struct text){ NULL, 0 };
    if (strcmp(operation->about, "body") != 0) return TEXT("{}");
    snprintf(room, PATH_SIZE,
             "{\"application\":\"%s\",\"interface\":\"GET /new\",\"duration_min\":5,"
             "\"threshold_ms\":50}",
             application);
    return text_of(room);
}

static int ask(const struct operation *operation, const char *path, const char *application,
               struct api_answer *ret)
{
    char room[PATH_SIZE];

    api_ask(&(struct api_call){ .port = scheduler.port,
                                .method = operation->method,
                                .path = path,
                                .token = garden_token,
                                .body = body_of(operation, application, room) },
            ret);
    return ret->status;
}

/* Nothing in an answer may tell of what is walled. */
static void check_silence(const char *path, const struct api_answer *answer)
{
    const char *const words[] = { "walled", walled.task, walled.samples[0].text,
                                  walled.samples[1].text, walled.trace.text };

    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (answer->body.data && strstr(answer->body.data, words[i]))
            fail_msg("%s tells of '%s': %s", path, words[i], answer->body.data);
    }
}

/* The refusal of an id: the same, to the letter, as of an id that nobody has. */
static void try_id(const struct operation *operation)
{
    char path[PATH_SIZE], nobodys[PATH_SIZE];
    struct api_answer theirs, none;
    const char *detail;

    fill_path(operation, &walled, path);
    fill_path(operation, NULL, nobodys);
    if (ask(operation, path, NULL, &theirs) != 404 || ask(operation, nobodys, NULL, &none) != 404)
        fail_msg("%s %s: %d", operation->method, path, theirs.status);
    assert_string_equal(text_at(theirs.json, "type"), text_at(none.json, "type"));
    assert_string_equal(text_at(theirs.json, "title"), text_at(none.json, "title"));
    detail = text_at(theirs.json, "detail");
    assert_int_equal(strlen(detail), strlen(text_at(none.json, "detail")));
    assert_int_equal(strcspn(detail, "'"), strcspn(text_at(none.json, "detail"), "'"));
    api_answer_done(&theirs);
    api_answer_done(&none);
    fill_path(operation, &garden, path);
    if (ask(operation, path, NULL, &theirs) >= 300)
        fail_msg("%s %s: %d of its own", operation->method, path, theirs.status);
    check_silence(path, &theirs);
    api_answer_done(&theirs);
}

static void try_subjects(const struct operation *operation)
{
    static const struct {
        const char *says;
        const struct scene *base, *other;
        int status;
    } cases[] = {
        { "both theirs", &walled, &walled, 404 },
        { "the base theirs", &walled, &garden, 404 },
        { "the other theirs", &garden, &walled, 404 },
        { "both its own", &garden, &garden, 200 },
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct api_answer answer;
        char path[PATH_SIZE];

        snprintf(path, sizeof path, "%s?base=task:%s&other=sample:%s", operation->pattern,
                 cases[i].base->task, cases[i].other->samples[0].text);
        if (ask(operation, path, NULL, &answer) != cases[i].status)
            fail_msg("%s: %d", cases[i].says, answer.status);
        api_answer_done(&answer);
    }
}

/* Named by its application: 404, whether there is such a one or not. */
static void try_name(const struct operation *operation)
{
    static const char *const names[] = { "walled", "nobody", "garden" };
    static const int statuses[] = { 404, 404, 0 };

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const struct scene named = { .probe.application = names[i] };
        struct api_answer answer;
        char path[PATH_SIZE];

        fill_path(operation, &named, path);
        ask(operation, path, names[i], &answer);
        if (statuses[i] ? answer.status != statuses[i] : answer.status >= 300)
            fail_msg("%s %s of '%s': %d", operation->method, path, names[i], answer.status);
        if (answer.status == 404)
            assert_string_equal(text_at(answer.json, "type"), "no-such-application");
        api_answer_done(&answer);
    }
}

static bool has_parameter(const struct operation *operation, const char *name)
{
    const json_t *parameter;
    size_t i;

    json_array_foreach(json_object_get(operation->described, "parameters"), i, parameter)
    {
        if (strcmp(text_at(parameter, "name"), name) == 0) return true;
    }
    return false;
}

static void try_list(const struct operation *operation)
{
    struct api_answer answer;
    char path[PATH_SIZE];

    if (strcmp(operation->pattern, "/api/v1/events") == 0) return; /* a test of its own */
    if (strchr(operation->pattern, '{')) {
        try_id(operation);
        return;
    }
    assert_int_equal(ask(operation, operation->pattern, NULL, &answer), 200);
    check_silence(operation->pattern, &answer);
    assert_non_null(strstr(answer.body.data, "garden"));
    api_answer_done(&answer);
    if (!has_parameter(operation, "application")) return;
    snprintf(path, sizeof path, "%s?application=walled", operation->pattern);
    assert_int_equal(ask(operation, path, NULL, &answer), 200);
    check_silence(path, &answer);
    api_answer_done(&answer);
}

static void try_all(const struct operation *operation)
{
    struct api_answer answer;
    char path[PATH_SIZE];

    fill_path(operation, &walled, path);
    if (ask(operation, path, NULL, &answer) != 403)
        fail_msg("%s %s: %d", operation->method, path, answer.status);
    assert_string_equal(text_at(answer.json, "detail"),
                        "The token 'gardener' is for some applications; this is of all of them.");
    api_answer_done(&answer);
}

static void try_none(const struct operation *operation)
{
    struct api_answer answer;

    if (strcmp(operation->method, "GET") != 0) return; /* logging in and out: sessions_test.c */
    if (ask(operation, operation->pattern, NULL, &answer) != 200)
        fail_msg("%s: %d", operation->pattern, answer.status);
    check_silence(operation->pattern, &answer);
    api_answer_done(&answer);
}

static const struct {
    const char *about;
    void (*attempt)(const struct operation *operation);
} attempts[] = {
    { "none", try_none }, { "task", try_id },          { "sample", try_id },
    { "body", try_name }, { "application", try_name }, { "subjects", try_subjects },
    { "list", try_list }, { "all", try_all },
};

static void try_operation(const struct operation *operation)
{
    for (size_t i = 0; i < ARRAY_COUNT(attempts); i++) {
        if (strcmp(attempts[i].about, operation->about) != 0) continue;
        attempts[i].attempt(operation);
        return;
    }
    fail_msg("%s %s does not say what it is about: '%s'", operation->method, operation->pattern,
             operation->about);
}

/* A task that is cancelled can be asked about, and not be extended: that route comes last. */
static void no_route_tells_of_another_application(void **state)
{
    json_t *document = scheduler_ask(&(struct api_call){ .port = scheduler.port,
                                                         .path = "/api/v1/openapi.json",
                                                         .token = garden_token },
                                     200);
    json_t *path, *described;
    const char *pattern, *method;
    size_t count = 0;

    (void)state;
    for (int is_last = 0; is_last < 2; is_last++) {
        json_object_foreach(json_object_get(document, "paths"), pattern, path)
        {
            if ((strstr(pattern, "/cancel") != NULL) != is_last) continue;
            json_object_foreach(path, method, described)
            {
                try_operation(&(struct operation){ method_of(method), pattern,
                                                   text_at(described, "x-about"), described });
                count++;
            }
        }
    }
    assert_true(count > 22);
    json_decref(document);
}

/* What names the nearest applications that were seen must not name others'. */
static void a_misspelt_name_leads_to_no_other_application(void **state)
{
    json_t *task;
    char *text, near[SCHEDULER_TOKEN_SIZE];

    (void)state;
    scheduler_make_token("walker", "operator", "wallet", near);
    wait_for_status(near, 200);
    task = scheduler_ask(&(struct api_call){ .port = scheduler.port,
                                             .path = "/api/v1/tasks",
                                             .token = near,
                                             .body = TEXT("{\"application\":\"wallet\","
                                                          "\"interface\":\"i\",\"duration_min\":5,"
                                                          "\"threshold_ms\":50}") },
                         201);
    text = json_dumps(task, 0);
    assert_non_null(strstr(text, "No instance of an application 'wallet' has reported."));
    assert_null(strstr(text, "walled"));
    free(text);
    json_decref(task);
}

static void ask_percentile(const char *application, struct api_answer *ret)
{
    char body[PATH_SIZE];

    snprintf(body, sizeof body,
             "{\"application\":\"%s\",\"interface\":\"GET /fast\",\"duration_min\":5,"
             "\"threshold_ms\":\"p99\"}",
             application);
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/api/v1/tasks",
                                .token = garden_token,
                                .body = text_of(body) },
            ret);
}

/* A threshold by percentile is refused with the figure where that is too small: another's is as
 * unknown as nobody's. */
static void another_s_percentiles_are_not_told(void **state)
{
    struct api_answer theirs, none;

    (void)state;
    ask_percentile("walled", &theirs);
    ask_percentile("nobody", &none);
    assert_int_equal(theirs.status, none.status);
    assert_string_equal(text_at(theirs.json, "detail"), text_at(none.json, "detail"));
    api_answer_done(&theirs);
    api_answer_done(&none);
}

/* ------------------------------------------------------------------ streams */

static void cancel(const char *task)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/api/v1/tasks/%s/cancel", task);
    json_decref(scheduler_ask(&(struct api_call){ .port = scheduler.port,
                                                  .method = "POST",
                                                  .path = path,
                                                  .token = all_token,
                                                  .body = TEXT("{}") },
                              200));
}

static json_t *create(const char *application)
{
    char body[PATH_SIZE];

    snprintf(body, sizeof body,
             "{\"application\":\"%s\",\"interface\":\"GET /told\",\"duration_min\":5,"
             "\"threshold_ms\":50}",
             application);
    return scheduler_ask(&(struct api_call){ .port = scheduler.port,
                                             .path = "/api/v1/tasks",
                                             .token = all_token,
                                             .body = text_of(body) },
                         201);
}

static void a_stream_tells_its_own_and_ends_with_its_token(void **state)
{
    struct api_stream stream = { .text = BUF_INIT(1 << 20) };
    char token[SCHEDULER_TOKEN_SIZE], output[SCHEDULER_TOKEN_SIZE];
    const char *words[] = { "token", "revoke", "listener", NULL };
    json_t *theirs, *own;

    (void)state;
    scheduler_make_token("listener", "viewer", "garden", token);
    wait_for_status(token, 200);
    stream.fd = api_send(
        &(struct api_call){ .port = scheduler.port, .path = "/api/v1/events", .token = token });
    assert_true(api_stream_wait(&stream, "\n: stakeout\n"));
    theirs = create("walled");
    cancel(text_at(theirs, "id"));
    own = create("garden");
    cancel(text_at(own, "id"));
    assert_true(api_stream_wait(&stream, text_at(own, "id")));
    assert_true(api_stream_wait(&stream, "CANCELLED"));
    assert_null(strstr(stream.text.data, text_at(theirs, "id")));
    assert_null(strstr(stream.text.data, "walled"));
    assert_int_equal(scheduler_process_command(&scheduler, words, output, sizeof output), 0);
    assert_false(api_stream_wait(&stream, "never said"));
    assert_int_equal(recv(stream.fd, output, 1, MSG_DONTWAIT), 0); /* it has ended */
    api_stream_close(&stream);
    json_decref(theirs);
    json_decref(own);
}

/* ------------------------------------------------------------------ probes */

static const char *const kinds[] = { "poll", "pulse", "log", "report" };

static void a_probe_s_token_serves_its_application_alone(void **state)
{
    struct fake_probe thief = FAKE_PROBE(scheduler.port, "walled", "thief:1");

    (void)state;
    thief.token = garden_probe;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct api_answer answer;

        fake_probe_ask(&thief, kinds[i], walled.task, &answer);
        if (answer.status != 403) fail_msg("%s: %d", kinds[i], answer.status);
        assert_string_equal(text_at(answer.json, "detail"),
                            "The token 'garden-probe' is not for the application 'walled'.");
        api_answer_done(&answer);
    }
}

static bool instances_say(const char *what)
{
    json_t *list = scheduler_ask(&(struct api_call){ .port = scheduler.port,
                                                     .path = "/api/v1/instances",
                                                     .token = all_token },
                                 200);
    char *text = json_dumps(list, 0);
    bool says = strstr(text, what) != NULL;

    free(text);
    json_decref(list);
    return says;
}

/* It says "garden", and means a task of the walled. */
static void a_probe_reaches_no_task_of_another_application(void **state)
{
    struct fake_probe thief = FAKE_PROBE(scheduler.port, "garden", "thief:2");
    struct api_call ledger = { .port = scheduler.port, .token = all_token };
    char path[PATH_SIZE], *text;
    json_t *object, *task = create("walled");
    const char *id = text_at(task, "id");

    (void)state;
    thief.token = garden_probe;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct api_answer answer;

        fake_probe_ask(&thief, kinds[i], id, &answer);
        if (answer.status >= 300) fail_msg("%s: %d", kinds[i], answer.status);
        api_answer_done(&answer);
    }
    assert_false(fake_probe_is_told(&thief, id));
    assert_int_equal(fake_probe_report(&thief, &(struct fake_sample){ .task = id }),
                     REPORT_NO_TASK);
    ledger.path = path;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/api/v1/tasks/%s/%s", id, i == 0 ? "ledger" : "log");
        object = scheduler_ask(&ledger, 200);
        text = json_dumps(object, 0);
        assert_null(strstr(text, "thief"));
        free(text);
        json_decref(object);
    }
    assert_true(instances_say("thief:2"));
    assert_false(instances_say("thief:1"));
    cancel(id);
    json_decref(task);
}

/* Its parked poll would be answered with tasks: it is refused instead. */
static void a_parked_poll_ends_with_its_token(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "garden", "parked:1");
    const char *words[] = { "token", "revoke", "parker", NULL };
    char token[SCHEDULER_TOKEN_SIZE], output[SCHEDULER_TOKEN_SIZE];
    struct api_answer answer;
    json_t *task;

    (void)state;
    scheduler_make_token("parker", "probe", "garden", token);
    wait_for_status(token, 403);
    probe.token = token;
    fake_probe_poll(&probe);
    fake_probe_park(&probe);
    assert_int_equal(scheduler_process_command(&scheduler, words, output, sizeof output), 0);
    wait_for_status(token, 401);
    task = create("garden");
    api_receive(probe.parked, &answer);
    assert_int_equal(answer.status, 401);
    api_answer_done(&answer);
    cancel(text_at(task, "id"));
    json_decref(task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_misspelt_name_leads_to_no_other_application),
        cmocka_unit_test(another_s_percentiles_are_not_told),
        cmocka_unit_test(a_stream_tells_its_own_and_ends_with_its_token),
        cmocka_unit_test(a_probe_s_token_serves_its_application_alone),
        cmocka_unit_test(a_probe_reaches_no_task_of_another_application),
        cmocka_unit_test(a_parked_poll_ends_with_its_token),
        cmocka_unit_test(no_route_tells_of_another_application),
    };

    return cmocka_run_group_tests(tests, setup, scheduler_teardown);
}
