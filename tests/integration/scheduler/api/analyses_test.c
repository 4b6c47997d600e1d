/* SPDX-License-Identifier: Apache-2.0 */
/* analyses_test.c: analyses of a real stakeoutd, small and large, and what they are exported as. */
#include "tests/integration/scheduler/api/scene.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static void exports_are_files_for_their_viewers(void **state)
{
    static const struct {
        const char *format, *type, *suffix;
    } formats[] = {
        { "folded", "text/plain; charset=utf-8", "folded" },
        { "speedscope", "application/json", "speedscope.json" },
        { "pprof", "application/octet-stream", "pb.gz" },
        { "svg", "image/svg+xml", "svg" },
    };
    struct scene scene;

    (void)state;
    scene_make(&scene, "exports");
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        struct api_answer answer;
        char path[160], wanted[160];

        snprintf(path, sizeof path, "/api/v1/tasks/%s/analysis?format=%s", scene.task,
                 formats[i].format);
        snprintf(wanted, sizeof wanted, "attachment; filename=\"stakeout-task-%s.%s\"", scene.task,
                 formats[i].suffix);
        api_ask(&(struct api_call){ .port = scheduler.port, .path = path }, &answer);
        assert_int_equal(answer.status, 200);
        assert_string_equal(api_header(&answer, "Content-Type"), formats[i].type);
        assert_string_equal(api_header(&answer, "Content-Disposition"), wanted);
        assert_true(answer.body.size > 20);
        api_answer_done(&answer);
    }
}

/* Two samples of 2500 snapshots are analysed by a child; two of two are not. The sums are the same,
 * and the one that is compared with itself differs by nothing. */
static void a_large_analysis_says_what_a_small_one_says(void **state)
{
    static const uint32_t counts[] = { 2, 2500 };
    char path[256];
    json_t *analysis, *tree;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        struct fake_probe probe = FAKE_PROBE(scheduler.port, i ? "large" : "small", "host-1:1");
        struct fake_sample sample = { .snapshot_count = counts[i] };
        char id[TASK_ID_SIZE + 1];

        scheduler_create_task(probe.application, "", id);
        sample.task = id;
        fake_probe_poll(&probe);
        assert_int_equal(fake_probe_report(&probe, &sample), REPORT_ACCEPTED);
        assert_int_equal(fake_probe_report(&probe, &sample), REPORT_ACCEPTED);
        analysis = scheduler_get_task(id, "/analysis");
        tree = json_object_get(analysis, "tree");
        assert_int_equal(number_at(analysis, "snapshots"), 2 * counts[i]);
        assert_true(json_number_value(json_object_get(tree, "total_ms")) == 200);
        assert_true(json_number_value(json_object_get(tree, "cpu_ms")) == 100);
        assert_true(json_number_value(json_object_get(tree, "wait_ms")) == 100);
        json_decref(analysis);
        snprintf(path, sizeof path, "/api/v1/diff?base=task:%s&other=task:%s", id, id);
        analysis = scheduler_get(path);
        tree = json_object_get(analysis, "tree");
        assert_true(
            json_equal(json_object_get(tree, "base_ms"), json_object_get(tree, "other_ms")));
        json_decref(analysis);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_are_files_for_their_viewers),
        cmocka_unit_test(a_large_analysis_says_what_a_small_one_says),
    };

    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
