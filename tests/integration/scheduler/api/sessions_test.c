/* SPDX-License-Identifier: Apache-2.0 */
/* sessions_test.c: what browsers do: log in by token, come with a cookie, and are sent by pages of
 * others. And who comes with what is not known, or too often. */
#include "tests/integration/scheduler/api/schema.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_SIZE = 512, SECRET_SIZE = 64 };

static char operator_token[SCHEDULER_TOKEN_SIZE], scoped_token[SCHEDULER_TOKEN_SIZE],
    probe_token[SCHEDULER_TOKEN_SIZE];
static char origin[64];

static int status_of(const char *method, const char *path, const char *token, const char *headers)
{
    return scheduler_status(
        (struct api_call){ .method = method,
                           .path = path,
                           .token = token,
                           .headers = headers,
                           .body = { .data = strcmp(method, "POST") == 0 ? "" : NULL } });
}

static void log_in(const char *token, const char *headers, struct api_answer *ret)
{
    char body[SCHEDULER_TOKEN_SIZE + 32];

    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/api/v1/session",
                                .headers = headers,
                                .body = text_of(body) },
            ret);
}

/* The Cookie header of a browser that logged in. */
static void cookie_of(const char *token, char ret[HEADERS_SIZE])
{
    struct api_answer answer;
    const char *cookie;

    log_in(token, NULL, &answer);
    assert_int_equal(answer.status, 201);
    cookie = api_header(&answer, "Set-Cookie");
    snprintf(ret, HEADERS_SIZE, "Cookie: a=1; %.*s\r\n", (int)strcspn(cookie, ";"), cookie);
    api_answer_done(&answer);
}

static void before_there_are_tokens_nobody_logs_in(void **state)
{
    struct api_answer answer;

    (void)state;
    log_in("stakeout_anything", NULL, &answer);
    assert_int_equal(answer.status, 400);
    api_answer_done(&answer);
    snprintf(origin, sizeof origin, "Origin: http://127.0.0.1:%u\r\n", scheduler.port);
    scheduler_make_token("otto", "operator", NULL, operator_token);
    scheduler_make_token("gardener", "viewer", "garden", scoped_token);
    scheduler_make_token("probe", "probe", NULL, probe_token);
    scheduler_wait_session(operator_token, NULL, 200);
    scheduler_wait_session(scoped_token, NULL, 200);
    scheduler_wait_session(probe_token, NULL, 403);
}

/* ------------------------------------------------------------------ logging in and out */

static void a_login_is_answered_with_a_cookie_that_is_the_browser_s_alone(void **state)
{
    json_t *document = scheduler_ask(&(struct api_call){ .port = scheduler.port,
                                                         .path = "/api/v1/openapi.json",
                                                         .token = operator_token },
                                     200);
    json_t *schema = json_pack("{s:s}", "$ref", "#/components/schemas/Session");
    struct api_answer answer;
    const char *cookie;

    (void)state;
    log_in(scoped_token, NULL, &answer);
    assert_int_equal(answer.status, 201);
    schema_check(document, schema, answer.json, "a login");
    assert_string_equal(text_at(answer.json, "name"), "gardener");
    assert_string_equal(text_at(answer.json, "role"), "viewer");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(answer.json, "applications"), 0)),
        "garden");
    cookie = api_header(&answer, "Set-Cookie");
    assert_int_equal(strncmp(cookie, "stakeout_session=", 17), 0);
    assert_int_equal(strcspn(cookie + 17, ";"), SECRET_SIZE);
    assert_string_equal(cookie + 17 + SECRET_SIZE,
                        "; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800");
    assert_null(strstr(answer.body.data, scoped_token));
    api_answer_done(&answer);
    json_decref(schema);
    json_decref(document);
}

/* The page is encrypted, and a proxy opens it: so says the Origin that the browser sends. */
static void where_the_page_is_encrypted_the_cookie_is_secure(void **state)
{
    struct api_answer answer;
    char headers[HEADERS_SIZE], cookie[HEADERS_SIZE];

    (void)state;
    snprintf(headers, sizeof headers, "Origin: https://127.0.0.1:%u\r\n", scheduler.port);
    log_in(operator_token, headers, &answer);
    assert_int_equal(answer.status, 201);
    snprintf(cookie, sizeof cookie, "%s", api_header(&answer, "Set-Cookie"));
    assert_int_equal(strncmp(cookie, "__Host-stakeout_session=", 24), 0);
    assert_string_equal(cookie + 24 + SECRET_SIZE,
                        "; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800; Secure");
    api_answer_done(&answer);
    snprintf(headers, sizeof headers, "Cookie: %.*s\r\n", (int)strcspn(cookie, ";"), cookie);
    assert_int_equal(status_of("GET", "/api/v1/session", NULL, headers), 200);
}

