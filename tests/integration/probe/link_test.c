/* SPDX-License-Identifier: Apache-2.0 */
/* What passes between the probe in a real process and a scripted scheduler: reports with names,
 * sent until they are acknowledged; pulses and logs that are resent as they were; tasks that end.
 *
 * argv[1] is the host program (host.c). */
#include "tests/integration/probe/scene.h"

#include "common/base/own.h"
#include "common/wire/report.h"

#include <string.h>

static bool has_drop(const struct wire_pulse *pulse, const char *reason, uint64_t count)
{
    for (uint32_t i = 0; i < pulse->ledgers_count; i++) {
        const struct wire_pulse_ledger *ledger = &pulse->ledgers[i];

        for (uint32_t j = 0; j < ledger->drops_count; j++) {
            if (text_is_equal(ledger->drops[j].reason, text_of(reason)) &&
                ledger->drops[j].count == count)
                return true;
        }
    }
    return false;
}

static bool has_one_refused(const struct wire_pulse *pulse, uint64_t argument)
{
    (void)argument;
    return has_drop(pulse, "refused", 1);
}

static bool names_function(const struct sample *sample, const char *name)
{
    for (uint32_t i = 0; i < sample->stacks.frame_count; i++) {
        if (text_is_equal(stack_table_text(&sample->stacks, sample->stacks.frames[i].function),
                          text_of(name)))
            return true;
    }
    return false;
}

static void a_slow_call_arrives_with_the_names_of_its_functions(void **state)
{
    struct scene *scene = *state;
    OWN(sample_freep) struct sample *sample = NULL;
    struct problem problem;
    char head[1024];

    scene_start_watching(scene, "STAKEOUT_INSTANCE=web:1");
    scene_ask(scene, "call GET /slow 300", "called");
    scene_await_count(scene, "report", 1);
    if (report_decode(fake_scheduler_body(scene->fake, "report", 0), &sample, &problem) < 0)
        fail_msg("%s", problem.detail);
    assert_string_equal(sample->application, "shop");
    assert_string_equal(sample->instance, "web:1");
    assert_string_equal(sample->interface, "GET /slow");
    assert_string_equal(sample->task.text, SCENE_TASK);
    assert_int_equal(sample->response_code, 200);
    assert_true(sample->host_ip[0] != '\0');
    assert_true(sample->snapshot_count > 2);
    assert_true(names_function(sample, "handle_request"));
    assert_true(names_function(sample, "main"));
    fake_scheduler_head(scene->fake, head, sizeof head);
    assert_non_null(strstr(head, "\r\nAuthorization: Bearer " SCENE_SECRET "\r\n"));
    scene_await_pulse(scene, pulse_has_sampled, 1);
}

static void a_scheduler_that_comes_late_is_found(void **state)
{
    struct scene *scene = *state;

    scene_stop_fake(scene);
    scene_start_host(scene, NULL);
    scene_ask(scene, "start", "start 0");
    scene_ask(scene, "call GET /fast 1", "called");
    scene_start_fake(scene);
    scene_watch(scene, "v2");
    scene_await_event(scene, TASK_EVENT_ARMED);
    scene_await_pulse(scene, pulse_counts_fast_calls, 1);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
}

static void a_scheduler_that_forgot_is_told_everything_again(void **state)
{
    struct scene *scene = *state;

    scene_start_watching(scene, NULL);
    scene_ask(scene, "call GET /fast 1", "called");
    scene_await_pulse(scene, pulse_counts_fast_calls, 1);
    scene_stop_fake(scene);
    scene_start_fake(scene);
    fake_scheduler_set_epoch(scene->fake, 2);
    scene_watch(scene, "v3");
    scene_ask(scene, "call GET /other 1", "called");
    scene_await_pulse(scene, pulse_counts_fast_calls, 1);
}

