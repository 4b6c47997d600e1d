/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/cli/cli_fixture.h"

#include "tests/support/fake_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run run;

void assert_code(int code)
{
    if (run.code != code) fail_msg("%d, not %d: %s%s", run.code, code, run.out, run.err);
}

void assert_out(const char *what)
{
    if (!strstr(run.out, what)) fail_msg("no '%s' in: %s", what, run.out);
}

void assert_err(const char *what)
{
    if (!strstr(run.err, what)) fail_msg("no '%s' in: %s", what, run.err);
}

void create_task(const char *application, const char *const *more, char ret[TASK_TEXT_SIZE])
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

void report(const char *application, const char *task, struct sample_id *ret_id,
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

void cancel(const char *id)
{
    char task[TASK_TEXT_SIZE];

    snprintf(task, sizeof task, "%.*s", TASK_ID_SIZE, id);
    RUN("task", "cancel", task);
    assert_code(0);
    assert_out("CANCELLED");
}

int cli_setup(void **state)
{
    char url[64];

    scheduler_setup(state);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", scheduler.port);
    setenv("STAKEOUT_SERVER", url, 1);
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    setenv("COLUMNS", "100", 1);
    setenv("TZ", "UTC", 1);
    unsetenv("STAKEOUT_TOKEN");
    return 0;
}
