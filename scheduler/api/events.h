/* SPDX-License-Identifier: Apache-2.0 */
/* events.h: the streams of /api/v1/events. */
#ifndef STAKEOUT_SCHEDULER_API_EVENTS_H
#define STAKEOUT_SCHEDULER_API_EVENTS_H

#include "scheduler/api/state.h"

void events_publish(struct api *api, const struct task *task, const struct sample_summary *sample);
void events_tick(struct api *api, uint64_t now_ns);
void events_end(struct api *api);

#endif
