/* SPDX-License-Identifier: Apache-2.0 */
/* refusals.h: what the store refused, in sentences. */
#ifndef STAKEOUT_SCHEDULER_TASK_REFUSALS_H
#define STAKEOUT_SCHEDULER_TASK_REFUSALS_H

#include "scheduler/store/store.h"

/* What was asked for: an application for creations, an id for the others. */
struct refused_order {
    const char *application;
    const struct task_id *id;
};

/* 0 for STORE_DONE; -1 with *problem for every other verdict. */
int refusal_explain(const struct store_answer *answer, const struct refused_order *order,
                    struct problem *problem);

#endif
