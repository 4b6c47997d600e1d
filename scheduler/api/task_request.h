/* SPDX-License-Identifier: Apache-2.0 */
/* task_request.h: an order as an operator sends it: JSON to a struct task_spec, strictly.
 *
 * What is not an integer is no number; unknown and repeated fields are refused; every refusal
 * names the field and says what is accepted, in the words of common/model/task_spec. */
#ifndef STAKEOUT_SCHEDULER_API_TASK_REQUEST_H
#define STAKEOUT_SCHEDULER_API_TASK_REQUEST_H

#include "common/model/problem.h"
#include "common/model/task_spec.h"

/* Who knows what "p99" of an interface was in the last 15 minutes: 0 and *ret_ns, or -ENOENT. */
struct threshold_source {
    int (*percentile_ns)(void *context, struct text application, struct text interface,
                         unsigned percent, uint64_t *ret_ns);
    void *context;
};

/* Returns 0 and fills *ret, checked by task_spec_check(); or -1 with *problem. */
int task_request_parse(struct text body, const struct threshold_source *source,
                       uint64_t now_wall_ms, struct task_spec *ret, struct problem *problem);

#endif
