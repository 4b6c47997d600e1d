/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/config.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 8 };

/* No setting of the tester's own environment may matter. */
static int clear(void **state)
{
    (void)state;
    unsetenv("STAKEOUT_CONFIG");
    unsetenv("STAKEOUT_LISTEN");
    unsetenv("STAKEOUT_LOG_LEVEL");
    unsetenv("STAKEOUT_LOG_FORMAT");
    unsetenv("STAKEOUT_RETENTION_DAYS");
    unsetenv("STAKEOUT_RETENTION_BYTES");
    unsetenv("STAKEOUT_REDIS");
    unsetenv("STAKEOUT_REDIS_SERVER");
    unsetenv("STAKEOUT_READ_MODULE_PATHS");
    unsetenv("STAKEOUT_STATE_DIR");
    unsetenv("STAKEOUT_DEBUG_DIR");
    setenv("STATE_DIRECTORY", "/nowhere/state", 1);
    return 0;
}

static enum config_outcome read_words(const char *const words[WORDS_MAX], struct config *ret,
                                      struct problem *problem)
{
    char *argv[WORDS_MAX + 1] = { "stakeoutd" };
    int argc = 1;

    for (; argc <= WORDS_MAX && words[argc - 1]; argc++) {
        argv[argc] = (char *)words[argc - 1];
    }
    return config_read(argc, argv, ret, NULL, problem);
}

static void nothing_said_means_the_defaults(void **state)
{
    const char *const words[WORDS_MAX] = { NULL };
    struct problem problem = { 0 };
    struct config config;

    (void)state;
    assert_int_equal(read_words(words, &config, &problem), CONFIG_RUN);
    assert_string_equal(config.address, "127.0.0.1");
    assert_int_equal(config.port, 7411);
    assert_string_equal(config.state_dir, "/nowhere/state");
    assert_string_equal(config.redis, "");
    assert_string_equal(config.redis_server, "redis-server");
    assert_int_equal(config.retention_days, 7);
    assert_int_equal(config.retention_bytes, 0);
    assert_true(config.read_module_paths);
    assert_string_equal(config.debug_dir, "/usr/lib/debug");
    assert_int_equal(config.log_level, LOG_INFO);
    assert_int_equal(config.argument_count, 0);
}

