/* SPDX-License-Identifier: Apache-2.0 */
/* program_test.c: stakeoutd as a program: its help, its exit codes, its end. */
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include "common/model/limits.h"

#include <stdio.h>
#include <string.h>

static void help_names_every_setting(void **state)
{
    static const char *const names[] = {
#define SETTING(name, kind, member, argument, fallback, accepts, says) "--" name " " argument,
#include "scheduler/config.def"
#undef SETTING
    };
    const char *words[] = { "--help", NULL };
    char help[8192];

    (void)state;
    assert_int_equal(scheduler_process_command(&scheduler, words, help, sizeof help), 0);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (!strstr(help, names[i])) fail_msg("help does not name %s", names[i]);
    }
}

static void the_version_is_printed_and_nothing_else(void **state)
{
    const char *words[] = { "--version", NULL };
    char version[256];

    (void)state;
    assert_int_equal(scheduler_process_command(&scheduler, words, version, sizeof version), 0);
    assert_string_equal(version, "stakeoutd " STAKEOUT_VERSION);
}

static void exit_codes_tell_misuse_from_failure(void **state)
{
    static const struct {
        const char *says, *words[4];
        int exit_code;
    } cases[] = {
        { "an unknown option", { "--colour", "red" }, 2 },
        { "an unknown command", { "frobnicate" }, 2 },
        { "beyond loopback without tokens", { "--listen", "0.0.0.0:0" }, 1 },
        { "a token command without a verb", { "token" }, 2 },
        { "a Redis of another scheme", { "--redis", "http://127.0.0.1" }, 2 },
        { "a private Redis that is not there", { "--redis-server", "/nowhere/redis" }, 1 },
    };
    char output[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int code = scheduler_process_command(&scheduler, cases[i].words, output, sizeof output);

        if (code != cases[i].exit_code) fail_msg("%s: exit code %d", cases[i].says, code);
        assert_string_equal(output, ""); /* what is wrong is said on standard error */
    }
}

static void a_port_that_is_taken_is_a_failure(void **state)
{
    char address[32], output[256];
    const char *words[] = { "--listen", address, NULL };

    (void)state;
    scheduler_process_start(&scheduler);
    snprintf(address, sizeof address, "127.0.0.1:%u", scheduler.port);
    assert_int_equal(scheduler_process_command(&scheduler, words, output, sizeof output), 1);
}

static void streams_have_a_bound(void **state)
{
    static struct api_stream streams[EVENT_STREAMS_MAX], late;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(streams); i++) {
        api_stream_open(&streams[i], scheduler.port, "/api/v1/events");
        assert_true(api_stream_wait(&streams[i], ": stakeout\n"));
    }
    api_stream_open(&late, scheduler.port, "/api/v1/events");
    assert_true(api_stream_wait(&late, "HTTP/1.1 503 "));
    assert_true(api_stream_wait(&late, "\"type\":\"busy\""));
    api_stream_close(&late);
    for (size_t i = 0; i < ARRAY_COUNT(streams); i++) {
        api_stream_close(&streams[i]);
    }
}

/* Told to stop, it answers who waits: a probe need not find out by a timeout. */
static void parked_polls_are_answered_at_the_end(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "parked", "host-1:1");
    struct api_stream answer;

    (void)state;
    fake_probe_poll(&probe);
    fake_probe_park(&probe);
    fake_probe_poll(&probe); /* when this is answered, the one before is parked */
    answer = (struct api_stream){ .fd = probe.parked, .text = BUF_INIT(65536) };
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    assert_true(api_stream_wait(&answer, "HTTP/1.1 200"));
    api_stream_close(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_names_every_setting),
        cmocka_unit_test(the_version_is_printed_and_nothing_else),
        cmocka_unit_test(exit_codes_tell_misuse_from_failure),
        cmocka_unit_test(a_port_that_is_taken_is_a_failure),
        cmocka_unit_test(streams_have_a_bound),
        cmocka_unit_test(parked_polls_are_answered_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, scheduler_teardown);
}