static void who_may_not_log_in_gets_no_cookie(void **state)
{
    static const struct {
        const char *says, *body;
        int status;
    } cases[] = {
        { "a token that is none", "{\"token\":\"stakeout_00\"}", 401 },
        { "an empty one", "{\"token\":\"\"}", 401 },
        { "a number", "{\"token\":1}", 400 },
        { "nothing", "{}", 400 },
        { "more than that", "{\"token\":\"a\",\"remember\":true}", 400 },
        { "no JSON", "token=a", 400 },
    };
    struct api_answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        api_ask(&(struct api_call){ .port = scheduler.port,
                                    .path = "/api/v1/session",
                                    .body = text_of(cases[i].body) },
                &answer);
        if (answer.status != cases[i].status) fail_msg("%s: %d", cases[i].says, answer.status);
        assert_string_equal(api_header(&answer, "Set-Cookie"), "");
        api_answer_done(&answer);
    }
    log_in(probe_token, NULL, &answer);
    assert_int_equal(answer.status, 403);
    assert_string_equal(api_header(&answer, "Set-Cookie"), "");
    api_answer_done(&answer);
}

static void a_session_may_what_its_token_may_until_it_ends(void **state)
{
    char viewer[HEADERS_SIZE], headers[2 * HEADERS_SIZE];

    (void)state;
    cookie_of(scoped_token, viewer);
    assert_int_equal(status_of("GET", "/api/v1/tasks", NULL, viewer), 200);
    assert_int_equal(status_of("GET", "/metrics", NULL, viewer), 403); /* of all applications */
    snprintf(headers, sizeof headers, "%s%s", viewer, origin);
    assert_int_equal(status_of("POST", "/api/v1/tasks", NULL, headers), 403); /* an operator's */
    assert_int_equal(status_of("DELETE", "/api/v1/session", NULL, headers), 200);
    assert_int_equal(status_of("GET", "/api/v1/tasks", NULL, viewer), 401);
    assert_int_equal(status_of("DELETE", "/api/v1/session", operator_token, NULL), 400);
}

static void a_revoked_token_s_sessions_end_and_others_do_not(void **state)
{
    const char *words[] = { "token", "revoke", "passing", NULL };
    char token[SCHEDULER_TOKEN_SIZE], mine[HEADERS_SIZE], other[HEADERS_SIZE],
        output[SCHEDULER_TOKEN_SIZE];

    (void)state;
    scheduler_make_token("passing", "viewer", NULL, token);
    scheduler_wait_session(token, NULL, 200);
    cookie_of(token, mine);
    cookie_of(operator_token, other);
    assert_int_equal(status_of("GET", "/api/v1/tasks", NULL, mine), 200);
    assert_int_equal(scheduler_process_command(&scheduler, words, output, sizeof output), 0);
    scheduler_wait_session(NULL, mine, 401);
    assert_int_equal(status_of("GET", "/api/v1/tasks", NULL, other), 200);
}

static void a_session_outlives_the_scheduler(void **state)
{
    char cookie[HEADERS_SIZE];

    (void)state;
    cookie_of(operator_token, cookie);
    scheduler_process_kill(&scheduler);
    scheduler_process_start(&scheduler);
    scheduler_wait_session(NULL, cookie, 200);
}

/* ------------------------------------------------------------------ pages of others */

static void a_page_of_others_changes_nothing_by_a_cookie(void **state)
{
    const struct {
        const char *says, *method, *headers;
        int status; /* 400: it came in, and its body was refused */
    } cases[] = {
        { "our page", "POST", origin, 400 },
        { "our page, as the browser says", "POST", "Sec-Fetch-Site: same-origin\r\n", 400 },
        { "nobody knows which", "POST", "", 403 },
        { "nobody knows which, to remove", "DELETE", "", 403 },
        { "another site", "POST", "Origin: http://evil.com\r\n", 403 },
        { "another port", "POST", "Origin: http://127.0.0.1:1\r\n", 403 },
        { "a sandbox", "POST", "Origin: null\r\n", 403 },
        { "another site, said", "POST", "Sec-Fetch-Site: cross-site\r\n", 403 },
        { "another port, said", "POST", "Sec-Fetch-Site: same-site\r\n", 403 },
        { "a person", "POST", "Sec-Fetch-Site: none\r\n", 403 },
        { "our page reads", "GET", "Sec-Fetch-Site: same-origin\r\n", 200 },
        { "a person reads", "GET", "Sec-Fetch-Site: none\r\n", 200 },
        { "an old browser reads", "GET", "", 200 },
        { "another port reads", "GET", "Sec-Fetch-Site: same-site\r\n", 401 },
        { "another site reads", "GET", "Sec-Fetch-Site: cross-site\r\n", 401 },
    };
    char cookie[HEADERS_SIZE], headers[2 * HEADERS_SIZE];

    (void)state;
    cookie_of(operator_token, cookie);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        bool is_removal = strcmp(cases[i].method, "DELETE") == 0;
        int status;

        snprintf(headers, sizeof headers, "%s%s", cookie, cases[i].headers);
        status = status_of(cases[i].method, is_removal ? "/api/v1/session" : "/api/v1/tasks", NULL,
                           is_removal ? cookie : headers);
        if (status != cases[i].status) fail_msg("%s: %d", cases[i].says, status);
    }
}

