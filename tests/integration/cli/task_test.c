/* SPDX-License-Identifier: Apache-2.0 */
/* task_test.c: a task, from its creation to its end, and what is listed. */
#include "tests/integration/cli/cli_fixture.h"

#include "common/base/clock.h"
#include "tests/integration/cli/program.h"
#include "tests/support/api_client.h"
#include "tests/support/fake_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void task_goes_through_its_life(void **state)
{
    char task[TASK_TEXT_SIZE], copy[TASK_TEXT_SIZE];

    (void)state;
    create_task("life",
                MORE("--note", "why \xe2\x80\xae not", "--samples", "7", "--frequency", "20ms"),
                task);
    assert_err("watching POST /checkout of life for 5 min: calls past 100 ms, every 20 ms");
    assert_err("warning: ");

    RUN("task", "list", "--application", "life", "--state", "active", "--since", "1h");
    assert_code(0);
    assert_out(task);
    RUN("task", "list", "--application", "life", "--until", "1h ago");
    assert_code(0);
    assert_string_equal(run.out, "");

    RUN("task", "show", task);
    assert_code(0);
    assert_out("0 of 7 samples");
    assert_out("why \\u{202e} not");
    assert_out("every 20 ms");
    assert_out("No instance");

    RUN("task", "extend", task);
    assert_code(0);
    RUN("task", "extend", task);
    assert_code(0);
    RUN("task", "extend", task);
    assert_code(1);

    RUN("task", "create", "--application", "life", "--interface", "POST /*", "--duration", "5m",
        "--threshold", "100ms");
    assert_code(1);
    assert_err(task); /* the one in the way */

    cancel(task);
    RUN("task", "cancel", task);
    assert_code(1);
    assert_err("is over");

    RUN("task", "log", task);
    assert_code(0);
    assert_out("created");
    assert_out("extended");
    assert_out("cancelled");

    RUN("task", "clone", task, "--threshold", "60ms", "--json");
    assert_code(0);
    assert_out("\"threshold_ms\":60");
    assert_out("\"sample_cap\":7");
    assert_out("\"duration_min\":15");
    snprintf(copy, sizeof copy, "%.*s", TASK_ID_SIZE, strstr(run.out, "\"id\":\"") + 6);
    cancel(copy);
}

static void scheduled_task_says_when_it_starts(void **state)
{
    char task[TASK_TEXT_SIZE];

    (void)state;
    create_task("later", MORE("--start", "+10m"), task);
    assert_err(" from ");
    RUN("task", "list", "--application", "later");
    assert_out("SCHEDULED");
    assert_out("  in ");
    cancel(task);
}

/* The first moment that is not over: an order for it must not be late by its way to the scheduler.
 * Often enough that chance cannot win each time. */
static void start_in_no_time_is_now(void **state)
{
    char task[TASK_TEXT_SIZE];

    (void)state;
    for (int i = 0; i < 50; i++) {
        create_task("at-once", MORE("--start", "+0s", "--samples", "1"), task);
        assert_err("watching POST /checkout of at-once for 5 min: calls past 100 ms");
        assert_err(", up to 1 sample\n");
        cancel(task);
    }
}

/* Which part of an output that has both stands first. */
static void assert_order(const struct program *program, const char *first, const char *second)
{
    const char *at = strstr(program->text.data, first);

    if (!at || !strstr(at, second))
        fail_msg("'%s' is not before '%s': %s", first, second, program->text.data);
}

static void tables_go_whole_into_a_pipe_and_notes_behind_them(void **state)
{
    static const char *const list[] = { "stakeout", "task",    "list", "--application",
                                        "wide",     "--limit", "1",    NULL };
    char first[TASK_TEXT_SIZE], second[TASK_TEXT_SIZE];
    struct program program;

    (void)state;
    create_task("wide", NO_MORE, first);
    cancel(first);
    create_task("wide", NO_MORE, second);
    unsetenv("COLUMNS");
    program_start(&program, list);
    assert_int_equal(program_end(&program), 0);
    assert_order(&program, "THRESHOLD", "CREATED  ");
    assert_order(&program, "CREATED  ", "AUTHOR");
    assert_order(&program, second, "there are more: --cursor");
    assert_null(strstr(program.text.data, "left out"));
    buf_done(&program.text);
    setenv("COLUMNS", "80", 1);
    program_start(&program, list);
    assert_int_equal(program_end(&program), 0);
    assert_order(&program, second, "left out at 80 columns: ");
    buf_done(&program.text);
    setenv("COLUMNS", "100", 1);
    cancel(second);
}

