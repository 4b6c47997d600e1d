/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no scheduler: help, and everything that the command line alone shows to be wrong. */
#include "common/base/own.h"
#include "common/base/wall_time.h"
#include "common/model/task_spec.h"
#include "tests/support/test.h"
#include "tests/unit/tools/cli/run.h"
#include "tools/cli/cli.h"

#include <stdio.h>
#include <string.h>

#define TASK   "19aa3f0c2b1e4d5f6a7b"
#define SAMPLE "5f0c9e2ab7d3416088c1d2e3f4a5b6c7"

static struct run run;

static void every_command_runs_with_help(void **state)
{
    size_t count;
    const struct command *rows = commands(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const char *words[] = { rows[i].noun, rows[i].verb ? rows[i].verb : "--help", "--help",
                                NULL };

        run_cli(&run, words);
        if (run.code != 0 || !strstr(run.out, rows[i].summary) || run.err[0])
            fail_msg("%s %s --help: %d '%s'", rows[i].noun, rows[i].verb, run.code, run.err);
    }
}

static void help_is_found_in_every_way(void **state)
{
    static const struct {
        const char *words[4];
        int code;
        const char *says;
    } cases[] = {
        { { "help" }, 0, "Exit status" },
        { { "--help" }, 0, "Exit status" },
        { { "help", "task" }, 0, "task watch" },
        { { "task", "--help" }, 0, "task watch" },
        { { "help", "task", "create" }, 0, "--threshold" },
        { { "help", "doctor" }, 0, "check the whole chain" },
        { { "--version" }, 0, "stakeout " STAKEOUT_VERSION },
        { { "task", "list", "--version" }, 0, "stakeout " STAKEOUT_VERSION },
        { { "help", "task", "nothing" }, 2, "" },
        { { "help", "nothing" }, 2, "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        run_cli(&run, cases[i].words);
        assert_int_equal(run.code, cases[i].code);
        if (!strstr(run.out, cases[i].says)) fail_msg("%zu: '%s'", i, run.out);
    }
}

/* ------------------------------------------------------------------ fields of a task */

enum rule { DURATION, THRESHOLD, FREQUENCY, SAMPLES };

static int check(enum rule rule, int64_t value, struct problem *problem)
{
    switch (rule) {
    case DURATION:
        return duration_check(value, problem);
    case THRESHOLD:
        return threshold_check(value, problem);
    case FREQUENCY:
        return frequency_check(value, problem);
    case SAMPLES:
        return sample_cap_check(value, problem);
    }
    return -1;
}

/* Each limit on both sides of its edge. No scheduler runs at this address, so that an accepted
 * line fails with 1, and only a refused one with 2. */
static const struct {
    const char *option, *text;
    enum rule rule;
    int64_t value;
} edges[] = {
    { "--duration", "4m", DURATION, 4 },
    { "--duration", "5m", DURATION, 5 },
    { "--duration", "6m", DURATION, 6 },
    { "--duration", "10m", DURATION, 10 },
    { "--duration", "15m", DURATION, 15 },
    { "--duration", "16m", DURATION, 16 },
    { "--duration", "0m", DURATION, 0 },
    { "--threshold", "49ms", THRESHOLD, 49 },
    { "--threshold", "50ms", THRESHOLD, 50 },
    { "--threshold", "30s", THRESHOLD, 30000 },
    { "--threshold", "30001ms", THRESHOLD, 30001 },
    { "--threshold", "-1ms", THRESHOLD, -1 },
    { "--frequency", "4ms", FREQUENCY, 4 },
    { "--frequency", "5ms", FREQUENCY, 5 },
    { "--frequency", "1s", FREQUENCY, 1000 },
    { "--frequency", "1001ms", FREQUENCY, 1001 },
    { "--samples", "0", SAMPLES, 0 },
    { "--samples", "1", SAMPLES, 1 },
    { "--samples", "100", SAMPLES, 100 },
    { "--samples", "101", SAMPLES, 101 },
    { "--samples", "-1", SAMPLES, -1 },
};

static void run_create(const char *option, const char *value)
{
    const char *words[32] = { "task", "create", "--server", "http://127.0.0.1:1" };
    const char *const needed[][2] = { { "--application", "shop" },
                                      { "--interface", "POST /checkout" },
                                      { "--duration", "5m" },
                                      { "--threshold", "100ms" } };
    size_t count = 4;

    for (size_t i = 0; i < ARRAY_COUNT(needed); i++) {
        if (strcmp(needed[i][0], option) == 0) continue;
        words[count++] = needed[i][0];
        words[count++] = needed[i][1];
    }
    words[count++] = option;
    if (value) words[count++] = value;
    run_cli(&run, words);
}

static void limits_are_refused_with_the_rules_own_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(edges); i++) {
        struct problem problem = { 0 };
        char expected[PROBLEM_DETAIL_SIZE + 64];

        run_create(edges[i].option, edges[i].text);
        if (check(edges[i].rule, edges[i].value, &problem) == 0) {
            if (run.code != 1) fail_msg("%s %s: %d", edges[i].option, edges[i].text, run.code);
            continue;
        }
        snprintf(expected, sizeof expected, "stakeout: %s: %s\n", edges[i].option, problem.detail);
        if (run.code != 2 || strcmp(run.err, expected) != 0)
            fail_msg("%s %s: %d '%s'", edges[i].option, edges[i].text, run.code, run.err);
    }
}

