/* SPDX-License-Identifier: Apache-2.0 */
/* tokens_test.c: who may do what: the three roles against every route, and the commands that make
 * and take away tokens, beside a running stakeoutd and without one. */
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <string.h>

enum { TOKEN_SIZE = 128 };

static char viewer_token[TOKEN_SIZE], operator_token[TOKEN_SIZE], probe_token[TOKEN_SIZE];

static int command(const char *verb, const char *first, const char *second, char *ret, size_t size)
{
    const char *words[] = { "token", verb, first, second, NULL };

    return scheduler_process_command(&scheduler, words, ret, size);
}

static int status_of(const char *method, const char *path, const char *token)
{
    return scheduler_status(
        (struct api_call){ .method = method,
                           .path = path,
                           .token = token,
                           .body = { .data = strcmp(method, "POST") == 0 ? "" : NULL } });
}

static void wait_for_status(const char *token, int status)
{
    scheduler_wait_session(token, NULL, status);
}

/* ------------------------------------------------------------------ before there are tokens */

static void without_tokens_everybody_on_this_machine_is_an_operator(void **state)
{
    struct api_answer answer;

    (void)state;
    api_ask(&(struct api_call){ .port = scheduler.port, .path = "/api/v1/session" }, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(json_string_value(json_object_get(answer.json, "name")), "local");
    assert_string_equal(json_string_value(json_object_get(answer.json, "role")), "operator");
    api_answer_done(&answer);
    assert_true(scheduler_log_has("there are no tokens: until 'stakeoutd token create' is used"));
    assert_false(scheduler_log_has("there are tokens"));
}

static bool log_says_closed(void *context)
{
    (void)context;
    return scheduler_log_has("there are tokens: who has none may do nothing");
}

/* ------------------------------------------------------------------ making them */

static void a_token_is_printed_once_and_counts_within_seconds(void **state)
{
    (void)state;
    assert_int_equal(command("create", "viewer", "eve", viewer_token, sizeof viewer_token), 0);
    assert_int_equal(command("create", "operator", "otto", operator_token, sizeof operator_token),
                     0);
    assert_int_equal(command("create", "probe", "shop", probe_token, sizeof probe_token), 0);
    assert_int_equal(strlen(viewer_token), strlen("stakeout_") + 64);
    wait_for_status(viewer_token, 200);
    wait_for_status(operator_token, 200);
    wait_for_status(probe_token, 403);
    wait_for_status(NULL, 401);
    assert_true(wait_until(log_says_closed, NULL, 10000));
    wait_for_status("stakeout_"
                    "0000000000000000000000000000000000000000000000000000000000000000",
                    401);
}

static void lists_name_tokens_and_never_show_them(void **state)
{
    char list[4096];

    (void)state;
    assert_int_equal(command("list", NULL, NULL, list, sizeof list), 0);
    assert_non_null(strstr(list, "eve"));
    assert_true(strstr(list, "otto\n") > strstr(list, "eve\n")); /* as they were created */
    assert_true(strstr(list, "shop") > strstr(list, "otto\n"));
    assert_non_null(strstr(list, "probe"));
    assert_null(strstr(list, viewer_token));
    assert_null(strstr(list, viewer_token + strlen("stakeout_")));
}

/* The columns of the scoped token's row: "-" or a time to the minute each. */
enum { COLUMN = 19 };
static void read_scoped_row(char ret_used[COLUMN + 1], char ret_ends[COLUMN + 1])
{
    char list[4096];
    const char *row;

    assert_int_equal(command("list", NULL, NULL, list, sizeof list), 0);
    row = strstr(list, "shop,a cart  scoped");
    assert_non_null(row);
    snprintf(ret_used, COLUMN + 1, "%.*s", COLUMN, row - 2 * COLUMN);
    snprintf(ret_ends, COLUMN + 1, "%.*s", COLUMN, row - COLUMN);
}

static bool scoped_is_used(void *context)
{
    char used[COLUMN + 1], ends[COLUMN + 1];

    (void)context;
    read_scoped_row(used, ends);
    return used[16] == 'Z';
}

static void a_list_says_what_a_token_is_good_for(void **state)
{
    static const char *const words[] = { "token",  "create",        "scoped", "--role",
                                         "viewer", "--application", "shop",   "--application",
                                         "a cart", "--expires",     "90d",    NULL };
    char secret[TOKEN_SIZE], used[COLUMN + 1], ends[COLUMN + 1];

    (void)state;
    assert_int_equal(scheduler_process_command(&scheduler, words, secret, sizeof secret), 0);
    read_scoped_row(used, ends);
    assert_int_equal(used[0], '-');
    assert_int_equal(ends[16], 'Z');
    wait_for_status(secret, 200);
    assert_true(wait_until(scoped_is_used, NULL, 10000));
    assert_int_equal(command("revoke", "scoped", NULL, used, sizeof used), 0);
    wait_for_status(secret, 401);
}

static void a_rotated_token_has_another_secret_and_the_old_one_for_a_while(void **state)
{
    static const char *const words[] = { "token", "rotate", "rot", "--grace", "0s", NULL };
    char first[TOKEN_SIZE], second[TOKEN_SIZE], third[TOKEN_SIZE], list[4096];

    (void)state;
    assert_int_equal(command("create", "viewer", "rot", first, sizeof first), 0);
    wait_for_status(first, 200);
    assert_int_equal(command("rotate", "rot", NULL, second, sizeof second), 0);
    wait_for_status(second, 200);
    wait_for_status(first, 200);
    assert_int_equal(command("list", NULL, NULL, list, sizeof list), 0);
    assert_non_null(strstr(list, "grace "));
    assert_int_equal(scheduler_process_command(&scheduler, words, third, sizeof third), 0);
    wait_for_status(third, 200);
    wait_for_status(second, 401);
    wait_for_status(first, 401);
    assert_int_equal(command("revoke", "rot", NULL, list, sizeof list), 0);
    wait_for_status(third, 401);
}

static void commands_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *says, *verb, *first, *second;
        int exit_code;
    } cases[] = {
        { "no such role", "create", "king", "arthur", 2 },
        { "no name", "create", "viewer", NULL, 2 },
        { "an empty name", "create", "viewer", "", 2 },
        { "a name of two lines", "create", "viewer", "a\nb", 2 },
        { "no such verb", "steal", "eve", NULL, 2 },
        { "a name that is taken", "create", "viewer", "eve", 1 },
        { "revoking nobody's", "revoke", "nobody", NULL, 1 },
    };
    char output[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int code = command(cases[i].verb, cases[i].first, cases[i].second, output, sizeof output);

        if (code != cases[i].exit_code) fail_msg("%s: exit code %d", cases[i].says, code);
        assert_string_equal(output, "");
    }
}

