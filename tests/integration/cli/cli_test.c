/* SPDX-License-Identifier: Apache-2.0 */
/* cli_test.c: the CLI against a real stakeoutd with its Redis, and a probe that speaks the wire.
 *
 * One scheduler serves all tests of this program, in their order; each works under an application
 * of its own. Most commands run within this process; those that are followed from outside (task
 * watch) are the real program. */
#include "common/base/own.h"
#include "tests/integration/cli/program.h"
#include "tests/support/api_client.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_process.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"
#include "tests/unit/tools/cli/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WORDS_MAX = 32, TASK_TEXT_SIZE = 24 };

static struct scheduler_process scheduler;
static struct run run;

/* ------------------------------------------------------------------ words */

#define RUN(...)    run_cli(&run, (const char *const[]){ __VA_ARGS__, NULL })
#define CREATE(...) create((const char *const[]){ __VA_ARGS__, NULL })

static void assert_code(int code)
{
    if (run.code != code) fail_msg("%d, not %d: %s%s", run.code, code, run.out, run.err);
}

static void assert_out(const char *what)
{
    if (!strstr(run.out, what)) fail_msg("no '%s' in: %s", what, run.out);
}

static void assert_err(const char *what)
{
    if (!strstr(run.err, what)) fail_msg("no '%s' in: %s", what, run.err);
}

/* Creates a task of an application, with further words; its id is in `ret`. */
static void create_task(const char *application, const char *const *more, char ret[TASK_TEXT_SIZE])
{
    const char *words[WORDS_MAX] = { "task",           "create",     "--interface",
                                     "POST /checkout", "--duration", "5m",
                                     "--threshold",    "100ms",      "--application" };
    size_t count = 9;

    words[count++] = application;
    for (; *more; more++) {
        words[count++] = *more;
    }
    run_cli(&run, words);
    assert_code(0);
    assert_int_equal(strlen(run.out), TASK_ID_SIZE + 1);
    snprintf(ret, TASK_TEXT_SIZE, "%.*s", TASK_ID_SIZE, run.out);
}

#define MORE(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_MORE   ((const char *const[]){ NULL })

static void report(const char *application, const char *task, struct sample_id *ret_id,
                   struct trace_id *ret_trace)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, application, "host-1:17");
    struct sample_id id = sample_id_make();
    struct trace_id trace = trace_id_make();

    assert_true(fake_probe_poll(&probe) > 0);
    assert_int_equal(fake_probe_report(
                         &probe, &(struct fake_sample){ .task = task, .id = &id, .trace = &trace }),
                     REPORT_ACCEPTED);
    if (ret_id) *ret_id = id;
    if (ret_trace) *ret_trace = trace;
}

/* ------------------------------------------------------------------ limits */

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

static void cancel(const char *id)
{
    char task[TASK_TEXT_SIZE];

    snprintf(task, sizeof task, "%.*s", TASK_ID_SIZE, id);
    RUN("task", "cancel", task);
    assert_code(0);
    assert_out("CANCELLED");
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

/* ------------------------------------------------------------------ tasks */

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

/* ------------------------------------------------------------------ watch */

static void watch_start(struct program *program, const char *task)
{
    program_start(program, (const char *const[]){ "stakeout", "task", "watch", task, NULL });
    program_wait_for(program, "ACTIVE, 0 of");
}

static void watch_ends_with_4_if_no_instance_took_the_task(void **state)
{
    char task[TASK_TEXT_SIZE];
    struct program program;

    (void)state;
    create_task("nobody", NO_MORE, task);
    watch_start(&program, task);
    cancel(task);
    assert_int_equal(program_end(&program), 4);
    assert_non_null(strstr(program.text.data, "No instance"));
    buf_done(&program.text);
}

static void watch_ends_with_3_if_nothing_was_captured(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "quiet", "host-1:17");
    struct fake_calls calls = {
        .interface = "POST /checkout", .count = 12, .each_ns = 30000000, .seen = 12
    };
    char task[TASK_TEXT_SIZE];
    struct program program;

    (void)state;
    create_task("quiet", NO_MORE, task);
    calls.task = task;
    assert_int_equal(fake_probe_poll(&probe), 1);
    watch_start(&program, task);
    fake_probe_pulse(&probe, &calls, 1);
    program_wait_for(&program, "instances: 1");
    cancel(task);
    assert_int_equal(program_end(&program), 3);
    buf_done(&program.text);
}

static void watch_ends_with_0_when_the_cap_is_reached(void **state)
{
    char task[TASK_TEXT_SIZE];
    struct program program;
    struct sample_id id;

    (void)state;
    create_task("busy", MORE("--samples", "2"), task);
    watch_start(&program, task);
    report("busy", task, &id, NULL);
    program_wait_for(&program, "1 of 2 samples");
    program_wait_for(&program, id.text);
    report("busy", task, NULL, NULL);
    assert_int_equal(program_end(&program), 0);
    assert_non_null(strstr(program.text.data, "FILLED, 2 of 2 samples"));
    buf_done(&program.text);
}

