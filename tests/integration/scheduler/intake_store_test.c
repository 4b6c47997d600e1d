/* SPDX-License-Identifier: Apache-2.0 */
/* intake_store_test.c: what probes hear while Redis is slow, or away, and that nothing is lost. */
#include "common/base/own.h"
#include "common/model/limits.h"
#include "common/wire/messages.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { IN_FLIGHT_MAX = 512 }; /* WORDS_IN_FLIGHT_MAX of scheduler/intake/private.h */

static void encode_event(const char *application, const char *id, uint64_t sequence, struct buf *to)
{
    struct wire_log_event event = {
        .sequence = sequence, .task = text_of(id), .event = 11 /* thinned */, .count = 1
    };
    struct wire_log log = { .protocol = WIRE_PROTOCOL,
                            .application = text_of(application),
                            .instance = TEXT("host:1"),
                            .incarnation = 7,
                            .events = &event,
                            .events_count = 1 };

    buf_reset(to);
    assert_int_equal(wire_log_encode(&log, to), 0);
}

static bool are_in_flight(void *context)
{
    return scheduler_metric("stakeout_intake_in_flight") == (double)*(size_t *)context;
}

/* Redis stands still: so many wait, the next is told to come again, and all are answered after. */
static void at_most_512_requests_wait_for_the_store(void **state)
{
    OWN(buf_done) struct buf body = BUF_INIT(LOG_SIZE_MAX);
    size_t count = IN_FLIGHT_MAX, none = 0;
    struct api_call call = { .port = scheduler.port,
                             .path = "/probe/v1/log",
                             .content_type = "application/msgpack" };
    int fds[IN_FLIGHT_MAX];
    struct api_answer answer;
    char id[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("slow", "", id);
    assert_int_equal(kill(scheduler_redis.pid, SIGSTOP), 0);
    for (size_t i = 0; i < count; i++) {
        encode_event("slow", id, i + 1, &body);
        call.body = buf_peek(&body);
        fds[i] = api_send(&call);
    }
    assert_true(wait_until(are_in_flight, &count, 4000));
    encode_event("slow", id, count + 1, &body);
    call.body = buf_peek(&body);
    api_ask(&call, &answer);
    assert_int_equal(kill(scheduler_redis.pid, SIGCONT), 0);
    assert_int_equal(answer.status, 503);
    assert_string_equal(json_string_value(json_object_get(answer.json, "type")), "busy");
    assert_string_equal(api_header(&answer, "Retry-After"), "1"); /* hardly anybody is here */
    api_answer_done(&answer);

    for (size_t i = 0; i < count; i++) {
        api_receive(fds[i], &answer);
        assert_int_equal(answer.status, 204);
        api_answer_done(&answer);
    }
    assert_true(wait_until(are_in_flight, &none, 10000));
}

/* The client does not wait for the store: the store finishes, and nobody is answered. */
static void a_client_that_goes_meanwhile_leaves_nothing_behind(void **state)
{
    OWN(buf_done) struct buf body = BUF_INIT(LOG_SIZE_MAX);
    size_t one = 1, none = 0;
    char id[TASK_ID_SIZE + 1], path[80];
    struct api_answer answer;

    (void)state;
    scheduler_create_task("leaving", "", id);
    assert_int_equal(kill(scheduler_redis.pid, SIGSTOP), 0);
    encode_event("leaving", id, 1, &body);
    close(api_send(&(struct api_call){ .port = scheduler.port,
                                       .path = "/probe/v1/log",
                                       .content_type = "application/msgpack",
                                       .body = buf_peek(&body) }));
    assert_true(wait_until(are_in_flight, &one, 4000));
    assert_int_equal(kill(scheduler_redis.pid, SIGCONT), 0);
    assert_true(wait_until(are_in_flight, &none, 10000));
    snprintf(path, sizeof path, "/api/v1/tasks/%s/log", id);
    api_ask(&(struct api_call){ .port = scheduler.port, .path = path }, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body.data, "\"thinned\""));
    api_answer_done(&answer);
}

static int poll_status(void)
{
    OWN(buf_done) struct buf body = BUF_INIT(POLL_SIZE_MAX);
    struct wire_poll said = { .protocol = WIRE_PROTOCOL,
                              .application = TEXT("away"),
                              .instance = TEXT("host:1"),
                              .incarnation = 8 };
    struct api_answer answer;
    int status;

    assert_int_equal(wire_poll_encode(&said, &body), 0);
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/probe/v1/poll",
                                .content_type = "application/msgpack",
                                .body = buf_peek(&body) },
            &answer);
    status = answer.status;
    if (status == 503) assert_string_not_equal(api_header(&answer, "Retry-After"), "");
    api_answer_done(&answer);
    return status;
}

static bool is_answered_with(void *context)
{
    return poll_status() == *(int *)context;
}

/* An empty list would end what the probe watches. */
static void without_redis_a_poll_is_told_to_come_again_and_never_that_there_is_no_task(void **state)
{
    int later = 503, now = 200;
    char id[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("away", "", id);
    assert_int_equal(poll_status(), 200);
    redis_process_kill(&scheduler_redis);
    assert_true(wait_until(is_answered_with, &later, 10000));
    redis_process_restart(&scheduler_redis);
    assert_true(wait_until(is_answered_with, &now, 20000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_512_requests_wait_for_the_store),
        cmocka_unit_test(a_client_that_goes_meanwhile_leaves_nothing_behind),
        cmocka_unit_test(
            without_redis_a_poll_is_told_to_come_again_and_never_that_there_is_no_task),
    };

    return cmocka_run_group_tests(tests, scheduler_setup_with_redis, scheduler_teardown_with_redis);
}
