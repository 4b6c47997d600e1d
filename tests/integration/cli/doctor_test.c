/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_test.c: what the doctor finds: whole chains, lonely tasks, locked doors, nobody at all. */
#include "tests/integration/cli/cli_fixture.h"
#include "tests/integration/cli/program.h"
#include "tests/support/fake_probe.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool knows_the_shopper(void *token)
{
    RUN("doctor", "--token", token);
    return strstr(run.out, "The scheduler knows us as 'shopper', who may create tasks of 'shop', "
                           "'cart'.") != NULL;
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
    assert_int_equal(
        scheduler_process_command(&scheduler,
                                  (const char *const[]){ "token", "create", "--role=operator",
                                                         "shopper", "--application", "shop",
                                                         "--application", "cart", NULL },
                                  operator, sizeof operator),
        0);
    assert_true(wait_until(knows_the_shopper, operator, PROGRAM_WAIT_MS));
}

/* Redis is none at that address, and never was: it is no matter of tokens, nor of guarantees. */
static void dead_redis_is_found_by_the_doctor(void **state)
{
    struct scheduler_process lame = { .options = { "--redis", "redis://127.0.0.1:1" },
                                      .ready_path = "/healthz" };
    char url[64];

    (void)state;
    scheduler_process_start(&lame);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", lame.port);
    RUN("doctor", "--server", url);
    scheduler_process_done(&lame);
    assert_code(1);
    assert_out("fail  store");
    if (strstr(run.out, "token create") || strstr(run.out, "durability"))
        fail_msg("a false diagnosis: %s", run.out);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doctor_is_content_with_a_whole_chain),
        cmocka_unit_test(doctor_names_the_task_that_nobody_took),
        cmocka_unit_test(colour_is_left_out_where_it_is_not_wanted),
        cmocka_unit_test(token_decides_what_may_be_done),
        cmocka_unit_test(dead_redis_is_found_by_the_doctor),
        cmocka_unit_test(absent_scheduler_is_found_by_the_doctor),
    };

    return cmocka_run_group_tests(tests, cli_setup, scheduler_teardown);
}
