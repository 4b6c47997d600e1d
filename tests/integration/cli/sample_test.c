/* SPDX-License-Identifier: Apache-2.0 */
/* sample_test.c: samples, their analyses, and the files that these are written to. */
#include "tests/integration/cli/cli_fixture.h"
#include "tests/integration/cli/program.h"
#include "tests/support/api_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

static void samples_of_a_prefix_name_their_interface(void **state)
{
    char task[TASK_TEXT_SIZE];
    struct sample_id id;

    (void)state;
    create_task("prefixed", MORE("--interface", "POST /*"), task);
    report("prefixed", task, &id, NULL);
    RUN("sample", "list", task);
    assert_code(0);
    assert_out("INTERFACE");
    assert_out("POST /checkout");
    setenv("COLUMNS", "80", 1);
    RUN("task", "log", task);
    assert_code(0);
    assert_out(id.text); /* whole, though there is no room for it in its column */
    setenv("COLUMNS", "100", 1);
    cancel(task);
}

static void comparison_with_nothing_says_so(void **state)
{
    char empty[TASK_TEXT_SIZE], task[TASK_TEXT_SIZE];

    (void)state;
    create_task("nothing", NO_MORE, empty);
    create_task("something", NO_MORE, task);
    report("something", task, NULL, NULL);
    RUN("task", "diff", empty, task);
    assert_code(0);
    assert_out("There is nothing to compare with: the base has no sample.");
    if (strstr(run.out, "longer") || strstr(run.out, "Call tree")) fail_msg("%s", run.out);
    RUN("task", "diff", task, empty);
    assert_code(0);
    assert_out("There is nothing to compare: what is compared has no sample.");
    cancel(empty);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_is_shown_with_its_analysis),
        cmocka_unit_test(samples_of_a_prefix_name_their_interface),
        cmocka_unit_test(comparison_with_nothing_says_so),
        cmocka_unit_test(exports_are_written_whole),
    };

    return cmocka_run_group_tests(tests, cli_setup, scheduler_teardown);
}
