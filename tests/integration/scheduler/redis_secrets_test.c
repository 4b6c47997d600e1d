/* SPDX-License-Identifier: Apache-2.0 */
/* redis_secrets_test.c: a real stakeoutd on a Redis that wants TLS, a user and a password; and
 * where that password can be read. */
#include "tests/support/authority.h"
#include "tests/support/free_port.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD "correct-horse-battery"

static char directory[] = "/tmp/stakeout-secrets-XXXXXX";
static char url[128], password_file[64], ca[64];

static int setup(void **state)
{
    struct authority *authority;
    char config[512];
    int port = free_port();
    FILE *file;

    assert_non_null(mkdtemp(directory));
    authority = authority_new(directory, "ca");
    authority_issue(authority,
                    &(struct certificate_order){ .file = "server", .names = "DNS:localhost" });
    authority_path(authority, "ca", ca, sizeof ca);
    authority_free(authority);
    snprintf(
        config, sizeof config,
        "tls-port %d\nbind 127.0.0.1\ntls-cert-file %s/server.pem\ntls-key-file %s/server.pem\n"
        "tls-ca-cert-file %s\ntls-auth-clients no\nuser default off\n"
        "user stakeout on >" PASSWORD " ~stakeout:* +@all\n",
        port, directory, directory, ca);
    redis_process_start(&scheduler_redis, config);

    snprintf(password_file, sizeof password_file, "%s/password", directory);
    file = fopen(password_file, "we");
    assert_non_null(file);
    fputs(PASSWORD "\n", file);
    assert_int_equal(fclose(file), 0);

    snprintf(url, sizeof url, "rediss://stakeout:@localhost:%d/0", port);
    scheduler.options[0] = "--redis";
    scheduler.options[1] = url;
    scheduler.options[2] = "--redis-password-file";
    scheduler.options[3] = password_file;
    scheduler.options[4] = "--redis-ca";
    scheduler.options[5] = ca;
    return scheduler_setup(state);
}

static int teardown(void **state)
{
    char command[64];
    int rc = scheduler_teardown(state);

    redis_process_stop(&scheduler_redis);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return rc == 0 && system(command) == 0 ? 0 : -1;
}

static void tasks_are_kept_behind_tls(void **state)
{
    char id[TASK_ID_SIZE + 1], answer[4096];
    json_t *task;

    (void)state;
    scheduler_create_task("shop", "", id);
    task = scheduler_get_task(id, "");
    assert_string_equal(text_at(task, "state"), "ACTIVE");
    json_decref(task);
    assert_int_equal(scheduler_process_command(&scheduler,
                                               (const char *const[]){ "token", "list", NULL },
                                               answer, sizeof answer),
                     0); /* the commands come in by the same settings */
}

/* Anything of /proc/PID that everybody may read. */
static bool shows(const char *what, const char *secret)
{
    char path[64], bytes[8192];
    size_t size;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)scheduler.pid, what);
    file = fopen(path, "re");
    assert_non_null(file);
    size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_true(size > 0);
    return memmem(bytes, size, secret, strlen(secret)) != NULL;
}

static void the_password_is_in_no_list_of_processes_no_log_and_no_answer(void **state)
{
    struct api_answer answer;

    (void)state;
    assert_true(shows("cmdline", password_file));
    assert_false(shows("cmdline", PASSWORD));
    redis_process_kill(&scheduler_redis); /* what goes wrong is said, too */
    redis_process_restart(&scheduler_redis);
    api_ask(&(struct api_call){ .port = scheduler.port, .path = "/readyz" }, &answer);
    assert_null(memmem(answer.body.data, answer.body.size, PASSWORD, strlen(PASSWORD)));
    api_answer_done(&answer);
    assert_true(scheduler_log_has("Redis"));
    assert_false(scheduler_log_has(PASSWORD));
}

static void a_password_on_the_command_line_is_refused(void **state)
{
    struct scheduler_process other = { .options = { "--redis", "redis://:" PASSWORD "@h" } };
    char answer[4096];

    (void)state;
    assert_int_equal(scheduler_process_command(&other,
                                               (const char *const[]){ "token", "list", NULL },
                                               answer, sizeof answer),
                     2);
    assert_null(strstr(answer, PASSWORD));
    scheduler_process_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_are_kept_behind_tls),
        cmocka_unit_test(the_password_is_in_no_list_of_processes_no_log_and_no_answer),
        cmocka_unit_test(a_password_on_the_command_line_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