static void texts_are_refused_beyond_their_bytes(void **state)
{
    static const struct {
        const char *option;
        size_t size_max;
    } cases[] = {
        { "--application", APPLICATION_SIZE_MAX },
        { "--interface", INTERFACE_SIZE_MAX },
        { "--note", NOTE_SIZE_MAX },
        { "--instance", INSTANCE_SIZE_MAX },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[1024];

        memset(text, 'x', sizeof text);
        text[cases[i].size_max] = '\0';
        run_create(cases[i].option, text);
        if (run.code != 1) fail_msg("%s at its edge: %d %s", cases[i].option, run.code, run.err);
        text[cases[i].size_max] = 'x';
        text[cases[i].size_max + 1] = '\0';
        run_create(cases[i].option, text);
        if (run.code != 2) fail_msg("%s past its edge: %d %s", cases[i].option, run.code, run.err);
        assert_non_null(strstr(run.err, cases[i].option));
    }
}

static void create_refuses_by_option(void **state)
{
    static const struct {
        const char *option, *value;
        const char *blame; /* in the sentence; NULL: accepted */
    } cases[] = {
        { "--application", "", "'application' is empty" },
        { "--application", "\x1b[2J", "control character" },
        { "--application", "\xff", "not UTF-8" },
        { "--interface", "GET /item/*", NULL },
        { "--interface", "GET /*/item", "'*' before its end" },
        { "--threshold", "p50", NULL },
        { "--threshold", "p90", NULL },
        { "--threshold", "p99", NULL },
        { "--threshold", "p95",
          "'threshold_ms' is \"p95\"; it must be 50 to 30000, or p50, p90 or p99." },
        { "--threshold", "100", "has no unit" },
        { "--threshold", "100.5ms", "no whole number of milliseconds" },
        { "--duration", "5.5m", "no whole number of minutes" },
        { "--frequency", "fast", "is no time" },
        { "--samples", "ten", "'sample_cap' is ten; it must be 1 to 100." },
        { "--samples", "1.5", "'sample_cap' is 1.5; it must be 1 to 100." },
        { "--start", "now", NULL },
        { "--start", "+10m", NULL },
        { "--start", "+30d", NULL },
        { "--start", "+31d", "'start' is" },
        { "--start", "-1m", "'start' is" },
        { "--start", "1970-01-01T00:00:01Z", "'start' is 1970-01-01T00:00:01.000Z" },
        { "--start", "1970-01-01T00:00:00Z", "'start' is \"1970-01-01T00:00:00Z\"; it must be" },
        { "--start", "10m", "is no point in time" },
        { "--note", "two\nlines", "control character" },
        { "--instance", "", "'instances' is empty" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        run_create(cases[i].option, cases[i].value);
        if (!cases[i].blame) {
            if (run.code != 1) fail_msg("%s %s: %s", cases[i].option, cases[i].value, run.err);
            continue;
        }
        if (run.code != 2 || !strstr(run.err, cases[i].blame) || !strstr(run.err, cases[i].option))
            fail_msg("%s %s: %d '%s'", cases[i].option, cases[i].value, run.code, run.err);
        assert_null(strchr(run.err, '\x1b'));
    }
}

static void instances_are_bounded_and_different(void **state)
{
    enum { FIRST = 12 };
    const char *words[FIRST + 2 * (TASK_INSTANCES_MAX + 1) + 1] = {
        "task",          "create", "--server",    "http://127.0.0.1:1",
        "--application", "shop",   "--interface", "POST /checkout",
        "--duration",    "5m",     "--threshold", "100ms"
    };
    char names[TASK_INSTANCES_MAX + 1][16];

    (void)state;
    for (size_t i = 0; i <= TASK_INSTANCES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "host-%zu", i);
    }
    for (size_t i = 0; i < TASK_INSTANCES_MAX; i++) {
        words[FIRST + 2 * i] = "--instance";
        words[FIRST + 2 * i + 1] = names[i];
    }
    run_cli(&run, words);
    assert_int_equal(run.code, 1);
    words[FIRST + 2 * TASK_INSTANCES_MAX] = "--instance";
    words[FIRST + 2 * TASK_INSTANCES_MAX + 1] = names[TASK_INSTANCES_MAX];
    run_cli(&run, words);
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "'instances' are 65"));
    words[FIRST + 2 * TASK_INSTANCES_MAX] = NULL;
    words[FIRST + 3] = names[0];
    run_cli(&run, words);
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "twice"));
}

