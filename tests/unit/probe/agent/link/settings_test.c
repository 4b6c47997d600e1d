/* SPDX-License-Identifier: Apache-2.0 */
/* Options, then environment, then defaults; and the sentence for each that is not acceptable. */
#include "probe/agent/link/settings.h"

#include "probe/include/stakeout/stakeout.h"
#include "tests/support/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const variables[] = {
    "STAKEOUT",
    "STAKEOUT_APPLICATION",
    "STAKEOUT_SERVER",
    "STAKEOUT_TOKEN",
    "STAKEOUT_INSTANCE",
    "STAKEOUT_SIGNAL",
    "STAKEOUT_CA",
    "STAKEOUT_CERT",
    "STAKEOUT_KEY",
    "STAKEOUT_ENGINE",
    "STAKEOUT_STATISTICS",
    "STAKEOUT_LOG",
    "STAKEOUT_COMPLETE_WRITES",
};

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(variables); i++) {
        unsetenv(variables[i]);
    }
    return 0;
}

static int read_settings(const struct stakeout_options *options, struct settings *ret)
{
    char why[256] = "";
    int rc = settings_read(options, ret, why, sizeof why);

    assert_true((rc == 0) == (why[0] == '\0'));
    return rc;
}

static void nothing_is_needed(void **state)
{
    struct settings settings;
    char pid[16];

    (void)state;
    snprintf(pid, sizeof pid, ":%d", (int)getpid());
    assert_int_equal(read_settings(NULL, &settings), 0);
    assert_string_equal(settings.application, program_invocation_short_name);
    assert_non_null(strstr(settings.instance, pid));
    assert_string_equal(settings.target.host, "127.0.0.1");
    assert_int_equal(settings.target.port, 7411);
    assert_int_equal(settings.signal_number, SIGURG);
    assert_string_equal(settings.token, "");
    assert_string_equal(settings.log, "");
    assert_false(settings.is_off || settings.is_statistics_off);
}

static void options_come_before_the_environment(void **state)
{
    struct stakeout_options options = { .size = sizeof options,
                                        .application = "from options",
                                        .server = "http://options:1",
                                        .token = "to",
                                        .instance = "io",
                                        .signal_number = SIGUSR1,
                                        .statistics_off = 1 };
    struct settings settings;

    (void)state;
    setenv("STAKEOUT_APPLICATION", "from environment", 1);
    setenv("STAKEOUT_SERVER", "http://environment:2", 1);
    setenv("STAKEOUT_TOKEN", "te", 1);
    setenv("STAKEOUT_INSTANCE", "ie", 1);
    setenv("STAKEOUT_SIGNAL", "SIGUSR2", 1);
    assert_int_equal(read_settings(&options, &settings), 0);
    assert_string_equal(settings.application, "from options");
    assert_string_equal(settings.target.host, "options");
    assert_string_equal(settings.token, "to");
    assert_string_equal(settings.instance, "io");
    assert_int_equal(settings.signal_number, SIGUSR1);
    assert_true(settings.is_statistics_off);

    options = (struct stakeout_options){ .size = sizeof options, .application = "" };
    setenv("STAKEOUT_STATISTICS", "off", 1);
    assert_int_equal(read_settings(&options, &settings), 0);
    assert_string_equal(settings.application, "from environment");
    assert_int_equal(settings.target.port, 2);
    assert_string_equal(settings.token, "te");
    assert_string_equal(settings.instance, "ie");
    assert_int_equal(settings.signal_number, SIGUSR2);
    assert_true(settings.is_statistics_off);
}

static void writes_are_completed_unless_that_is_forbidden(void **state)
{
    struct stakeout_options options = { .size = sizeof options, .application = "a" };
    struct settings settings;

    (void)state;
    assert_int_equal(read_settings(&options, &settings), 0);
    assert_false(settings.leaves_short_writes);
    setenv("STAKEOUT_COMPLETE_WRITES", "off", 1);
    assert_int_equal(read_settings(&options, &settings), 0);
    assert_true(settings.leaves_short_writes);
    setenv("STAKEOUT_COMPLETE_WRITES", "on", 1);
    assert_int_equal(read_settings(&options, &settings), 0);
    assert_false(settings.leaves_short_writes);
}

