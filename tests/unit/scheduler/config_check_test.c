/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/config_check.h"

#include "common/base/own.h"
#include "scheduler/config.h"
#include "tests/support/child.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MAX = 8 };

static char directory[] = "/tmp/stakeout-check-XXXXXX";

static int setup(void **state)
{
    (void)state;
    clearenv();
    setenv("PATH", "/nowhere:/bin:/usr/bin", 1);
    return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof path, "%s/file", directory);
    unlink(path);
    return rmdir(directory);
}

/* What was said of these words, until the next call: the list, and the complaints. */
static char *list, *complaints;

static unsigned check(const char *const *words)
{
    OWN(config_origins_done) struct config_origins origins = { 0 };
    char *argv[WORDS_MAX + 2] = { "stakeoutd", "--check-config" };
    size_t list_size, complaints_size;
    struct problem problem = { 0 };
    struct config config;
    FILE *to, *about;
    unsigned count;
    int argc = 2;

    free(list);
    free(complaints);
    to = open_memstream(&list, &list_size);
    about = open_memstream(&complaints, &complaints_size);
    for (; *words; words++) {
        argv[argc++] = (char *)*words;
    }
    if (config_read(argc, argv, &config, &origins, &problem) != CONFIG_CHECK)
        fail_msg("%s", problem.detail);
    count = config_check(&config, &origins, to, about);
    fclose(to);
    fclose(about);
    return count;
}

/* The rest of the line that begins with this name, blanks made one. */
static const char *line_of(const char *name)
{
    static char line[256];
    size_t size = 0;

    for (const char *at = list; at && *at; at = strchr(at, '\n') + 1) {
        if (strncmp(at, name, strlen(name)) != 0 || at[strlen(name)] != ' ') continue;
        for (at += strlen(name) + 1; *at != '\n'; at++) {
            if (*at != ' ' || (size > 0 && line[size - 1] != ' ')) line[size++] = *at;
        }
        line[size] = '\0';
        return line;
    }
    return "(no line)";
}

static void each_value_says_where_it_comes_from(void **state)
{
    char path[64], wanted[128];
    const char *words[] = { "--config", path, "--log-level=error", "--state-dir", directory, NULL };
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/file", directory);
    file = fopen(path, "we");
    fputs("# ours\nlog-level = debug\nretention-days = 3\nlog-format = json\n", file);
    fclose(file);
    setenv("STAKEOUT_RETENTION_DAYS", "5", 1);
    assert_int_equal(check(words), 0);
    assert_string_equal(line_of("listen"), "127.0.0.1:7411 default");
    assert_string_equal(line_of("redis"), "(none) default");
    assert_string_equal(line_of("log-level"), "error --log-level");
    assert_string_equal(line_of("retention-days"), "5 STAKEOUT_RETENTION_DAYS");
    snprintf(wanted, sizeof wanted, "json %s:4", path);
    assert_string_equal(line_of("log-format"), wanted);
    assert_string_equal(complaints, "");
    unsetenv("STAKEOUT_RETENTION_DAYS");
}

static void what_will_not_work_is_said(void **state)
{
    static const struct {
        const char *words[5], *says;
    } cases[] = {
        { { "--redis-server", "no-such-program" }, "redis-server: there is no program" },
        { { "--redis-server", "/etc/passwd" }, "redis-server: there is no program" },
        { { "--redis-server", "/bin" }, "redis-server: there is no program" },
        { { "--redis", "redis+unix:///nowhere/redis" }, "redis: the socket '/nowhere/redis'" },
        { { "--redis", "redis+unix:///etc/passwd" }, "redis: '/etc/passwd' is no socket" },
        { { "--state-dir", "/etc/passwd" }, "state-dir: '/etc/passwd' is no directory" },
        { { "--state-dir", "/etc/passwd/x" }, "state-dir: '/etc/passwd/x' cannot be looked at" },
        { { "--redis-ca", "/nowhere/ca.pem" }, "redis-ca: '/nowhere/ca.pem' cannot be read" },
        { { "--redis-key", "/etc" }, "redis-key: '/etc' is no file" },
        { { "--redis-cert", "/etc/passwd" }, NULL },
        { { "--listen", "127.0.0.1:0" }, NULL },
        { { "--listen", "0.0.0.0:0" }, "listen: beyond loopback it needs tls-cert, or insecure" },
        { { "--listen=[::]:0", "--insecure" }, NULL },
        { { "--tls-cert", "/etc/passwd" }, "tls: '/etc/passwd' holds no certificate in PEM form" },
        { { "--redis", "redis://a.host.that.is.away" }, NULL },
        { { "--redis-server", "sh" }, NULL },
        { { "--redis-server", "/bin/sh" }, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *words[WORDS_MAX] = { "--state-dir", directory, "--redis-server", "sh" };
        unsigned count;

        memcpy(words + 4, cases[i].words, 2 * sizeof *words);
        count = check(words);
        if (count != (cases[i].says != NULL) || (count && !strstr(complaints, cases[i].says)))
            fail_msg("%s %s: %s", cases[i].words[0], cases[i].words[1], complaints);
    }
}

static int unwritable_main(void)
{
    const char *words[] = { "--state-dir", "/new/state", "--redis-server", "sh", NULL };

    if (geteuid() != 0) return CHILD_SKIPS;
    if (setgid(65534) < 0 || setuid(65534) < 0) return CHILD_SKIPS;
    if (check(words) != 1) return 1;
    return strstr(complaints, "state-dir: nothing can be written in '/'") ||
                   strstr(complaints, "cannot be looked at")
               ? 0
               : 2;
}

static void a_directory_that_cannot_be_made_is_said(void **state)
{
    (void)state;
    child_claim(unwritable_main);
}

static void passwords_are_masked(void **state)
{
    static const char *const cases[][2] = {
        { "redis://u:geheim@h:1/2", "redis://u:***@h:1/2" },
        { "redis://:geheim@h", "redis://:***@h" },
        { "redis://:ge@he:im/@h", "redis://:***@h" },
        { "redis://user@h", "redis://user@h" },
        { "redis://h:6379/0", "redis://h:6379/0" },
        { "redis+sentinel://a,b/m?sentinel-password=geheim&x=1",
          "redis+sentinel://a,b/m?sentinel-password=***&x=1" },
        { "redis://u:geheim@h?a-password=geheim", "redis://u:***@h?a-password=***" },
        { "/var/lib/a:b@c", "/var/lib/a:b@c" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf shown = BUF_INIT(256);

        setting_mask(cases[i][0], &shown);
        assert_int_equal(buf_append(&shown, "", 1), 0);
        assert_string_equal(shown.data, cases[i][1]);
    }
    setenv("STAKEOUT_REDIS", "redis://u:geheim@h", 1);
    check((const char *[]){ "--state-dir", directory, NULL });
    assert_string_equal(line_of("redis"), "redis://u:***@h STAKEOUT_REDIS");
    unsetenv("STAKEOUT_REDIS");
    assert_null(strstr(list, "geheim"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_says_where_it_comes_from),
        cmocka_unit_test(what_will_not_work_is_said),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_said),
        cmocka_unit_test(passwords_are_masked),
    };
    int failed = cmocka_run_group_tests(tests, setup, teardown);

    free(list);
    free(complaints);
    return failed;
}
