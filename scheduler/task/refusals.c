/* SPDX-License-Identifier: Apache-2.0 */
/* refusals.c: one sentence per verdict; each names what is in the way, and until when. */
#include "scheduler/task/refusals.h"

#include "common/base/check.h"
#include "common/base/wall_time.h"

static int explain_overlap(const struct store_answer *answer, struct problem *problem)
{
    const struct store_conflict *it = &answer->conflict;
    char starts[WALL_TIME_SIZE], ends[WALL_TIME_SIZE];

    wall_time_format(it->starts_wall_ms, starts);
    wall_time_format(it->ends_wall_ms, ends);
    return problem_set(problem, PROBLEM_OVERLAP,
                       "Task %s %s '%s' from %s until %s, and one name could match both.",
                       it->id.text, it->is_active ? "watches" : "will watch", it->interface, starts,
                       ends);
}

static int explain_over(const struct store_answer *answer, struct problem *problem)
{
    char ended[WALL_TIME_SIZE];

    wall_time_format(answer->task->ended_wall_ms, ended);
    return problem_set(problem, PROBLEM_TASK_OVER, "Task %s is over: it was %s at %s.",
                       answer->task->id.text, task_state_name(answer->task->state), ended);
}

static int explain_too_many(const struct refused_order *order, int most, const char *what,
                            struct problem *problem)
{
    const char *name = order->application;

    return problem_set(problem, PROBLEM_TOO_MANY_TASKS,
                       "The application%s%s%s has %d tasks %s, which is the most.",
                       name ? " '" : "", name ? name : "", name ? "'" : "", most, what);
}

int refusal_explain(const struct store_answer *answer, const struct refused_order *order,
                    struct problem *problem)
{
    switch (answer->verdict) {
    case STORE_DONE:
    case STORE_NOT_DUE:
        return 0;
    case STORE_OVERLAP:
        return explain_overlap(answer, problem);
    case STORE_TOO_MANY_AT_ONCE:
        return explain_too_many(order, TASKS_ACTIVE_MAX, "at one time already", problem);
    case STORE_TOO_MANY_LIVE:
        return explain_too_many(order, STORE_LIVE_MAX, "that are not over yet", problem);
    case STORE_NO_TASK:
        return problem_set(problem, PROBLEM_NO_SUCH_TASK, "No task has the id '%s'.",
                           order->id->text);
    case STORE_OVER:
        return explain_over(answer, problem);
    case STORE_LONGEST:
        return problem_set(problem, PROBLEM_LONGEST,
                           "Task %s has the longest duration already, %d minutes.", order->id->text,
                           (int)answer->task->spec.duration_min);
    }
    check_failed("every verdict has its sentence", __FILE__, __LINE__);
}
