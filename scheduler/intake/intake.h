/* SPDX-License-Identifier: Apache-2.0 */
/* intake.h: what probes say: poll, pulse, log and report, under /probe/v1.
 *
 *     intake = intake_new(http, tasks, live, census, metrics);    adds its routes
 *     ... from tasks_options.on_change: intake_task_changed(intake, application); ...
 *     ... every second: intake_tick(intake, now_ns); ...
 *     http_stop(http);  intake_free(intake);
 *
 * A poll that knows the current version of its application's tasks is parked until they change.
 * Everything else is answered when the store has answered. It owns nothing of what it is given:
 * all of it must outlive it. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_INTAKE_INTAKE_H
#define STAKEOUT_SCHEDULER_INTAKE_INTAKE_H

#include "common/base/text.h"

struct census;
struct http;
struct intake;
struct live;
struct metrics;
struct tasks;

struct intake *intake_new(struct http *http, struct tasks *tasks, struct live *live,
                          struct census *census, struct metrics *metrics);

/* After http_stop(), so that nothing is parked. What the store still owes is forgotten: its
 * callbacks must not come any more, so free tasks first. */
struct intake *intake_free(struct intake *intake);

/* What a poll of this application would be told may have changed: wakes them. */
void intake_task_changed(struct intake *intake, struct text application);

/* Notices instances that have gone; to be called every second or so. */
void intake_tick(struct intake *intake, uint64_t now_ns);

#endif
