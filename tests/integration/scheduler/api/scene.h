/* SPDX-License-Identifier: Apache-2.0 */
/* scene.h: an application with everything: a probe, statistics, a task with two samples, which
 * are of one trace. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SCHEDULER_API_SCENE_H
#define STAKEOUT_TESTS_INTEGRATION_SCHEDULER_API_SCENE_H

#include "tests/support/fake_probe.h"

struct scene {
    struct fake_probe probe;
    char task[TASK_ID_SIZE + 1];
    struct sample_id samples[2];
    struct trace_id trace;
};

/* Of the fixture's scheduler. */
void scene_make(struct scene *scene, const char *application);

#endif
