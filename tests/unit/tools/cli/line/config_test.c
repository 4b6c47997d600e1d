/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/own.h"
#include "tests/support/test.h"
#include "tools/cli/line/config.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char directory[64];

static void write_file(const char *content, mode_t mode)
{
    char path[160];
    FILE *file;

    snprintf(path, sizeof path, "%s/stakeout", directory);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/stakeout/config", directory);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/stakeout-config-XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(setenv("XDG_CONFIG_HOME", directory, 1), 0);
    unsetenv("STAKEOUT_SERVER");
    unsetenv("STAKEOUT_TOKEN");
    return 0;
}

static int tear_down(void **state)
{
    char path[160];

    (void)state;
    snprintf(path, sizeof path, "%s/stakeout/config", directory);
    (void)unlink(path);
    snprintf(path, sizeof path, "%s/stakeout", directory);
    (void)rmdir(path);
    return rmdir(directory);
}

static int load(const struct line *line, struct config *ret, struct buf *warning,
                struct problem *problem)
{
    struct line none = { 0 };

    return config_load(line ? line : &none, ret, warning, problem);
}

static void without_anything_the_default_server_is_taken(void **state)
{
    OWN(buf_done) struct buf warning = BUF_INIT(4096);
    struct problem problem = { 0 };
    struct config config;

    (void)state;
    assert_int_equal(load(NULL, &config, &warning, &problem), 0);
    assert_string_equal(config.server, "http://127.0.0.1:7411");
    assert_string_equal(config.token, "");
    assert_null(config.token_from);
}

static void option_goes_before_variable_before_file(void **state)
{
    OWN(buf_done) struct buf warning = BUF_INIT(4096);
    struct problem problem = { 0 };
    struct config config;
    struct line line = { .given_count = 2 };

    (void)state;
    line.given[0].id = OPTION_SERVER;
    line.given[0].value = "http://option:1/";
    line.given[1].id = OPTION_TOKEN;
    line.given[1].value = "of-the-option";

    write_file("# mine\n\n server = http://file:3\ntoken=of-the-file\n", 0600);
    assert_int_equal(load(NULL, &config, &warning, &problem), 0);
    assert_string_equal(config.server, "http://file:3");
    assert_string_equal(config.token, "of-the-file");

    setenv("STAKEOUT_SERVER", "http://variable:2", 1);
    setenv("STAKEOUT_TOKEN", "of-the-variable", 1);
    assert_int_equal(load(NULL, &config, &warning, &problem), 0);
    assert_string_equal(config.server, "http://variable:2");
    assert_string_equal(config.token, "of-the-variable");

    assert_int_equal(load(&line, &config, &warning, &problem), 0);
    assert_string_equal(config.server, "http://option:1");
    assert_string_equal(config.token, "of-the-option");
    assert_int_equal(warning.size, 0);
}

static void token_that_others_can_read_is_not_used(void **state)
{
    static const mode_t modes[] = { 0640, 0604, 0620, 0644 };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        OWN(buf_done) struct buf warning = BUF_INIT(4096);
        struct problem problem = { 0 };
        struct config config;

        write_file("server = http://file:3\ntoken = secret\n", modes[i]);
        assert_int_equal(load(NULL, &config, &warning, &problem), 0);
        assert_string_equal(config.token, "");
        assert_string_equal(config.server, "http://file:3");
        assert_non_null(strstr(warning.data, "chmod 600"));
        assert_null(strstr(warning.data, "secret"));
    }
}

static void malformed_files_and_servers_are_refused(void **state)
{
    static const struct {
        const char *content, *blame;
    } cases[] = {
        { "server\n", "line 1" },
        { "# fine\nport = 7411\n", "line 2" },
        { "server = ftp://host\n", "is no server" },
        { "server = https://\n", "is no server" },
        { "server = https://host\nca = /nowhere\n", "'/nowhere' cannot be read" },
        { "server = 127.0.0.1:7411\n", "is no server" },
        { "server = http://\n", "is no server" },
        { "server = http://user:secret@host\n", "is no server" },
        { "server = http://a b\n", "is no server" },
        { "token =\n", "is no token" },
        { "token = a b\n", "is no token" },
        { "token = \x1b[2J\n", "is no token" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf warning = BUF_INIT(4096);
        struct problem problem = { 0 };
        struct config config;

        write_file(cases[i].content, 0600);
        if (load(NULL, &config, &warning, &problem) == 0)
            fail_msg("accepted: %s", cases[i].content);
        if (!strstr(problem.detail, cases[i].blame))
            fail_msg("%s said '%s'", cases[i].content, problem.detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_anything_the_default_server_is_taken, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(option_goes_before_variable_before_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(token_that_others_can_read_is_not_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_files_and_servers_are_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
