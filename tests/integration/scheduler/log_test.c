/* SPDX-License-Identifier: Apache-2.0 */
/* log_test.c: the log of a stakeoutd whose standard error nobody reads, and its two formats. */
#include "tests/support/free_port.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REQUESTS = 900, PIPE_SIZE = 4096 }; /* of more than 100 bytes in the log, each */

static int ends[2];

/* A pipe that holds little, and at debug a line for each request. */
static int start_unread(void **state)
{
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE) >= PIPE_SIZE);
    scheduler = (struct scheduler_process){ .port = free_port(), .error_fd = ends[1] };
    scheduler.options[0] = "--log-level";
    scheduler.options[1] = "debug";
    scheduler.options[2] = "--log-format";
    scheduler.options[3] = "json";
    scheduler_process_start(&scheduler);
    close(ends[1]);
    return 0;
}

static int stop_unread(void **state)
{
    close(ends[0]);
    return scheduler_teardown(state);
}

/* Everything until it ends: each line is an object, or this fails. */
static uint64_t read_lines(uint64_t *ret_requests)
{
    FILE *log = fdopen(dup(ends[0]), "re");
    char line[8192];
    uint64_t lost = 0;

    *ret_requests = 0;
    while (fgets(line, sizeof line, log)) {
        json_t *event = json_loads(line, 0, NULL);

        if (!event) fail_msg("no JSON: %s", line);
        *ret_requests += strcmp(text_at(event, "msg"), "request") == 0;
        if (strstr(text_at(event, "msg"), "are lost")) lost += (uint64_t)number_at(event, "count");
        json_decref(event);
    }
    fclose(log);
    return lost;
}

static void a_log_that_nobody_reads_keeps_nobody_waiting(void **state)
{
    uint64_t lost, read, requests;

    (void)state;
    for (int i = 0; i < REQUESTS; i++) {
        json_decref(scheduler_get("/api/v1/tasks"));
    }
    lost = (uint64_t)scheduler_metric("stakeout_log_lines_lost_total");
    assert_true(lost > 0);
    assert_true(scheduler_metric("stakeout_log_lines_total{level=\"debug\"}") >= REQUESTS);
    assert_true(kill(scheduler.pid, SIGTERM) == 0);
    read = read_lines(&requests);
    assert_true(read >= lost);
    assert_true(read + requests >= REQUESTS);
    assert_true(requests > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_log_that_nobody_reads_keeps_nobody_waiting, start_unread,
                                        stop_unread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
