/* SPDX-License-Identifier: Apache-2.0 */
/* Two schedulers on one Redis: who was let in through one is known at the other, and who was shut
 * out, by a command beside them, is shut out of both at once. */
#include "common/base/clock.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is not told is read every two seconds: then half of them take a second or longer. */
enum { ROUNDS = 7, TOLD_MS_MAX = 500, TOKEN_SIZE = 128, HEADERS_SIZE = 256, WAIT_MS = 20000 };

struct visit {
    uint16_t port;
    const char *token, *headers;
    int status;
};

static bool is_answered(void *context)
{
    const struct visit *visit = context;
    struct api_answer answer;
    int status;

    api_ask(&(struct api_call){ .port = visit->port,
                                .path = "/api/v1/session",
                                .token = visit->token,
                                .headers = visit->headers },
            &answer);
    status = answer.status;
    api_answer_done(&answer);
    if (status == 429) status = 401; /* too many were refused here lately: shut out as well */
    return status == visit->status;
}

static void wait_at(const struct scheduler_process *door, const char *token, const char *headers,
                    int status)
{
    struct visit visit = { door->port, token, headers, status };

    if (!wait_until(is_answered, &visit, WAIT_MS)) fail_msg("never answered with %d", status);
}

static void run_command(const char *verb, const char *name, const char *role, char *ret)
{
    const char *words[] = { "token", verb, name, role ? "--role" : NULL, role, NULL };

    assert_int_equal(scheduler_process_command(&scheduler, words, ret, TOKEN_SIZE), 0);
}

static void log_in(const char *token, char ret_headers[HEADERS_SIZE])
{
    char body[TOKEN_SIZE + 32];
    struct api_answer answer;
    const char *cookie;

    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/api/v1/session",
                                .body = text_of(body) },
            &answer);
    assert_int_equal(answer.status, 201);
    cookie = api_header(&answer, "Set-Cookie");
    snprintf(ret_headers, HEADERS_SIZE, "Cookie: %.*s\r\n", (int)strcspn(cookie, ";"), cookie);
    api_answer_done(&answer);
}

static int compare(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

static void a_revoked_token_and_its_sessions_are_shut_out_of_both_at_once(void **state)
{
    char token[TOKEN_SIZE], output[TOKEN_SIZE], cookie[HEADERS_SIZE];
    uint64_t times_ns[ROUNDS];

    (void)state;
    run_command("create", "stays", "viewer", output); /* so that the door is shut */
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t began_ns;

        run_command("create", "goes", "viewer", token);
        wait_at(&scheduler, token, NULL, 200);
        wait_at(&scheduler_other, token, NULL, 200);
        log_in(token, cookie);
        wait_at(&scheduler_other, NULL, cookie, 200);
        run_command("revoke", "goes", NULL, output);
        began_ns = clock_monotonic_ns();
        wait_at(&scheduler_other, NULL, cookie, 401);
        wait_at(&scheduler, token, NULL, 401);
        times_ns[i] = clock_monotonic_ns() - began_ns;
    }
    qsort(times_ns, ROUNDS, sizeof times_ns[0], compare);
    printf("shut out of both %.1f ms after the command, at the median\n",
           (double)times_ns[ROUNDS / 2] / NS_PER_MS);
    assert_true(times_ns[ROUNDS / 2] < ms_to_ns(TOLD_MS_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_revoked_token_and_its_sessions_are_shut_out_of_both_at_once),
    };

    return cmocka_run_group_tests(tests, scheduler_setup_with_other, scheduler_teardown_with_other);
}