/* ------------------------------------------------------------------ roles */

/* What a role must be to come in: at least this. */
static const char *token_of(const char *role)
{
    return strcmp(role, "viewer") == 0     ? viewer_token
           : strcmp(role, "operator") == 0 ? operator_token
                                           : probe_token;
}

static bool may(const char *have, const char *need)
{
    if (strcmp(need, "anyone") == 0 || strcmp(need, have) == 0) return true;
    return strcmp(need, "viewer") == 0 && strcmp(have, "operator") == 0;
}

static void try_route(const char *method, const char *path, const char *need)
{
    static const char *const roles[] = { "viewer", "operator", "probe" };

    for (size_t i = 0; i < ARRAY_COUNT(roles); i++) {
        int status = status_of(method, path, token_of(roles[i]));

        if (may(roles[i], need) == (status == 403))
            fail_msg("%s %s as %s: %d, but it needs %s", method, path, roles[i], status, need);
    }
    if ((strcmp(need, "anyone") == 0) == (status_of(method, path, NULL) == 401))
        fail_msg("%s %s without a token", method, path);
}

/* {id} becomes something that is no id: what is asked is who may ask. */
static void every_route_has_its_role(void **state)
{
    struct api_answer answer;
    json_t *path, *operation;
    const char *pattern, *method;
    size_t count = 0;

    (void)state;
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/api/v1/openapi.json",
                                .token = viewer_token },
            &answer);
    json_object_foreach(json_object_get(answer.json, "paths"), pattern, path)
    {
        json_object_foreach(path, method, operation)
        {
            const char *role = json_string_value(json_object_get(operation, "x-role"));

            if (strcmp(pattern, "/api/v1/events") == 0) continue; /* would not end */
            try_route(method_of(method), pattern, role);
            count++;
        }
    }
    assert_true(count > 20);
    api_answer_done(&answer);
    try_route("POST", "/probe/v1/poll", "probe");
    try_route("POST", "/probe/v1/pulse", "probe");
    try_route("POST", "/probe/v1/report", "probe");
    try_route("POST", "/probe/v1/log", "probe");
}

static void check_refusal(const char *method, const char *path, const char *token,
                          const char *sentence)
{
    struct api_answer answer;

    api_ask(&(struct api_call){ .port = scheduler.port,
                                .method = method,
                                .path = path,
                                .token = token,
                                .body = { .data = strcmp(method, "POST") == 0 ? "" : NULL } },
            &answer);
    assert_int_equal(answer.status, 403);
    assert_string_equal(json_string_value(json_object_get(answer.json, "detail")), sentence);
    api_answer_done(&answer);
}

