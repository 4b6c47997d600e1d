/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever stands at the scheduler's address: the probe's memory, threads and processor time stay
 * bounded, it tries again at its own pace, says why in its log, does not hold up a stop or an exit,
 * and is there when a good scheduler takes the address over.
 *
 * argv[1] is host.c. */
#include "tests/integration/probe/scene.h"
#include "tests/support/hostile_scheduler.h"
#include "tests/support/process_usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWERS = 6,               /* looked at: some of each of the two connections */
    GROWTH_KB_MAX = 5 * 1024,  /* what a start takes, two answers of 512 KB and their decoding */
    STOP_MS_MAX = 1000 + 1000, /* its second, and a busy machine's; a request may take 10 s */
};

static const struct {
    const char *says;
    enum hostile_way way;
    const char *words; /* in the log; NULL: it says nothing while it waits */
} rows[] = {
    { "closes at once", HOSTILE_CLOSE, "Connection reset by peer" },
    { "sends garbage", HOSTILE_GARBAGE, "does not speak HTTP/1.1" },
    { "never ends its head", HOSTILE_ENDLESS_HEAD, "says too much" },
    { "never ends its body", HOSTILE_ENDLESS_BODY, "says too much" },
    { "never ends its chunks", HOSTILE_ENDLESS_CHUNK, "says too much" },
    { "sends 20 MB", HOSTILE_HUGE, "says too much" },
    { "sends a byte now and then", HOSTILE_DRIP, NULL },
    { "redirects", HOSTILE_REDIRECT, "status 302" },
    { "sends a page", HOSTILE_PAGE, "is no stakeout scheduler" },
    { "sends a deep bomb", HOSTILE_DEEP, "its answer to a poll cannot be read" },
    { "sends a wide bomb", HOSTILE_WIDE, "its answer to a pulse cannot be read" },
};

struct answers_wanted {
    struct hostile_scheduler *hostile;
    uint32_t count;
};

static bool has_answered(void *context)
{
    const struct answers_wanted *wanted = context;

    return hostile_scheduler_count(wanted->hostile) >= wanted->count;
}

static void await_answers(struct hostile_scheduler *hostile, uint32_t count)
{
    struct answers_wanted wanted = { hostile, count };

    if (!wait_until(has_answered, &wanted, SOON_MS))
        fail_msg("it was asked %u times", hostile_scheduler_count(hostile));
}

/* One that comes back without a pause does so thousands of times a second, and burns a core. */
static void assert_bounded(struct scene *scene, struct hostile_scheduler *hostile,
                           const struct process_usage *before, uint64_t began_ns, bool is_slow)
{
    uint64_t wall_ms;
    struct process_usage now;

    if (!is_slow) await_answers(hostile, ANSWERS);
    wall_ms = ns_to_ms(clock_monotonic_ns() - began_ns);
    process_usage_read(host_process_pid(scene->host), &now);
    print_message("    %u answers in %lu ms; %lu KB more, %lu ms of CPU\n",
                  hostile_scheduler_count(hostile), wall_ms, now.resident_kb - before->resident_kb,
                  now.cpu_ms - before->cpu_ms);
    if (!is_slow) assert_in_range(wall_ms, 100, UINT64_MAX);
    assert_in_range(hostile_scheduler_count(hostile), 1, ANSWERS + 2);
    assert_in_range(now.threads, 1, SCENE_HOST_THREADS + SCENE_AGENT_THREADS);
    assert_in_range(now.cpu_ms - before->cpu_ms, 0, 50 + wall_ms / 4);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(now.resident_kb, 0, before->resident_kb + GROWTH_KB_MAX);
#endif
}

static void assert_stops_in_time(struct scene *scene)
{
    const char *heard = host_process_ask(scene->host, "stop");
    long ms = -1;

    if (sscanf(heard, "stop %ld", &ms) != 1 || ms > STOP_MS_MAX) fail_msg("'%s'", heard);
}

static void assert_recovers(struct scene *scene)
{
    scene_start_fake(scene);
    scene_watch(scene, "v2");
    scene_await_event(scene, TASK_EVENT_ARMED);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_pulse(scene, pulse_has_sampled, 1);
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 1);
}

static void meet(struct scene *scene, size_t row)
{
    struct hostile_scheduler *hostile;
    struct process_usage before;
    uint64_t began_ns;

    scene_stop_fake(scene);
    hostile = hostile_scheduler_start(scene->port, rows[row].way);
    scene_want_log(scene);
    scene_start_host(scene, NULL);
    scene_ask(scene, "call GET /fast 1", "called");
    process_usage_read(host_process_pid(scene->host), &before);
    began_ns = clock_monotonic_ns();
    scene_ask(scene, "start", "start 0");
    await_answers(hostile, 1);
    if (rows[row].words) scene_await_log(scene, rows[row].words);
    assert_bounded(scene, hostile, &before, began_ns, !rows[row].words);
    assert_stops_in_time(scene);
    scene_ask(scene, "start", "start 0");
    scene_ask(scene, "call GET /fast 1", "called");
    hostile_scheduler_stop(hostile);
    assert_recovers(scene);
    assert_int_equal(scene_end_host(scene), 0);
}

/* An exit flushes as a stop does, and as briefly. */
static void leave(struct scene *scene, size_t row)
{
    struct hostile_scheduler *hostile = hostile_scheduler_start(scene->port, rows[row].way);
    uint64_t began_ns;

    scene_start_host(scene, NULL);
    scene_ask(scene, "start", "start 0");
    scene_ask(scene, "call GET /fast 1", "called");
    began_ns = clock_monotonic_ns();
    host_process_tell(scene->host, "exit 3");
    assert_int_equal(scene_end_host(scene), 3);
    assert_in_range(ns_to_ms(clock_monotonic_ns() - began_ns), 0, STOP_MS_MAX);
    hostile_scheduler_stop(hostile);
}

static void whatever_answers_there_the_host_does_not_notice(void **state)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct scene *scene = NULL;

        print_message("  one that %s\n", rows[i].says);
        scene_setup((void **)&scene);
        meet(scene, i);
        scene_stop_fake(scene);
        leave(scene, i);
        scene_teardown((void **)&scene);
    }
    (void)state;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_answers_there_the_host_does_not_notice),
    };

    CHECK(argc >= 2);
    scene_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