static const struct {
    const char *says;
    const char *words[WORDS_MAX];
    const char *sentence; /* NULL: accepted */
} cases[] = {
    { "loopback", { "--listen", "127.0.0.1:0" }, NULL },
    { "another loopback", { "--listen", "127.9.9.9:65535" }, NULL },
    { "loopback of version 6", { "--listen=[::1]:7411" }, NULL },
    { "everywhere", { "--listen", "0.0.0.0:7411" }, NULL }, /* http decides whether it may */
    { "everywhere of version 6", { "--listen", "[::]:7411" }, NULL },
    { "a name",
      { "--listen", "localhost:7411" },
      "--listen is 'localhost:7411'; it must be a numeric address and a port" },
    { "a certificate", { "--tls-cert", "/c", "--tls-key", "/k", "--tls-client-ca", "/a" }, NULL },
    { "a key of no certificate", { "--tls-key", "/k" }, "tls-key says nothing without tls-cert" },
    { "probes' authority without https",
      { "--tls-client-ca", "/a" },
      "tls-client-ca says nothing without tls-cert" },
    { "a switch alone", { "--insecure" }, NULL },
    { "a switch before a flag", { "--insecure", "--retention-days", "1" }, NULL },
    { "a switch turned off", { "--insecure", "no" }, NULL },
    { "a switch of another kind", { "--insecure", "maybe" }, "it must be yes or no" },
    { "no port", { "--listen", "127.0.0.1" }, "--listen is '127.0.0.1'" },
    { "port too large", { "--listen", "127.0.0.1:65536" }, "--listen is" },
    { "no value", { "--listen" }, "--listen needs a value" },
    { "least days", { "--retention-days", "1" }, NULL },
    { "no days", { "--retention-days", "0" }, "--retention-days is '0'; it must be 1 to 3650." },
    { "most days", { "--retention-days", "3650" }, NULL },
    { "too many days", { "--retention-days", "3651" }, "--retention-days is '3651'" },
    { "negative days", { "--retention-days", "-1" }, "--retention-days is '-1'" },
    { "bytes", { "--retention-bytes", "10G" }, NULL },
    { "bytes past 64 bits", { "--retention-bytes", "99999999999G" }, "--retention-bytes is" },
    { "a small symbol store", { "--symbols-bytes", "1M" }, NULL },
    { "a symbol store that is too small", { "--symbols-bytes", "1048575" }, "--symbols-bytes is" },
    { "the largest upload", { "--symbols-upload-bytes", "4G" }, NULL },
    { "an upload beyond it", { "--symbols-upload-bytes", "4294967297" }, "--symbols-upload-bytes" },
    { "the smallest upload", { "--symbols-upload-bytes", "1" }, NULL },
    { "no upload at all", { "--symbols-upload-bytes", "0" }, "--symbols-upload-bytes is '0'" },
    { "two servers", { "--debuginfod", "http://a https://b:8002" }, NULL },
    { "eight servers",
      { "--debuginfod", "http://a http://b http://c http://d http://e http://f "
                        "http://g http://h" },
      NULL },
    { "nine servers",
      { "--debuginfod", "http://a http://b http://c http://d http://e http://f "
                        "http://g http://h http://i" },
      "--debuginfod is" },
    { "a server by another way", { "--debuginfod", "ftp://a" }, "--debuginfod is 'ftp://a'" },
    { "blanks for servers", { "--debuginfod", "  " }, "--debuginfod is" },
    { "a tracing system", { "--trace-url", "https://jaeger/trace/{trace_id}" }, NULL },
    { "one without a place for the id", { "--trace-url", "https://jaeger/" }, "--trace-url is" },
    { "one that is a script", { "--trace-url", "javascript:{trace_id}" }, "--trace-url is" },
    { "one with a blank", { "--trace-url", "http://a/ {trace_id}" }, "--trace-url is" },
    { "bytes of a strange unit", { "--retention-bytes", "10T" }, "--retention-bytes is '10T'" },
    { "a flag", { "--read-module-paths", "no" }, NULL },
    { "a strange flag", { "--read-module-paths", "maybe" }, "it must be yes or no." },
    { "a level", { "--log-level", "debug" }, NULL },
    { "a format", { "--log-format", "json" }, NULL },
    { "a strange format", { "--log-format", "xml" }, "it must be logfmt or json." },
    { "a strange level", { "--log-level", "loud" }, "it must be debug, info, warn or error." },
    { "an unknown option", { "--colour", "red" }, "--colour is not an option" },
    { "no such file", { "--config", "/nowhere/at/all" }, "The file '/nowhere/at/all' cannot be" },
    { "an empty path", { "--state-dir", "" }, "--state-dir is ''" },
    { "a directory for a file",
      { "--config", "/" },
      "The file '/' cannot be read: Is a directory." },
    { "a Redis", { "--redis", "redis://h:1/2" }, NULL },
    { "a Redis Cluster", { "--redis", "rediss+cluster://a,b:7000" }, NULL },
    { "a database of a Cluster", { "--redis", "redis+cluster://a/1" }, "no database but 0" },
    { "a socket of Redis", { "--redis", "redis+unix:///run/r" }, NULL },
    { "no Redis at all",
      { "--redis", "foo" },
      "--redis is 'foo'; it must be redis[s]://[[user]:password@]host[:port][/db], "
      "redis+unix:///path[?db=n], redis[s]+sentinel://host[:port],.../name[/db] or "
      "redis[s]+cluster://host[:port],...: its scheme is "
      "another one." },
    { "a password of Sentinels",
      { "--redis", "redis+sentinel://h/m?sentinel-password=hunter2" },
      "--redis holds a password" },
    { "a password behind a question mark",
      { "--redis", "redis+sentinel://h:0/m?sentinel-password=hunter2" },
      "--redis is 'redis+sentinel://h:0/m'; it must be" },
    { "Redis over TLS", { "--redis", "rediss://h" }, NULL },
    { "a port of no Redis", { "--redis", "redis://h:0" }, "--redis is 'redis://h:0'; it must be" },
    { "a password for all to read",
      { "--redis", "redis://:hunter2@h" },
      "--redis holds a password, which everybody on this machine could read: give it in "
      "STAKEOUT_REDIS, in the file of --config, or with --redis-password-file." },
    { "a password", { "--redis", "redis://:hunter2@h:0" }, "--redis is '@h:0'; it must be" },
};