static void a_report_is_sent_until_it_is_acknowledged(void **state)
{
    struct scene *scene = *state;
    struct text first, again;

    scene_start_watching(scene, NULL);
    fake_scheduler_script(scene->fake, "report", (struct fake_script){ .status = 503, .times = 1 });
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
    fake_scheduler_script(scene->fake, "report", (struct fake_script){ .status = 0, .times = 2 });
    scene_await_pulse(scene, pulse_has_sampled, 1);
    assert_true(fake_scheduler_count(scene->fake, "report") >= 3);
    first = fake_scheduler_body(scene->fake, "report", 0);
    again =
        fake_scheduler_body(scene->fake, "report", fake_scheduler_count(scene->fake, "report") - 1);
    assert_true(text_is_equal(first, again));
}

static void what_is_refused_is_not_sent_again_but_counted(void **state)
{
    struct scene *scene = *state;

    scene_start_watching(scene, NULL);
    fake_scheduler_script(scene->fake, "report", (struct fake_script){ .status = 400, .times = 9 });
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_pulse(scene, has_one_refused, 0);
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 1);
}

static void try_later_is_tried_later(void **state)
{
    struct scene *scene = *state;

    scene_start_watching(scene, NULL);
    fake_scheduler_script(scene->fake, "report",
                          (struct fake_script){ .status = 429, .retry_after_s = 1, .times = 1 });
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_pulse(scene, pulse_has_sampled, 1);
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 2);
}

static void a_task_ends_by_itself(void **state)
{
    struct scene *scene = *state;
    struct wire_poll_task task = scene_slow_task;

    scene_start_host(scene, NULL);
    task.left_ms = 700;
    fake_scheduler_set_tasks(scene->fake, "v2", &task, 1);
    scene_ask(scene, "start", "start 0");
    scene_await_event(scene, TASK_EVENT_DISARMED);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_ask(scene, "call GET /fast 1", "called");
    host_process_tell(scene->host, "exit 0");
    scene_await_pulse(scene, pulse_is_last_of, (uint64_t)host_process_pid(scene->host));
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 0);
}

static void an_order_that_makes_no_sense_is_refused_by_name(void **state)
{
    struct scene *scene = *state;
    struct wire_poll_task task = scene_slow_task;

    scene_start_host(scene, NULL);
    task.frequency_ms = FREQUENCY_MS_MIN - 1;
    fake_scheduler_set_tasks(scene->fake, "v2", &task, 1);
    scene_ask(scene, "start", "start 0");
    scene_await_event(scene, TASK_EVENT_REFUSED);
    scene_ask(scene, "call GET /slow 100", "called");
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 0);
}

static void a_task_that_is_taken_back_is_not_watched_any_more(void **state)
{
    struct scene *scene = *state;

    scene_start_watching(scene, NULL);
    fake_scheduler_set_tasks(scene->fake, "v3", NULL, 0);
    scene_await_event(scene, TASK_EVENT_DISARMED);
    scene_ask(scene, "call GET /slow 200", "called");
    host_process_tell(scene->host, "exit 0");
    scene_await_pulse(scene, pulse_is_last_of, (uint64_t)host_process_pid(scene->host));
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 0);
}

static bool is_behind_by(const struct wire_pulse *pulse, uint64_t pending)
{
    return pulse->ledgers_count == 1 && pulse->ledgers[0].pending == pending;
}

static void a_report_that_cannot_be_digested_holds_up_nothing_else(void **state)
{
    struct scene *scene = *state;

    scene_start_watching(scene, NULL);
    fake_scheduler_script(scene->fake, "report",
                          (struct fake_script){ .status = 500, .times = 1000 });
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 2);
    scene_ask(scene, "call GET /fast 1", "called");
    scene_await_pulse(scene, pulse_counts_fast_calls, 1);
    scene_await_pulse(scene, is_behind_by, 1);
    fake_scheduler_script(scene->fake, "report", (struct fake_script){ .times = 0 });
    scene_await_pulse(scene, pulse_has_sampled, 1);
}

/* The first body of a kind that is the same as the one behind it; -1 if there is none. */
static int32_t find_resent(struct fake_scheduler *fake, const char *kind)
{
    uint32_t count = fake_scheduler_count(fake, kind);

    for (uint32_t i = 0; i + 1 < count; i++) {
        if (text_is_equal(fake_scheduler_body(fake, kind, i),
                          fake_scheduler_body(fake, kind, i + 1)))
            return (int32_t)i;
    }
    return -1;
}

