/* SPDX-License-Identifier: Apache-2.0 */
/* watch_test.c: a task that is watched until its end, by a pipe and on a terminal. */
#include "tests/integration/cli/cli_fixture.h"
#include "tests/integration/cli/program.h"
#include "tests/support/fake_probe.h"

#include "common/base/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static void watch_says_when_a_task_starts(void **state)
{
    char task[TASK_TEXT_SIZE];
    struct program program;

    (void)state;
    create_task("later", MORE("--start", "+1h"), task);
    program_start(&program, (const char *const[]){ "stakeout", "task", "watch", task, NULL });
    program_wait_for(&program, ", starts in ");
    cancel(task);
    assert_int_equal(program_end(&program), 4);
    assert_null(strstr(program.text.data, "left: in"));
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

static bool is_on_command_line(pid_t pid, const char *word)
{
    char path[64], line[4096];
    ssize_t size;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    size = read(fd, line, sizeof line);
    close(fd);
    assert_true(size > 0);
    return memmem(line, (size_t)size, word, strlen(word)) != NULL;
}

/* What was given as --token is taken off the line, in either form; the rest stays. */
static void a_token_is_not_left_on_the_command_line(void **state)
{
    static const char *const forms[][2] = { { "--token", "stakeout_hush" },
                                            { "--token=stakeout_hush", "--json" } };
    struct program program;
    char task[TASK_TEXT_SIZE];

    (void)state;
    create_task("hush", NO_MORE, task);
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        program_start(&program, (const char *const[]){ "stakeout", "task", "watch", task,
                                                       forms[i][0], forms[i][1], NULL });
        program_wait_for(&program, "ACTIVE");
        assert_true(is_on_command_line(program.pid, task));
        assert_false(is_on_command_line(program.pid, "stakeout_hush"));
        if (i == 1) cancel(task);
        if (i == 0) assert_int_equal(kill(program.pid, SIGINT), 0);
        program_end(&program);
        buf_done(&program.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watch_ends_with_4_if_no_instance_took_the_task),
        cmocka_unit_test(watch_ends_with_3_if_nothing_was_captured),
        cmocka_unit_test(watch_ends_with_0_when_the_cap_is_reached),
        cmocka_unit_test(watch_redraws_in_place_on_a_terminal),
        cmocka_unit_test(watch_says_when_a_task_starts),
        cmocka_unit_test(watch_outlives_a_restart_of_the_scheduler),
        cmocka_unit_test(a_token_is_not_left_on_the_command_line),
    };

    return cmocka_run_group_tests(tests, cli_setup, scheduler_teardown);
}