static void settings_are_accepted_or_refused_where_they_stood(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct problem problem = { 0 };
        struct config config;
        enum config_outcome outcome = read_words(cases[i].words, &config, &problem);

        if (!cases[i].sentence && outcome != CONFIG_RUN)
            fail_msg("%s: refused: %s", cases[i].says, problem.detail);
        if (!cases[i].sentence) continue;
        if (outcome != CONFIG_REFUSED) fail_msg("%s: accepted", cases[i].says);
        if (!strstr(problem.detail, cases[i].sentence))
            fail_msg("%s: said: %s", cases[i].says, problem.detail);
    }
}

static void write_file(char *path, const char *content)
{
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void flags_win_over_the_environment_and_that_over_the_file(void **state)
{
    char path[] = "/tmp/stakeout-config-XXXXXX";
    const char *const words[WORDS_MAX] = { "--config", path,    "--retention-days",
                                           "3",        "token", "list" };
    struct problem problem = { 0 };
    struct config config;

    (void)state;
    write_file(path, "# ours\n\n retention-days = 1 \nlog-level=warn\nretention-bytes = 2K\n");
    setenv("STAKEOUT_RETENTION_DAYS", "2", 1);
    setenv("STAKEOUT_LOG_LEVEL", "error", 1);
    assert_int_equal(read_words(words, &config, &problem), CONFIG_RUN);
    unlink(path);
    clear(NULL);
    assert_int_equal(config.retention_days, 3);
    assert_int_equal(config.log_level, LOG_ERROR);
    assert_int_equal(config.retention_bytes, 2048);
    assert_int_equal(config.argument_count, 2);
    assert_string_equal(config.arguments[1], "list");
}

static void a_bad_line_is_named_by_file_and_number(void **state)
{
    char path[] = "/tmp/stakeout-config-XXXXXX";
    const char *const words[WORDS_MAX] = { "--config", path };
    struct problem problem = { 0 };
    struct config config;
    char where[64];

    (void)state;
    write_file(path, "log-level = warn\nretention-days = soon\n");
    assert_int_equal(read_words(words, &config, &problem), CONFIG_REFUSED);
    unlink(path);
    snprintf(where, sizeof where, "%s:2: retention-days is 'soon'", path);
    assert_non_null(strstr(problem.detail, where));
}

static void what_a_file_gives_twice_is_refused_by_both_lines(void **state)
{
    char path[] = "/tmp/stakeout-config-XXXXXX";
    const char *const words[WORDS_MAX] = { "--config", path };
    struct problem problem = { 0 };
    struct config config;
    char sentence[96];

    (void)state;
    write_file(path, "retention-days = 3\n# also\nlog-level = warn\nretention-days = 3\n");
    assert_int_equal(read_words(words, &config, &problem), CONFIG_REFUSED);
    unlink(path);
    snprintf(sentence, sizeof sentence,
             "%s:4: retention-days is given twice; line 1 gave it already.", path);
    assert_string_equal(problem.detail, sentence);
}

static void the_environment_is_refused_by_its_own_name(void **state)
{
    const char *const words[WORDS_MAX] = { NULL };
    struct problem problem = { 0 };
    struct config config;

    (void)state;
    setenv("STAKEOUT_LISTEN", "nowhere:1", 1);
    assert_int_equal(read_words(words, &config, &problem), CONFIG_REFUSED);
    clear(NULL);
    assert_non_null(strstr(problem.detail, "STAKEOUT_LISTEN is 'nowhere:1'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_means_the_defaults),
        cmocka_unit_test(settings_are_accepted_or_refused_where_they_stood),
        cmocka_unit_test(flags_win_over_the_environment_and_that_over_the_file),
        cmocka_unit_test(a_bad_line_is_named_by_file_and_number),
        cmocka_unit_test(what_a_file_gives_twice_is_refused_by_both_lines),
        cmocka_unit_test(the_environment_is_refused_by_its_own_name),
    };

    return cmocka_run_group_tests(tests, clear, NULL);
}