static void json_is_the_answer_of_the_api(void **state)
{
    static const struct {
        const char *words[6];
        const char *path;
    } cases[] = {
        { { "task", "list", "--application", "same", "--json" }, "/api/v1/tasks?application=same" },
        { { "application", "list", "--json" }, "/api/v1/applications" },
        { { "interface", "list", "--application", "same", "--json" },
          "/api/v1/interfaces?application=same" },
    };
    char task[TASK_TEXT_SIZE], path[160];
    struct api_answer answer;

    (void)state;
    create_task("same", NO_MORE, task);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        api_ask(&(struct api_call){ .port = scheduler.port, .path = cases[i].path }, &answer);
        run_cli(&run, cases[i].words);
        assert_code(0);
        assert_string_equal(run.out, answer.body.data);
        api_answer_done(&answer);
    }
    snprintf(path, sizeof path, "/api/v1/tasks/%s", task);
    api_ask(&(struct api_call){ .port = scheduler.port, .path = path }, &answer);
    RUN("task", "show", task, "--json");
    assert_string_equal(run.out, answer.body.data);
    api_answer_done(&answer);
    RUN("task", "show", "aaaaaaaaaaaaaaaaaaaa", "--json");
    assert_code(1);
    assert_out("\"type\":\"no-such-task\"");
    assert_err("aaaaaaaaaaaaaaaaaaaa");
    cancel(task);
}

/* ------------------------------------------------------------------ what has reported */

static void lists_show_what_has_reported(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "lists", "host-9:42");
    struct fake_calls calls[] = {
        { .interface = "POST /checkout", .count = 1200, .each_ns = 31000000 },
        { .interface = "GET /\x1b[31mred", .count = 3, .each_ns = 2000000 },
    };

    (void)state;
    (void)fake_probe_poll(&probe);
    fake_probe_pulse(&probe, calls, 1);
    RUN("application", "list");
    assert_code(0);
    assert_out("lists");
    RUN("interface", "list", "--application", "lists", "--last", "5m");
    assert_code(0);
    assert_out("POST /checkout");
    RUN("instance", "list", "--application", "lists");
    assert_code(0);
    assert_out("host-9:42");
    assert_out("polling");

    RUN("task", "create", "--application", "lists", "--interface", "POST /chekout", "--duration",
        "5m", "--threshold", "100ms");
    assert_code(0);
    assert_err("POST /checkout"); /* the nearest name */
    cancel(run.out);
    RUN("task", "create", "--application", "lists", "--interface", "POST /checkout", "--duration",
        "5m", "--threshold", "p99");
    assert_code(1); /* 31 ms is below what can be watched */
    assert_err("'threshold_ms' is p99");
}

static void the_frequency_line_says_what_the_budget_made_of_it(void **state)
{
    struct fake_probe free_probe = FAKE_PROBE(scheduler.port, "stretched", "host-1:1");
    struct fake_probe bound_probe = FAKE_PROBE(scheduler.port, "stretched", "host-2:2");
    struct fake_calls calls = { .interface = "POST /checkout", .count = 10, .each_ns = 1000000 };
    char task[TASK_TEXT_SIZE];

    (void)state;
    create_task("stretched", MORE("--frequency", "20ms"), task);
    calls.task = task;
    calls.seen = 10;
    fake_probe_pulse(&free_probe, &calls, 1);
    RUN("task", "show", task);
    assert_out("every 20 ms\n");
    calls.stretched_ns = 43 * NS_PER_MS;
    fake_probe_pulse(&bound_probe, &calls, 1);
    RUN("task", "show", task);
    assert_out("every 20 ms, stretched to 43 ms to stay within the budget\n");
    cancel(task);
}

static void what_was_done_is_in_the_audit_log(void **state)
{
    char task[TASK_TEXT_SIZE];

    (void)state;
    create_task("audited", NO_MORE, task);
    cancel(task);
    RUN("audit", "--since", "1h");
    assert_code(0);
    assert_out("task-cancelled");
    assert_out("local");
    assert_out("audited");
    assert_out(task);
    RUN("audit", "--limit", "1", "--json");
    assert_code(0);
    assert_out("\"task-cancelled\"");
    assert_null(strstr(run.out, "task-created"));
    RUN("audit", "--until", "1h");
    assert_code(0);
    assert_string_equal(run.out, "");
    RUN("audit", "--limit", "0");
    assert_code(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(task_goes_through_its_life),
        cmocka_unit_test(scheduled_task_says_when_it_starts),
        cmocka_unit_test(start_in_no_time_is_now),
        cmocka_unit_test(tables_go_whole_into_a_pipe_and_notes_behind_them),
        cmocka_unit_test(json_is_the_answer_of_the_api),
        cmocka_unit_test(lists_show_what_has_reported),
        cmocka_unit_test(the_frequency_line_says_what_the_budget_made_of_it),
        cmocka_unit_test(what_was_done_is_in_the_audit_log),
    };

    return cmocka_run_group_tests(tests, cli_setup, scheduler_teardown);
}