static void the_engine_is_signal_perf_or_auto(void **state)
{
    static const struct {
        const char *value;
        enum sampler_engine engine;
    } cases[] = {
        { "", SAMPLER_ENGINE_SIGNAL },   { "signal", SAMPLER_ENGINE_SIGNAL },
        { "perf", SAMPLER_ENGINE_PERF }, { "auto", SAMPLER_ENGINE_AUTO },
        { "Perf", SAMPLER_ENGINE_PERF },
    };
    struct settings settings;

    (void)state;
    assert_int_equal(read_settings(NULL, &settings), 0);
    assert_int_equal(settings.engine, SAMPLER_ENGINE_SIGNAL);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        setenv("STAKEOUT_ENGINE", cases[i].value, 1);
        assert_int_equal(read_settings(NULL, &settings), 0);
        assert_int_equal(settings.engine, cases[i].engine);
    }
}

static void budgets_are_percent_of_a_core_and_of_a_thread(void **state)
{
    static const struct {
        const char *core;
        int rc;
        uint32_t ppm;
    } cases[] = {
        { "", 0, 0 },
        { "1", 0, 10000 },
        { "0.5", 0, 5000 },
        { "0.1", 0, 1000 },
        { "0.0999", -EINVAL, 0 },
        { "100", 0, 1000000 },
        { "100.1", -EINVAL, 0 },
        { "0", 0, UINT32_MAX },
        { "off", 0, UINT32_MAX },
        { "OFF", 0, UINT32_MAX },
        { "-1", -EINVAL, 0 },
        { "1,5", -EINVAL, 0 },
        { "1.00001", -EINVAL, 0 },
        { ".", -EINVAL, 0 },
        { "1 %", -EINVAL, 0 },
        { "99999999999999999999", -EINVAL, 0 },
    };
    struct stakeout_options options = { .size = sizeof options };
    struct settings settings;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("STAKEOUT_BUDGET_CORE", cases[i].core, 1);
        if (read_settings(&options, &settings) != cases[i].rc) fail_msg("'%s'", cases[i].core);
        if (cases[i].rc == 0) assert_int_equal(settings.budget_core_ppm, cases[i].ppm);
    }
    setenv("STAKEOUT_BUDGET_CORE", "3", 1);
    setenv("STAKEOUT_BUDGET_THREAD", "0.25", 1);
    options.budget_core_percent = 2;
    assert_int_equal(read_settings(&options, &settings), 0);
    assert_int_equal(settings.budget_core_ppm, 20000);
    assert_int_equal(settings.budget_thread_ppm, 2500);
    options.budget_core_percent = -1;
    options.budget_thread_percent = 0.05;
    assert_int_equal(read_settings(&options, &settings), -EINVAL);
    options.budget_thread_percent = 100.5;
    assert_int_equal(read_settings(&options, &settings), -EINVAL);
    options.budget_thread_percent = 0;
    assert_int_equal(read_settings(&options, &settings), 0);
    assert_true(settings.budget_core_ppm == UINT32_MAX);
    unsetenv("STAKEOUT_BUDGET_CORE");
    unsetenv("STAKEOUT_BUDGET_THREAD");
}

/* A caller that was built with an older header, or a newer one. */
static void options_of_any_size_are_read_as_far_as_they_are_known(void **state)
{
    struct {
        struct stakeout_options known;
        char unknown[64];
    } newer = { .known = { .size = sizeof newer, .instance = "i" } };
    struct stakeout_options older = { .size = offsetof(struct stakeout_options, token),
                                      .application = "a",
                                      .token = "not read" };
    struct settings settings;

    (void)state;
    assert_int_equal(read_settings(&newer.known, &settings), 0);
    assert_string_equal(settings.instance, "i");
    assert_int_equal(read_settings(&older, &settings), 0);
    assert_string_equal(settings.application, "a");
    assert_string_equal(settings.token, "");
    older.size = 0;
    assert_int_equal(read_settings(&older, &settings), -EINVAL);
}