/* ------------------------------------------------------------------ everything else */

static void ids_and_filters_are_refused_before_anything_is_asked(void **state)
{
    static const struct {
        const char *words[8];
        const char *blame;
    } cases[] = {
        { { "task", "show", "../../etc" }, "no task id" },
        { { "task", "watch", SAMPLE }, "no task id" },
        { { "task", "log", "19AA3F0C2B1E4D5F6A7B" }, "no task id" },
        { { "task", "clone", "x" }, "no task id" },
        { { "task", "diff", TASK, "x" }, "no task id" },
        { { "sample", "show", TASK }, "no sample id" },
        { { "sample", "diff", "x", SAMPLE }, "no sample id" },
        { { "trace", "show", "00000000000000000000000000000000" }, "no trace ID" },
        { { "task", "list", "--state", "BUSY" },
          "SCHEDULED, ACTIVE, EXPIRED, FILLED or CANCELLED" },
        { { "task", "list", "--limit", "0" }, "1 to 1000" },
        { { "task", "list", "--limit", "1001" }, "1 to 1000" },
        { { "task", "list", "--limit", "x" }, "no whole number" },
        { { "task", "list", "--since", "sometime" }, "--since: 'sometime' is no point in time" },
        { { "task", "list", "--until", "7" }, "--until" },
        { { "sample", "show", SAMPLE, "--min-percent", "101" }, "0 to 100" },
        { { "task", "export", TASK, "--format", "pdf" }, "'pdf' is no format" },
        { { "sample", "export", SAMPLE, "--format", "svg", "-o", "/tmp" }, "is a directory" },
        { { "interface", "list", "--application", "a", "--last", "2m" }, "1, 5 or 15" },
        { { "interface", "list", "--application", "" }, "'application' is empty" },
        { { "instance", "list", "--application", "" }, "'application' is empty" },
        { { "task", "list", "--application", "" }, "'application' is empty" },
        { { "task", "list", "--interface", "" }, "'interface' is empty" },
        { { "task", "show", "--server", "nowhere", TASK }, "is no server" },
        { { "task", "list", "--server", "https://" }, "is no server" },
        { { "task", "list", "--ca", "/nowhere/ca.pem" },
          "the authority '/nowhere/ca.pem' cannot be read" },
        { { "doctor", "--token", "a b" }, "is no token" },
    };

    (void)state;
    setenv("STAKEOUT_SERVER", "http://127.0.0.1:1", 1);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        run_cli(&run, cases[i].words);
        if (run.code != 2 || !strstr(run.err, cases[i].blame))
            fail_msg("%s %s: %d '%s'", cases[i].words[0], cases[i].words[1], run.code, run.err);
        assert_int_equal(run.out[0], '\0');
    }
    unsetenv("STAKEOUT_SERVER");
}

static void absent_server_is_said_with_what_to_do(void **state)
{
    static const char *const list[] = { "task", "list", "--server", "http://127.0.0.1:1", NULL };
    static const char *const doctor[] = { "doctor", "--server", "http://127.0.0.1:1", NULL };
    static const char *const json[] = { "doctor", "--json", "--server", "http://127.0.0.1:1",
                                        NULL };
    json_t *document;

    (void)state;
    run_cli(&run, list);
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.err, "no scheduler answers at http://127.0.0.1:1"));
    run_cli(&run, doctor);
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.out, "fail  server"));
    assert_non_null(strstr(run.out, "stakeoutd"));
    run_cli(&run, json);
    assert_int_equal(run.code, 1);
    document = json_loads(run.out, 0, NULL);
    assert_non_null(document);
    assert_int_equal(json_array_size(json_object_get(document, "checks")), 1);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_runs_with_help),
        cmocka_unit_test(help_is_found_in_every_way),
        cmocka_unit_test(limits_are_refused_with_the_rules_own_sentence),
        cmocka_unit_test(texts_are_refused_beyond_their_bytes),
        cmocka_unit_test(create_refuses_by_option),
        cmocka_unit_test(instances_are_bounded_and_different),
        cmocka_unit_test(ids_and_filters_are_refused_before_anything_is_asked),
        cmocka_unit_test(absent_server_is_said_with_what_to_do),
    };

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    setenv("COLUMNS", "80", 1);
    unsetenv("STAKEOUT_SERVER");
    unsetenv("STAKEOUT_TOKEN");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