static void a_name_that_is_not_ours_leads_nowhere(void **state)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = {
        { "stakeout.example", 200 }, { "stakeout.example:7411", 200 },     { "127.0.0.1", 200 },
        { "evil.com", 403 },         { "stakeout.example.evil.com", 403 }, { "10.0.0.1", 403 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct api_answer answer;

        api_ask(
            &(struct api_call){ .port = scheduler.port, .path = "/healthz", .host = cases[i].host },
            &answer);
        if (answer.status != cases[i].status) fail_msg("%s: %d", cases[i].host, answer.status);
        api_answer_done(&answer);
    }
}

/* ------------------------------------------------------------------ too often */

static bool log_tells(void *context)
{
    return scheduler_log_has(context);
}

/* Who tries tokens is told to wait, and who has one at the same address is not. */
static void who_tries_tokens_is_slowed_and_the_others_are_not(void **state)
{
    struct api_answer answer = { .status = 0 };
    unsigned refused = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        api_ask(&(struct api_call){ .port = scheduler.port,
                                    .path = "/api/v1/tasks",
                                    .token = "stakeout_guess" },
                &answer);
        if (answer.status == 429) break;
        assert_int_equal(answer.status, 401);
        api_answer_done(&answer);
        refused++;
    }
    assert_int_equal(answer.status, 429);
    assert_true(refused <= 20); /* a burst of ten, and one every two seconds */
    assert_in_range(strtol(api_header(&answer, "Retry-After"), NULL, 10), 1, 2);
    assert_string_equal(text_at(answer.json, "type"), "too-many-requests");
    api_answer_done(&answer);
    log_in("stakeout_guess", NULL, &answer); /* the other door */
    assert_int_equal(answer.status, 429);
    api_answer_done(&answer);
    assert_int_equal(status_of("GET", "/api/v1/tasks", operator_token, NULL), 200);
    assert_true(
        wait_until(log_tells, "somebody came with tokens or sessions that are not known", 10000));
    assert_true(scheduler_log_has("latest_from=\"127.0.0.1\""));
    assert_false(scheduler_log_has("stakeout_guess"));
}

/* rate-limit is 20 here: 40 at once, then 20 a second. */
static void a_token_has_its_rate_and_a_probe_s_another(void **state)
{
    struct api_answer answer = { .status = 0 };
    char token[SCHEDULER_TOKEN_SIZE];
    unsigned passed = 0;

    (void)state;
    scheduler_make_token("eager", "viewer", NULL, token);
    scheduler_wait_session(token, NULL, 200);
    for (int i = 0; i < 1000; i++) {
        api_ask(&(struct api_call){ .port = scheduler.port,
                                    .path = "/api/v1/applications",
                                    .token = token },
                &answer);
        if (answer.status == 429) break;
        api_answer_done(&answer);
        passed++;
    }
    assert_int_equal(answer.status, 429);
    assert_true(passed >= 20);
    assert_string_equal(api_header(&answer, "Retry-After"), "1");
    assert_non_null(strstr(text_at(answer.json, "detail"), "'eager'"));
    api_answer_done(&answer);
    assert_int_equal(status_of("GET", "/api/v1/tasks", operator_token, NULL), 200);
    assert_int_equal(status_of("GET", "/healthz", token, NULL), 200); /* it is for anyone */
    for (int i = 0; i < 300; i++) {
        assert_int_equal(status_of("POST", "/probe/v1/poll", probe_token, NULL), 415);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_there_are_tokens_nobody_logs_in),
        cmocka_unit_test(a_login_is_answered_with_a_cookie_that_is_the_browser_s_alone),
        cmocka_unit_test(where_the_page_is_encrypted_the_cookie_is_secure),
        cmocka_unit_test(a_session_may_what_its_token_may_until_it_ends),
        cmocka_unit_test(a_revoked_token_s_sessions_end_and_others_do_not),
        cmocka_unit_test(a_session_outlives_the_scheduler),
        cmocka_unit_test(a_page_of_others_changes_nothing_by_a_cookie),
        cmocka_unit_test(a_name_that_is_not_ours_leads_nowhere),
        cmocka_unit_test(who_may_not_log_in_gets_no_cookie),
        cmocka_unit_test(who_tries_tokens_is_slowed_and_the_others_are_not),
        cmocka_unit_test(a_token_has_its_rate_and_a_probe_s_another),
    };

    scheduler.options[0] = "--public-host";
    scheduler.options[1] = "stakeout.example";
    scheduler.options[2] = "--rate-limit";
    scheduler.options[3] = "20";
    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
