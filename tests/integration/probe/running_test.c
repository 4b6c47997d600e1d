/* SPDX-License-Identifier: Apache-2.0 */
/* A call that is still running 30 s after its first snapshot is reported as running, again as it
 * goes on, and at last as ended: each time the same sample, under a higher revision. Nobody waits:
 * the host moves the moments at which its probe would report (host.c, "age").
 *
 * argv[1] is host.c, linked with the probe's insides. */
#include "tests/integration/probe/scene.h"

#include "common/base/own.h"
#include "common/wire/report.h"

#include <stdio.h>
#include <string.h>

struct aging {
    struct scene *scene;
    unsigned count, wanted;
    unsigned long after_ms;
};

static bool has_aged(void *context)
{
    struct aging *aging = context;
    const char *heard = host_process_ask(aging->scene->host, "age");

    if (sscanf(heard, "aged %u %lu", &aging->count, &aging->after_ms) != 2) fail_msg("%s", heard);
    return aging->count == aging->wanted;
}

/* Lets 30 s pass for the one call that is listened to. Returns when it would have been reported, in
 * ms after its first snapshot. */
static unsigned long age(struct scene *scene)
{
    struct aging aging = { .scene = scene, .wanted = 1 };

    if (!wait_until(has_aged, &aging, SOON_MS)) fail_msg("%u calls are listened to", aging.count);
    return aging.after_ms;
}

static struct sample *report_of(struct scene *scene, uint32_t index)
{
    struct sample *sample = NULL;
    struct problem problem;

    scene_await_count(scene, "report", index + 1);
    if (report_decode(fake_scheduler_body(scene->fake, "report", index), &sample, &problem) < 0)
        fail_msg("%s", problem.detail);
    return sample;
}

/* Is `later` what became of `earlier`? */
static void assert_goes_on(const struct sample *earlier, const struct sample *later)
{
    assert_string_equal(later->id.text, earlier->id.text);
    assert_string_equal(later->trace.text, earlier->trace.text);
    assert_true(later->revision > earlier->revision);
    assert_true(later->elapsed_ns > earlier->elapsed_ns);
    assert_true(later->listened_ns > earlier->listened_ns);
    assert_true(later->snapshot_count >= earlier->snapshot_count);
    assert_true(later->snapshots[0].offset_ns == earlier->snapshots[0].offset_ns);
}

static void a_call_that_goes_on_is_reported_as_running_again_and_at_its_end(void **state)
{
    OWN(sample_freep) struct sample *first = NULL, *second = NULL, *last = NULL;
    struct scene *scene = *state;

    scene_start_watching(scene, NULL);
    scene_ask(scene, "begin GET /slow", "begun");
    assert_int_equal(age(scene), RUNNING_AFTER_MS);
    first = report_of(scene, 0);
    assert_true(first->running);
    assert_in_range(age(scene), RUNNING_AFTER_MS, 2 * RUNNING_AFTER_MS);
    second = report_of(scene, 1);
    assert_true(second->running);
    assert_goes_on(first, second);
    scene_ask(scene, "end", "ended");
    last = report_of(scene, 2);
    assert_false(last->running);
    assert_int_equal(last->response_code, 200);
    assert_goes_on(second, last);
    scene_await_pulse(scene, pulse_has_sampled, 1);
    host_process_ask(scene->host, "stop");
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 3);
}

/* Reported once, and not again until another 30 s have passed. */
static void in_between_nothing_is_reported(void **state)
{
    OWN(sample_freep) struct sample *last = NULL;
    struct scene *scene = *state;

    scene_start_watching(scene, NULL);
    scene_ask(scene, "begin GET /slow", "begun");
    age(scene);
    scene_await_pulse(scene, pulse_has_sampled, 1); /* the running one has its place */
    scene_ask(scene, "call GET /fast 100", "called");
    scene_ask(scene, "end", "ended");
    last = report_of(scene, 1);
    assert_false(last->running);
    assert_int_equal(last->revision, 2);
}

static bool has_over_cap(const struct wire_pulse *pulse, uint64_t count)
{
    return pulse->ledgers_count == 1 && pulse->ledgers[0].over_cap == count &&
           pulse->ledgers[0].sampled == 0 && pulse->ledgers[0].pending == 0;
}

static void one_that_has_no_place_is_listened_to_no_longer(void **state)
{
    struct scene *scene = *state;
    struct aging nobody = { .scene = scene, .wanted = 0 };

    fake_scheduler_set_outcome(scene->fake, REPORT_OVER_CAP);
    scene_start_watching(scene, NULL);
    scene_ask(scene, "begin GET /slow", "begun");
    age(scene);
    scene_await_pulse(scene, has_over_cap, 1);
    assert_true(wait_until(has_aged, &nobody, SOON_MS));
    scene_ask(scene, "end", "ended");
    host_process_ask(scene->host, "stop");
    assert_int_equal(fake_scheduler_count(scene->fake, "report"), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SCENE_CLAIM(a_call_that_goes_on_is_reported_as_running_again_and_at_its_end),
        SCENE_CLAIM(in_between_nothing_is_reported),
        SCENE_CLAIM(one_that_has_no_place_is_listened_to_no_longer),
    };

    CHECK(argc >= 2);
    scene_program = argv[1];
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