static const struct {
    const char *variable, *value, *says;
} refusals[] = {
    { "STAKEOUT_APPLICATION", "line\nbreak", "application" },
    { "STAKEOUT_APPLICATION", "\xff", "application" },
    { "STAKEOUT_INSTANCE", "a\tb",
      "'instance' has a control character; it must be 1 to 255 bytes of printable UTF-8." },
    { "STAKEOUT_KEY", "/k", "STAKEOUT_KEY says nothing without STAKEOUT_CERT" },
    { "STAKEOUT_SERVER", "h:1", "http://HOST:PORT" },
    { "STAKEOUT_TOKEN", "two words", "token" },
    { "STAKEOUT_SIGNAL", "SIGKILL", "SIGKILL" },
    { "STAKEOUT_SIGNAL", "11", "11" },
    { "STAKEOUT_SIGNAL", "32", "32" },
    { "STAKEOUT_SIGNAL", "nonsense", "nonsense" },
    { "STAKEOUT_SIGNAL", "65", "65" },
    { "STAKEOUT_ENGINE", "ptrace", "STAKEOUT_ENGINE is 'ptrace'" },
    { "STAKEOUT_COMPLETE_WRITES", "maybe", "STAKEOUT_COMPLETE_WRITES is 'maybe'" },
    { "STAKEOUT_STATISTICS", "maybe", "STAKEOUT_STATISTICS is 'maybe'; it must be on, 1," },
    { "STAKEOUT", "of", "STAKEOUT is 'of'; it must be on, 1, yes or true, or off, 0, no or false" },
    { "STAKEOUT", "01", "STAKEOUT is '01'" },
};

static void what_is_not_acceptable_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        struct settings settings;
        char why[256] = "";

        setup(NULL);
        setenv(refusals[i].variable, refusals[i].value, 1);
        setenv("STAKEOUT_LOG", "stderr", 1);
        if (settings_read(NULL, &settings, why, sizeof why) != -EINVAL)
            fail_msg("%s='%s' was accepted", refusals[i].variable, refusals[i].value);
        if (!strstr(why, refusals[i].says)) fail_msg("'%s' said: %s", refusals[i].value, why);
        assert_string_equal(settings.log, "stderr");
    }
}

static void the_switch_is_read_first(void **state)
{
    struct settings settings;
    char why[256];

    (void)state;
    setenv("STAKEOUT", "off", 1);
    setenv("STAKEOUT_SERVER", "nonsense", 1);
    settings_read(NULL, &settings, why, sizeof why);
    assert_true(settings.is_off);
}

static void switches_are_written_as_people_write_them(void **state)
{
    static const struct {
        const char *value;
        bool is_off;
    } cases[] = {
        { "", false },     { "on", false },   { "ON", false }, { "1", false },  { "yes", false },
        { "True", false }, { "off", true },   { "OFF", true }, { "Off", true }, { "0", true },
        { "no", true },    { "false", true }, { "No", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct settings settings;

        setenv("STAKEOUT", cases[i].value, 1);
        setenv("STAKEOUT_STATISTICS", cases[i].value, 1);
        assert_int_equal(read_settings(NULL, &settings), 0);
        if (settings.is_off != cases[i].is_off || settings.is_statistics_off != cases[i].is_off)
            fail_msg("'%s' was misread", cases[i].value);
    }
}

static void a_forked_child_is_an_instance_of_its_own_unless_it_was_named(void **state)
{
    struct settings settings;

    (void)state;
    assert_int_equal(read_settings(NULL, &settings), 0);
    snprintf(settings.instance, sizeof settings.instance, "parent:1");
    settings_renew(&settings);
    assert_string_not_equal(settings.instance, "parent:1");
    setenv("STAKEOUT_INSTANCE", "named", 1);
    assert_int_equal(read_settings(NULL, &settings), 0);
    settings_renew(&settings);
    assert_string_equal(settings.instance, "named");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_needed, setup),
        cmocka_unit_test_setup(options_come_before_the_environment, setup),
        cmocka_unit_test_setup(writes_are_completed_unless_that_is_forbidden, setup),
        cmocka_unit_test_setup(the_engine_is_signal_perf_or_auto, setup),
        cmocka_unit_test_setup(budgets_are_percent_of_a_core_and_of_a_thread, setup),
        cmocka_unit_test_setup(options_of_any_size_are_read_as_far_as_they_are_known, setup),
        cmocka_unit_test_setup(what_is_not_acceptable_is_refused_by_name, setup),
        cmocka_unit_test_setup(the_switch_is_read_first, setup),
        cmocka_unit_test_setup(switches_are_written_as_people_write_them, setup),
        cmocka_unit_test_setup(a_forked_child_is_an_instance_of_its_own_unless_it_was_named, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
