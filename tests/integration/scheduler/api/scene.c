/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/scheduler/api/scene.h"

#include "common/base/clock.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"

void scene_make(struct scene *scene, const char *application)
{
    struct fake_calls calls = { .interface = "POST /checkout",
                                .count = 1000,
                                .each_ns = 180 * NS_PER_MS,
                                .seen = 50,
                                .triggered = 2,
                                .sampled = 2 };

    scene->probe = FAKE_PROBE(scheduler.port, application, "host-1:17");
    scene->trace = trace_id_make();
    scheduler_create_task(application, "", scene->task);
    assert_int_equal(fake_probe_poll(&scene->probe), 1);
    for (int i = 0; i < 2; i++) {
        scene->samples[i] = sample_id_make();
        assert_int_equal(
            fake_probe_report(&scene->probe, &(struct fake_sample){ .task = scene->task,
                                                                    .id = &scene->samples[i],
                                                                    .trace = &scene->trace }),
            REPORT_ACCEPTED);
    }
    calls.task = scene->task;
    fake_probe_pulse(&scene->probe, &calls, 1);
}
