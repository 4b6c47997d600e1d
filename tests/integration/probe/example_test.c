/* SPDX-License-Identifier: Apache-2.0 */
/* probe/examples/event_loop.c as a reader would try it: two requests, one of them slow, on one
 * thread. argv[1] is the program. */
#include "tests/integration/probe/host_process.h"

#include "common/base/own.h"
#include "common/model/problem.h"
#include "common/model/task_spec.h"
#include "common/wire/report.h"
#include "tests/support/fake_scheduler.h"
#include "tests/support/loopback.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOON_MS = 20000 };

static const char *program;

static const struct wire_poll_task task = {
    .id = { "0123456789abcdef0123", TASK_ID_SIZE },
    .interface = { "GET /*", 6 },
    .state = TASK_ACTIVE,
    .threshold_ms = 50,
    .frequency_ms = 10,
    .sample_cap = 10,
    .left_ms = 300000,
};

/* Connects and sends a request; the answer is read later. */
static int ask(uint16_t port, const char *path)
{
    int fd = loopback_connect(port);
    char line[64];
    int size = snprintf(line, sizeof line, "GET %s HTTP/1.0\r\n\r\n", path);

    assert_true(fd >= 0);
    assert_int_equal(send(fd, line, (size_t)size, 0), size);
    return fd;
}

static void assert_answered(int fd, const char *body)
{
    char answer[512] = "";
    size_t size = 0;
    ssize_t got;

    while ((got = recv(fd, answer + size, sizeof answer - 1 - size, 0)) > 0) {
        size += (size_t)got;
    }
    close(fd);
    assert_non_null(strstr(answer, body));
}

static bool has_logs(void *fake)
{
    return fake_scheduler_count(fake, "log") > 0;
}

static bool has_report(void *fake)
{
    return fake_scheduler_count(fake, "report") > 0;
}

/* How long the sample was detached, waiting for what it should. */
static uint64_t detached_ns(const struct sample *sample, const char *waiting_for)
{
    uint64_t sum_ns = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct stack *stack = &sample->stacks.stacks[sample->snapshots[i].stack];
        const struct frame *innermost =
            &sample->stacks.frames[sample->stacks.stack_frames[stack->first]];
        struct text what = stack_table_text(&sample->stacks, sample->snapshots[i].waiting_for);

        if (innermost->kind != FRAME_MARKER) continue;
        assert_true(text_is_equal(stack_table_text(&sample->stacks, innermost->function),
                                  TEXT(MARKER_DETACHED)));
        if (!memmem(what.data, what.size, waiting_for, strlen(waiting_for)))
            fail_msg("waiting for '%.*s'", TEXT_ARGS(what));
        sum_ns += sample_weight(sample, i).wait_ns;
    }
    return sum_ns;
}

static void a_detached_call_waits_for_what_it_said(void **state)
{
    struct fake_scheduler *fake = fake_scheduler_start(0);
    OWN(sample_freep) struct sample *sample = NULL;
    struct host_process *host;
    struct problem problem;
    char server[64];
    unsigned port = 0;
    int slow, fast;

    (void)state;
    fake_scheduler_set_tasks(fake, "v2", &task, 1);
    snprintf(server, sizeof server, "STAKEOUT_SERVER=http://127.0.0.1:%u",
             (unsigned)fake_scheduler_port(fake));
    host = host_process_start(program, (const char *[]){ server, NULL });
    assert_int_equal(sscanf(host_process_hear(host), "listening on http://127.0.0.1:%u", &port), 1);
    assert_true(wait_until(has_logs, fake, SOON_MS)); /* it is armed */

    slow = ask((uint16_t)port, "/slow");
    fast = ask((uint16_t)port, "/fast");
    assert_answered(fast, "fast\n");
    assert_answered(slow, "slow\n");
    assert_true(wait_until(has_report, fake, SOON_MS));
    if (report_decode(fake_scheduler_body(fake, "report", 0), &sample, &problem) < 0)
        fail_msg("%s", problem.detail);
    assert_string_equal(sample->interface, "GET /slow");
    assert_int_equal(sample->response_code, 200);
    assert_true(detached_ns(sample, "upstream") * 10 > sample->listened_ns * 9);

    host_process_kill(host);
    fake_scheduler_stop(fake);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_detached_call_waits_for_what_it_said),
    };

    CHECK(argc == 2);
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
