/* SPDX-License-Identifier: Apache-2.0 */
/* subject.h: ids as they come in paths and parameters, and the one sentence per kind that refuses
 * what is none.
 *
 * Each returns 0 and fills *ret, or returns -1 with *problem (404: nothing can have such an id). */
#ifndef STAKEOUT_SCHEDULER_API_SUBJECT_H
#define STAKEOUT_SCHEDULER_API_SUBJECT_H

#include "common/model/id.h"
#include "common/model/problem.h"

int subject_task(struct text id, struct task_id *ret, struct problem *problem);
int subject_sample(struct text id, struct sample_id *ret, struct problem *problem);
int subject_trace(struct text id, struct trace_id *ret, struct problem *problem);

#endif