static void a_refusal_names_the_role_that_is_and_the_one_that_is_needed(void **state)
{
    (void)state;
    check_refusal("POST", "/api/v1/tasks", viewer_token,
                  "The token 'eve' is a viewer's; this needs an operator's.");
    check_refusal("GET", "/api/v1/tasks", probe_token,
                  "The token 'shop' is a probe's; this needs a viewer's or an operator's.");
    check_refusal("POST", "/probe/v1/poll", operator_token,
                  "The token 'otto' is an operator's; this needs a probe's.");
}

/* Who may see an application may see its settings, and may not switch its probes off. */
static void settings_are_seen_by_a_viewer_and_made_by_an_operator(void **state)
{
    static const char path[] = "/api/v1/applications/shop/settings";
    struct api_call change = { .port = scheduler.port,
                               .method = "PUT",
                               .path = path,
                               .token = viewer_token,
                               .body = TEXT("{\"probe\":\"off\"}") };
    struct api_answer answer;

    (void)state;
    api_ask(&change, &answer);
    assert_int_equal(answer.status, 403);
    assert_string_equal(json_string_value(json_object_get(answer.json, "detail")),
                        "The token 'eve' is a viewer's; this needs an operator's.");
    api_answer_done(&answer);
    change.token = probe_token;
    api_ask(&change, &answer);
    assert_int_equal(answer.status, 403);
    api_answer_done(&answer);
    api_ask(&(struct api_call){ .port = scheduler.port, .path = path, .token = viewer_token },
            &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(json_string_value(json_object_get(answer.json, "probe")), "on");
    api_answer_done(&answer);
    change.token = operator_token;
    api_ask(&change, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(json_string_value(json_object_get(answer.json, "probe")), "off");
    assert_string_equal(json_string_value(json_object_get(answer.json, "author")), "otto");
    api_answer_done(&answer);
}

static void the_author_of_a_task_is_its_token_s_name(void **state)
{
    struct api_answer answer;

    (void)state;
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/api/v1/tasks",
                                .token = operator_token,
                                .body = TEXT("{\"application\":\"a\",\"interface\":\"i\","
                                             "\"duration_min\":5,\"threshold_ms\":50}") },
            &answer);
    assert_int_equal(answer.status, 201);
    assert_string_equal(json_string_value(json_object_get(answer.json, "author")), "otto");
    api_answer_done(&answer);
}

/* ------------------------------------------------------------------ taking them away */

static void a_revoked_token_is_refused_within_seconds(void **state)
{
    char output[256];

    (void)state;
    assert_int_equal(command("revoke", "eve", NULL, output, sizeof output), 0);
    wait_for_status(viewer_token, 401);
    wait_for_status(operator_token, 200);
}

static void without_a_scheduler_tokens_are_made_and_kept(void **state)
{
    char second[TOKEN_SIZE];

    (void)state;
    scheduler_process_stop(&scheduler);
    assert_int_equal(command("create", "viewer", "eve", second, sizeof second), 0);
    scheduler_process_start(&scheduler);
    wait_for_status(second, 200);
    wait_for_status(viewer_token, 401);
    wait_for_status(operator_token, 200);
}

/* A lock does not open because its keys were taken away. */
static void the_last_token_s_end_lets_nobody_in(void **state)
{
    char output[256];

    (void)state;
    assert_int_equal(command("revoke", "eve", NULL, output, sizeof output), 0);
    assert_int_equal(command("revoke", "otto", NULL, output, sizeof output), 0);
    assert_int_equal(command("revoke", "shop", NULL, output, sizeof output), 0);
    wait_for_status(operator_token, 401);
    wait_for_status(NULL, 401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_tokens_everybody_on_this_machine_is_an_operator),
        cmocka_unit_test(a_token_is_printed_once_and_counts_within_seconds),
        cmocka_unit_test(lists_name_tokens_and_never_show_them),
        cmocka_unit_test(a_list_says_what_a_token_is_good_for),
        cmocka_unit_test(a_rotated_token_has_another_secret_and_the_old_one_for_a_while),
        cmocka_unit_test(commands_that_make_no_sense_are_refused),
        cmocka_unit_test(every_route_has_its_role),
        cmocka_unit_test(a_refusal_names_the_role_that_is_and_the_one_that_is_needed),
        cmocka_unit_test(settings_are_seen_by_a_viewer_and_made_by_an_operator),
        cmocka_unit_test(the_author_of_a_task_is_its_token_s_name),
        cmocka_unit_test(a_revoked_token_is_refused_within_seconds),
        cmocka_unit_test(without_a_scheduler_tokens_are_made_and_kept),
        cmocka_unit_test(the_last_token_s_end_lets_nobody_in),
    };

    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
