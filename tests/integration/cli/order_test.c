/* SPDX-License-Identifier: Apache-2.0 */
/* order_test.c: what may be ordered: the CLI and the API refuse with the same sentence. */
#include "tests/integration/cli/cli_fixture.h"
#include "tests/support/api_client.h"

#include "common/base/own.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *option, *value; /* of the CLI */
    const char *field, *json;   /* of the API */
    bool is_accepted;
} edges[] = {
    { "--duration", "4m", "duration_min", "4", false },
    { "--duration", "5m", "duration_min", "5", true },
    { "--duration", "6m", "duration_min", "6", false },
    { "--duration", "15m", "duration_min", "15", true },
    { "--duration", "16m", "duration_min", "16", false },
    { "--threshold", "49ms", "threshold_ms", "49", false },
    { "--threshold", "50ms", "threshold_ms", "50", true },
    { "--threshold", "30s", "threshold_ms", "30000", true },
    { "--threshold", "30001ms", "threshold_ms", "30001", false },
    { "--threshold", "p95", "threshold_ms", "\"p95\"", false },
    { "--frequency", "4ms", "frequency_ms", "4", false },
    { "--frequency", "5ms", "frequency_ms", "5", true },
    { "--frequency", "1s", "frequency_ms", "1000", true },
    { "--frequency", "1001ms", "frequency_ms", "1001", false },
    { "--samples", "0", "sample_cap", "0", false },
    { "--samples", "1", "sample_cap", "1", true },
    { "--samples", "100", "sample_cap", "100", true },
    { "--samples", "101", "sample_cap", "101", false },
    { "--interface", "GET /*", "interface", "\"GET /*\"", true },
    { "--interface", "GET /*/x", "interface", "\"GET /*/x\"", false },
    { "--interface", "", "interface", "\"\"", false },
    { "--application", "", "application", "\"\"", false },
    { "--note", "a\tb", "note", "\"a\\tb\"", false },
    { "--instance", "", "instances", "[\"\"]", false },
    { "--start", "1970-01-01T00:00:01Z", "start", "\"1970-01-01T00:00:01Z\"", false },
    { "--start", "1970-01-01T00:00:00Z", "start", "\"1970-01-01T00:00:00Z\"", false },
    { "--start", "2199-01-01T00:00:00Z", "start", "\"2199-01-01T00:00:00Z\"", false },
};

/* The order of an edge as the API takes it, the other fields as the CLI is given them. */
static void ask_api(size_t edge, struct api_answer *ret)
{
    static const char *const others[][2] = { { "application", "\"edges\"" },
                                             { "interface", "\"POST /checkout\"" },
                                             { "duration_min", "5" },
                                             { "threshold_ms", "100" } };
    OWN(buf_done) struct buf body = BUF_INIT(4096);

    (void)buf_printf(&body, "{\"%s\": %s", edges[edge].field, edges[edge].json);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        if (strcmp(others[i][0], edges[edge].field) == 0) continue;
        (void)buf_printf(&body, ", \"%s\": %s", others[i][0], others[i][1]);
    }
    (void)buf_text(&body, TEXT("}"));
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/api/v1/tasks",
                                .body = buf_peek(&body) },
            ret);
}

static void ask_cli(size_t edge)
{
    static const char *const others[][2] = { { "--application", "edges" },
                                             { "--interface", "POST /checkout" },
                                             { "--duration", "5m" },
                                             { "--threshold", "100ms" } };
    const char *words[WORDS_MAX] = { "task", "create", edges[edge].option, edges[edge].value };
    size_t count = 4;

    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        if (strcmp(others[i][0], edges[edge].option) == 0) continue;
        words[count++] = others[i][0];
        words[count++] = others[i][1];
    }
    run_cli(&run, words);
}

static void cli_and_api_refuse_with_the_same_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(edges); i++) {
        struct api_answer answer;
        char expected[1024];

        ask_api(i, &answer);
        if (answer.status != (edges[i].is_accepted ? 201 : 400))
            fail_msg("%s = %s: %d", edges[i].field, edges[i].json, answer.status);
        if (edges[i].is_accepted) cancel(json_string_value(json_object_get(answer.json, "id")));
        if (!edges[i].is_accepted)
            snprintf(expected, sizeof expected, "stakeout: %s: %s\n", edges[i].option,
                     json_string_value(json_object_get(answer.json, "detail")));
        ask_cli(i);
        if (run.code != (edges[i].is_accepted ? 0 : 2))
            fail_msg("%s %s: %d %s", edges[i].option, edges[i].value, run.code, run.err);
        if (edges[i].is_accepted)
            cancel(run.out);
        else
            assert_string_equal(run.err, expected);
        api_answer_done(&answer);
    }
}

/* What no single field shows: one that is missing, and two that do not go together. */
static void orders_are_refused_as_a_whole_with_the_same_sentence(void **state)
{
    static const struct {
        const char *body;
        const char *words[12];
        const char *option;
    } cases[] = {
        { "{\"application\": \"a\", \"interface\": \"x\", \"duration_min\": 5}",
          { "task", "create", "--application", "a", "--interface", "x", "--duration", "5m" },
          "--threshold" },
        { "{\"interface\": \"x\", \"duration_min\": 5, \"threshold_ms\": 100}",
          { "task", "create", "--interface", "x", "--duration", "5m", "--threshold", "100ms" },
          "--application" },
        { "{\"application\": \"a\", \"interface\": \"x*\", \"duration_min\": 5, "
          "\"threshold_ms\": \"p99\"}",
          { "task", "create", "--application", "a", "--interface", "x*", "--duration", "5m",
            "--threshold", "p99" },
          "--threshold" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct api_answer answer;
        char expected[1024];

        api_ask(&(struct api_call){ .port = scheduler.port,
                                    .path = "/api/v1/tasks",
                                    .body = text_of(cases[i].body) },
                &answer);
        assert_int_equal(answer.status, 400);
        snprintf(expected, sizeof expected, "stakeout: %s: %s\n", cases[i].option,
                 json_string_value(json_object_get(answer.json, "detail")));
        run_cli(&run, cases[i].words);
        assert_code(2);
        assert_string_equal(run.err, expected);
        api_answer_done(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cli_and_api_refuse_with_the_same_sentence),
        cmocka_unit_test(orders_are_refused_as_a_whole_with_the_same_sentence),
    };

    return cmocka_run_group_tests(tests, cli_setup, scheduler_teardown);
}
