/* SPDX-License-Identifier: Apache-2.0 */
/* task_event.h: the dated events of a task (task_event.def), of the task log. */
#ifndef STAKEOUT_COMMON_MODEL_TASK_EVENT_H
#define STAKEOUT_COMMON_MODEL_TASK_EVENT_H

#include "common/base/text.h"

enum task_event_kind {
#define TASK_EVENT(name, number, slug) TASK_EVENT_##name = number,
#include "common/model/task_event.def"
#undef TASK_EVENT
};

const char *task_event_slug(uint32_t number); /* NULL for a number that is not in the table */
int task_event_parse(struct text slug, uint32_t *ret); /* 0 or -EINVAL */

#endif