static void watch_outlives_a_restart_of_the_scheduler(void **state)
{
    char task[TASK_TEXT_SIZE], url[64];
    struct program program;
    uint16_t port = scheduler.port;

    (void)state;
    create_task("patient", NO_MORE, task);
    watch_start(&program, task);
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    program_wait_for(&program, "does not answer; asking again");
    snprintf(url, sizeof url, "127.0.0.1:%u", port);
    scheduler.options[0] = "--listen";
    scheduler.options[1] = url;
    scheduler_process_start(&scheduler);
    scheduler.options[0] = NULL;
    assert_int_equal(scheduler.port, port);
    cancel(task);
    assert_int_equal(program_end(&program), 4);
    buf_done(&program.text);
}

static void watch_redraws_in_place_on_a_terminal(void **state)
{
    char task[TASK_TEXT_SIZE];
    struct program program;
    struct sample_id id;

    (void)state;
    create_task("live", MORE("--samples", "1"), task);
    program_start_on_terminal(&program,
                              (const char *const[]){ "stakeout", "task", "watch", task, NULL });
    program_wait_for(&program, "0 of 1  [....................]");
    program_wait_for(&program, "\033[8A\033[J"); /* over the eight lines of the view before */
    program_wait_for(&program, "\033[32mACTIVE\033[0m");
    report("live", task, &id, NULL);
    assert_int_equal(program_end(&program), 0);
    assert_non_null(strstr(program.text.data, "1 of 1  [====================]"));
    assert_non_null(strstr(program.text.data, id.text));
    buf_done(&program.text);
}

static void colour_is_left_out_where_it_is_not_wanted(void **state)
{
    struct program program;

    (void)state;
    setenv("NO_COLOR", "1", 1);
    program_start_on_terminal(&program, (const char *const[]){ "stakeout", "doctor", NULL });
    assert_int_equal(program_end(&program), 0);
    assert_null(strchr(program.text.data, '\033'));
    unsetenv("NO_COLOR");
    buf_done(&program.text);
    program_start_on_terminal(&program, (const char *const[]){ "stakeout", "doctor", NULL });
    assert_int_equal(program_end(&program), 0);
    assert_non_null(strstr(program.text.data, "\033[32mok\033[0m"));
    buf_done(&program.text);
}

/* ------------------------------------------------------------------ samples */

static void sample_is_shown_with_its_analysis(void **state)
{
    char task[TASK_TEXT_SIZE];
    struct sample_id id;
    struct trace_id trace;

    (void)state;
    create_task("shown", NO_MORE, task);
    report("shown", task, &id, &trace);

    RUN("sample", "list", task);
    assert_code(0);
    assert_out(id.text);
    RUN("trace", "show", trace.text);
    assert_code(0);
    assert_out(id.text);
    assert_out("shown");

    RUN("sample", "show", id.text);
    assert_code(0);
    assert_out("POST /checkout took ");
    assert_out(trace.text);
    assert_out("host-1:17 of shown");
    assert_out(" not observed + ");
    assert_out("Findings\n");
    assert_out("Call tree");
    assert_out("total ");
    assert_out("Hot functions");
    RUN("task", "analysis", task);
    assert_code(0);
    assert_out("Call tree");

    RUN("sample", "diff", id.text, id.text);
    assert_code(0);
    assert_out("difference");
    RUN("task", "diff", task, task);
    assert_code(0);
    RUN("sample", "show", id.text, "--json");
    assert_out("\"raw\":");
    cancel(task);
}

static void exports_are_written_whole(void **state)
{
    static const char *const formats[] = { "json", "folded", "speedscope", "pprof", "svg" };
    char task[TASK_TEXT_SIZE], path[160], file[96];
    struct program program;
    struct sample_id id;

    (void)state;
    create_task("export", NO_MORE, task);
    report("export", task, &id, NULL);
    snprintf(file, sizeof file, "%s/exported", scheduler.directory);
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        struct api_answer answer;
        struct stat status;
        static char content[1 << 20];
        FILE *stream;

        snprintf(path, sizeof path, "/api/v1/samples/%s/analysis?format=%s", id.text, formats[i]);
        api_ask(&(struct api_call){ .port = scheduler.port, .path = path }, &answer);
        assert_int_equal(answer.status, 200);
        RUN("sample", "export", id.text, "--format", formats[i], "-o", file);
        assert_code(0);
        assert_string_equal(run.out, "");
        assert_int_equal(stat(file, &status), 0);
        assert_int_equal(status.st_size, answer.body.size);
        stream = fopen(file, "r");
        assert_non_null(stream);
        assert_int_equal(fread(content, 1, sizeof content, stream), answer.body.size);
        assert_int_equal(fclose(stream), 0);
        assert_memory_equal(content, answer.body.data, answer.body.size);
        api_answer_done(&answer);
    }
    RUN("task", "export", task, "--format", "folded", "-o", "-");
    assert_code(0);
    assert_true(strlen(run.out) > 0);
    program_start_on_terminal(&program, (const char *const[]){ "stakeout", "task", "export", task,
                                                               "--format", "pprof", NULL });
    assert_int_equal(program_end(&program), 2);
    assert_non_null(strstr(program.text.data, "pprof is binary and this is a terminal"));
    buf_done(&program.text);
    RUN("task", "export", task, "--format", "svg", "-o", "/nonexistent/file");
    assert_code(1);
    assert_err("cannot be written");
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

