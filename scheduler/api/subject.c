/* SPDX-License-Identifier: Apache-2.0 */
/* subject.c: one sentence for all three kinds. An id of another form is "not found", not
 * "malformed": nothing can have it, and who asks wants to know just that. */
#include "scheduler/api/subject.h"

static int refuse(enum problem_code code, const char *noun, int size, struct problem *problem)
{
    return problem_set(problem, code,
                       "No %s has such an id; one is %d lower-case hex digits, not all zero.", noun,
                       size);
}

int subject_task(struct text id, struct task_id *ret, struct problem *problem)
{
    if (task_id_parse(id, ret) == 0) return 0;
    return refuse(PROBLEM_NO_SUCH_TASK, "task", TASK_ID_SIZE, problem);
}

int subject_sample(struct text id, struct sample_id *ret, struct problem *problem)
{
    if (sample_id_parse(id, ret) == 0) return 0;
    return refuse(PROBLEM_NO_SUCH_SAMPLE, "sample", SAMPLE_ID_SIZE, problem);
}

int subject_trace(struct text id, struct trace_id *ret, struct problem *problem)
{
    if (trace_id_parse(id, ret) == 0) return 0;
    return refuse(PROBLEM_NO_SUCH_TRACE, "trace", TRACE_ID_SIZE, problem);
}
