/* SPDX-License-Identifier: Apache-2.0 */
/* task_value.h: a task and what belongs to it as JSON. Each returns a new reference. */
#ifndef STAKEOUT_SCHEDULER_API_TASK_VALUE_H
#define STAKEOUT_SCHEDULER_API_TASK_VALUE_H

#include "common/model/task.h"
#include "scheduler/api/state.h"
#include "scheduler/api/value.h"
#include "scheduler/live/census.h"

/* A name that nobody has reported is warned of; naming the nearest ones costs milliseconds, which
 * is right for an answer about one task, and not for lists and streams. */
enum warn { WARN_BRIEFLY, WARN_WITH_NEAREST };
json_t *task_value(struct api *api, const struct task *task, enum warn warn,
                   const struct scope *scope); /* of who reads it: no other names are told */

json_t *log_event_value(const struct task_log_event *event);
json_t *ledger_row_value(const struct task_ledger *row);
json_t *ledger_totals_value(const struct ledger *totals);
json_t *sample_value(const struct sample_summary *sample);

enum { NEAREST_MAX = 3 };

/* What was seen of names like a task's application, or else its interface. */
struct known_names {
    bool application_was_seen;
    bool interface_was_seen;        /* it, or one that its prefix matches */
    struct census_nearest *nearest; /* owned; NEAREST_MAX at most */
    size_t nearest_count;           /* 0 if the interface was seen */
    struct census_application_name applications[NEAREST_MAX];
    size_t application_count; /* 0 if the application was seen */
};
void known_names_find(struct api *api, const struct task_spec *spec, const struct scope *scope,
                      struct known_names *ret);
void known_names_done(struct known_names *names);

#endif