static bool has_resent_pulse(void *fake)
{
    return find_resent(fake, "pulse") >= 0;
}

static void a_pulse_is_resent_unchanged_until_it_is_acknowledged(void **state)
{
    struct scene *scene = *state;

    fake_scheduler_script(scene->fake, "pulse", (struct fake_script){ .status = 503, .times = 2 });
    scene_start_watching(scene, NULL);
    scene_ask(scene, "call GET /fast 1", "called");
    assert_true(wait_until(has_resent_pulse, scene->fake, SOON_MS));
    scene_await_pulse(scene, pulse_counts_fast_calls, 1);
}

/* The sequence of the first event of a log request. */
static uint64_t first_sequence(struct fake_scheduler *fake, uint32_t index)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct problem problem;
    struct wire_log log;

    assert_int_equal(
        wire_log_decode(fake_scheduler_body(fake, "log", index), &arena, &log, &problem), 0);
    assert_true(log.events_count > 0);
    return log.events[0].sequence;
}

static void a_log_that_was_not_acknowledged_keeps_its_sequence(void **state)
{
    struct scene *scene = *state;

    fake_scheduler_script(scene->fake, "log", (struct fake_script){ .status = 0, .times = 1 });
    scene_start_watching(scene, NULL);
    scene_await_count(scene, "log", 2);
    assert_int_equal(first_sequence(scene->fake, 0), 1);
    assert_int_equal(first_sequence(scene->fake, 1), 1);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "log", 3);
    assert_true(first_sequence(scene->fake, 2) > 1);
}

static void a_poll_names_the_version_that_it_has(void **state)
{
    static const char *const versions[] = { "", "v2", "v3" };
    struct scene *scene = *state;

    scene_start_watching(scene, NULL);
    scene_watch(scene, "v3");
    scene_await_count(scene, "poll", 3);
    for (uint32_t i = 0; i < ARRAY_COUNT(versions); i++) {
        OWN(wire_arena_done) struct wire_arena arena = { 0 };
        struct problem problem;
        struct wire_poll poll;

        assert_int_equal(
            wire_poll_decode(fake_scheduler_body(scene->fake, "poll", i), &arena, &poll, &problem),
            0);
        assert_true(text_is_equal(poll.version, text_of(versions[i])));
        assert_true(text_is_equal(poll.application, TEXT("shop")));
    }
}

static void a_named_server_is_looked_up(void **state)
{
    struct scene *scene = *state;

    scene->name = "localhost";
    scene_start_watching(scene, NULL);
    scene_ask(scene, "call GET /slow 200", "called");
    scene_await_count(scene, "report", 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SCENE_CLAIM(a_slow_call_arrives_with_the_names_of_its_functions),
        SCENE_CLAIM(a_scheduler_that_comes_late_is_found),
        SCENE_CLAIM(a_scheduler_that_forgot_is_told_everything_again),
        SCENE_CLAIM(a_report_is_sent_until_it_is_acknowledged),
        SCENE_CLAIM(what_is_refused_is_not_sent_again_but_counted),
        SCENE_CLAIM(try_later_is_tried_later),
        SCENE_CLAIM(a_task_ends_by_itself),
        SCENE_CLAIM(an_order_that_makes_no_sense_is_refused_by_name),
        SCENE_CLAIM(a_task_that_is_taken_back_is_not_watched_any_more),
        SCENE_CLAIM(a_report_that_cannot_be_digested_holds_up_nothing_else),
        SCENE_CLAIM(a_pulse_is_resent_unchanged_until_it_is_acknowledged),
        SCENE_CLAIM(a_log_that_was_not_acknowledged_keeps_its_sequence),
        SCENE_CLAIM(a_poll_names_the_version_that_it_has),
        SCENE_CLAIM(a_named_server_is_looked_up),
    };

    CHECK(argc >= 2);
    scene_program = argv[1];
    if (argc > 4) cmocka_set_test_filter(argv[4]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
