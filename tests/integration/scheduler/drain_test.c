/* SPDX-License-Identifier: Apache-2.0 */
/* drain_test.c: what becomes of those who are inside, or at the door, when SIGTERM comes. */
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { QUEUED = 40, THREADS = 4, RESTARTS = 4, PER_ROUND = 12, SOON_MS = 30000 };

/* Whether it says `Connection: close` depends on which the loop hears of first. */
static void expect_answer(int connection, int status)
{
    struct api_answer answer;

    api_receive(connection, &answer);
    assert_int_equal(answer.status, status);
    api_answer_done(&answer);
}

static int ask_health(void)
{
    return api_send(&(struct api_call){ .port = scheduler.port, .path = "/healthz" });
}

/* It sees the signal only when they are all in the queue of its socket. */
static void who_is_at_the_door_is_let_in(void **state)
{
    int connections[QUEUED];

    (void)state;
    assert_int_equal(kill(scheduler.pid, SIGSTOP), 0);
    for (size_t i = 0; i < QUEUED; i++) {
        connections[i] = ask_health();
    }
    assert_int_equal(kill(scheduler.pid, SIGTERM), 0);
    assert_int_equal(kill(scheduler.pid, SIGCONT), 0);
    for (size_t i = 0; i < QUEUED; i++) {
        expect_answer(connections[i], 200);
    }
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    scheduler_process_start(&scheduler);
}

static void a_stream_ends_as_a_stream_does(void **state)
{
    struct api_stream stream;

    (void)state;
    api_stream_open(&stream, scheduler.port, "/api/v1/events");
    assert_true(api_stream_wait(&stream, ": stakeout\n"));
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    assert_true(api_stream_wait(&stream, "\r\n0\r\n\r\n"));
    api_stream_close(&stream);
    scheduler_process_start(&scheduler);
}

static bool is_waiting(void *context)
{
    (void)context;
    return scheduler_metric("stakeout_intake_in_flight") > 0;
}

/* Redis is slow: what it acknowledges within the bound is acknowledged. */
static void a_pulse_that_waits_for_redis_is_answered(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "waits", "host-1:1");
    char task[TASK_ID_SIZE + 1];
    struct fake_calls calls = { .interface = "POST /checkout", .count = 3, .each_ns = 1000 };
    int connection;

    (void)state;
    scheduler_create_task("waits", "", task);
    calls.task = task;
    calls.seen = 3;
    fake_probe_poll(&probe);
    assert_int_equal(kill(scheduler_redis.pid, SIGSTOP), 0);
    connection = fake_probe_send_pulse(&probe, &calls, 1);
    assert_true(wait_until(is_waiting, NULL, SOON_MS));
    assert_int_equal(kill(scheduler.pid, SIGTERM), 0);
    assert_int_equal(kill(scheduler_redis.pid, SIGCONT), 0);
    expect_answer(connection, 200);
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    fake_probe_done(&probe);
    scheduler_process_start(&scheduler);
}

/* --- under load --- */

static char task[TASK_ID_SIZE + 1];
static _Atomic bool is_over;
static _Atomic unsigned accepted, accepted_max, tried_again;

/* So that they are still at it in the middle of each round. */
static bool may_go_on(void *context)
{
    (void)context;
    return atomic_load(&accepted) < atomic_load(&accepted_max) || atomic_load(&is_over);
}

/* Reports samples of its own, each until it is told what became of it. */
static void *report_on(void *argument)
{
    struct fake_probe probe = *(struct fake_probe *)argument;

    while (!atomic_load(&is_over)) {
        struct sample_id id = sample_id_make();
        enum report_outcome outcome = REPORT_OVER_CAP;

        if (!wait_until(may_go_on, NULL, SOON_MS)) break;
        while (fake_probe_try_report(&probe, &(struct fake_sample){ .task = task, .id = &id },
                                     &outcome) < 0) {
            atomic_fetch_add(&tried_again, 1);
            if (atomic_load(&is_over)) return NULL; /* never acknowledged: not counted */
        }
        if (outcome == REPORT_ACCEPTED || outcome == REPORT_KNOWN) atomic_fetch_add(&accepted, 1);
        if (outcome == REPORT_OVER_CAP) break;
    }
    return NULL;
}

static bool has_accepted(void *context)
{
    return atomic_load(&accepted) >= *(unsigned *)context;
}

static void nothing_acknowledged_is_lost_by_restarts(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "load", "host-1:1");
    pthread_t threads[THREADS];
    json_t *samples;

    (void)state;
    scheduler_create_task("load", ",\"sample_cap\":100", task);
    fake_probe_poll(&probe);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, report_on, &probe), 0);
    }
    for (unsigned round = 1; round <= RESTARTS; round++) {
        unsigned wanted = round * 2 * PER_ROUND - PER_ROUND;

        atomic_store(&accepted_max, round * 2 * PER_ROUND);
        assert_true(wait_until(has_accepted, &wanted, SOON_MS));
        assert_int_equal(scheduler_process_stop(&scheduler), 0);
        scheduler_process_start(&scheduler);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    samples = scheduler_get_task(task, "/samples?limit=1000");
    printf("%u acknowledged, %u tried again, %zu kept\n", accepted, tried_again,
           json_array_size(json_object_get(samples, "samples")));
    assert_true(json_array_size(json_object_get(samples, "samples")) >= accepted);
    assert_true(json_array_size(json_object_get(samples, "samples")) <= 100);
    assert_true(accepted >= RESTARTS * PER_ROUND && tried_again > 0);
    json_decref(samples);
    fake_probe_done(&probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_at_the_door_is_let_in),
        cmocka_unit_test(a_stream_ends_as_a_stream_does),
        cmocka_unit_test(a_pulse_that_waits_for_redis_is_answered),
        cmocka_unit_test(nothing_acknowledged_is_lost_by_restarts),
    };

    return cmocka_run_group_tests(tests, scheduler_setup_with_redis, scheduler_teardown_with_redis);
}
