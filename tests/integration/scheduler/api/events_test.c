/* SPDX-License-Identifier: Apache-2.0 */
/* events_test.c: what a scheduler tells while it runs, and what is left when it was ended. */
#include "tests/integration/scheduler/api/scene.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

static void a_stream_tells_of_tasks_and_samples(void **state)
{
    struct fake_probe probe = FAKE_PROBE(scheduler.port, "stream", "host-1:1");
    struct sample_id sample = sample_id_make();
    struct api_stream stream;
    char id[TASK_ID_SIZE + 1];

    (void)state;
    api_stream_open(&stream, scheduler.port, "/api/v1/events");
    assert_true(api_stream_wait(&stream, "\n: stakeout\n"));
    scheduler_create_task("stream", "", id);
    assert_true(api_stream_wait(&stream, "event: task\ndata: {"));
    assert_true(api_stream_wait(&stream, id));
    fake_probe_poll(&probe);
    fake_probe_report(&probe, &(struct fake_sample){ .task = id, .id = &sample });
    assert_true(api_stream_wait(&stream, "event: sample\ndata: {"));
    assert_true(api_stream_wait(&stream, sample.text));
    api_stream_close(&stream);
}

/* ------------------------------------------------------------------ a restart */

static void a_killed_scheduler_comes_back_with_everything(void **state)
{
    struct scene scene;
    json_t *before, *after;

    (void)state;
    scene_make(&scene, "restart");
    before = scheduler_get_task(scene.task, "/samples");
    assert_int_equal(json_array_size(json_object_get(before, "samples")), 2);
    scheduler_process_kill(&scheduler);
    scheduler_process_start(&scheduler);
    after = scheduler_get_task(scene.task, "/samples");
    assert_true(json_equal(before, after));
    json_decref(after);
    json_decref(before);
    after = scheduler_get_task(scene.task, "");
    assert_string_equal(text_at(after, "state"), "ACTIVE");
    json_decref(after);
    scene.probe.port = scheduler.port;
    assert_int_equal(fake_probe_poll(&scene.probe), 1);
}

static void it_stops_when_told_and_says_so_by_its_exit_code(void **state)
{
    struct api_stream stream;

    (void)state;
    api_stream_open(&stream, scheduler.port, "/api/v1/events");
    assert_true(api_stream_wait(&stream, "\n: stakeout\n"));
    assert_int_equal(scheduler_process_stop(&scheduler), 0);
    assert_false(api_stream_wait(&stream, "never said"));
    api_stream_close(&stream);
    scheduler_process_start(&scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_tells_of_tasks_and_samples),
        cmocka_unit_test(a_killed_scheduler_comes_back_with_everything),
        cmocka_unit_test(it_stops_when_told_and_says_so_by_its_exit_code),
    };

    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