/* ------------------------------------------------------------------ doctor, tokens */

static void doctor_is_content_with_a_whole_chain(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "doctor", "host-1:17");

    (void)state;
    (void)fake_probe_poll(&probe);
    RUN("doctor");
    assert_code(0);
    assert_out("ok    server");
    assert_out("ok    store");
    assert_out("ok    durability");
    assert_out("polling");
    RUN("doctor", "--json");
    assert_code(0);
    assert_out("\"state\": \"ok\"");
}

static void doctor_names_the_task_that_nobody_took(void **state)
{
    char task[TASK_TEXT_SIZE];

    (void)state;
    create_task("lonely", NO_MORE, task);
    RUN("doctor");
    assert_code(0);
    assert_out("warn  task");
    assert_out("lonely");
    cancel(task);
}

static void make_token(const char *role, const char *name, char *ret, size_t size)
{
    assert_int_equal(
        scheduler_process_command(
            &scheduler, (const char *const[]){ "token", "create", role, name, NULL }, ret, size),
        0);
}

static bool is_locked_out(void *context)
{
    (void)context;
    RUN("task", "list");
    return run.code == 1;
}

/* The last test of the program: once there was a token, the door stays locked. */
static void token_decides_what_may_be_done(void **state)
{
    char viewer[128], operator[128];

    (void)state;
    make_token("viewer", "eve", viewer, sizeof viewer);
    make_token("operator", "ana", operator, sizeof operator);
    assert_true(wait_until(is_locked_out, NULL, PROGRAM_WAIT_MS));
    assert_err("token");
    RUN("doctor");
    assert_code(1);
    assert_out("fail  token");
    assert_out("stakeoutd token create");

    RUN("task", "list", "--token", viewer);
    assert_code(0);
    RUN("doctor", "--token", viewer);
    assert_code(0);
    assert_out("warn  token");
    RUN("task", "create", "--application", "locked", "--interface", "x", "--duration", "5m",
        "--threshold", "100ms", "--token", viewer);
    assert_code(1);

    setenv("STAKEOUT_TOKEN", operator, 1);
    RUN("doctor");
    assert_code(0);
    assert_out("'ana'");
    RUN("task", "create", "--application", "locked", "--interface", "x", "--duration", "5m",
        "--threshold", "100ms");
    assert_code(0);
    cancel(run.out);
    unsetenv("STAKEOUT_TOKEN");
}

static void absent_scheduler_is_found_by_the_doctor(void **state)
{
    (void)state;
    scheduler_process_kill(&scheduler);
    RUN("doctor");
    assert_code(1);
    assert_out("fail  server");
    RUN("task", "list");
    assert_code(1);
}

/* ------------------------------------------------------------------ */

static int set_up(void **state)
{
    char url[64];

    (void)state;
    scheduler_process_start(&scheduler);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", scheduler.port);
    setenv("STAKEOUT_SERVER", url, 1);
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    setenv("COLUMNS", "100", 1);
    setenv("TZ", "UTC", 1);
    unsetenv("STAKEOUT_TOKEN");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scheduler_process_done(&scheduler);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cli_and_api_refuse_with_the_same_sentence),
        cmocka_unit_test(orders_are_refused_as_a_whole_with_the_same_sentence),
        cmocka_unit_test(task_goes_through_its_life),
        cmocka_unit_test(scheduled_task_says_when_it_starts),
        cmocka_unit_test(json_is_the_answer_of_the_api),
        cmocka_unit_test(watch_ends_with_4_if_no_instance_took_the_task),
        cmocka_unit_test(watch_ends_with_3_if_nothing_was_captured),
        cmocka_unit_test(watch_ends_with_0_when_the_cap_is_reached),
        cmocka_unit_test(watch_redraws_in_place_on_a_terminal),
        cmocka_unit_test(colour_is_left_out_where_it_is_not_wanted),
        cmocka_unit_test(sample_is_shown_with_its_analysis),
        cmocka_unit_test(exports_are_written_whole),
        cmocka_unit_test(lists_show_what_has_reported),
        cmocka_unit_test(doctor_is_content_with_a_whole_chain),
        cmocka_unit_test(doctor_names_the_task_that_nobody_took),
        cmocka_unit_test(watch_outlives_a_restart_of_the_scheduler),
        cmocka_unit_test(token_decides_what_may_be_done),
        cmocka_unit_test(absent_scheduler_is_found_by_the_doctor),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
