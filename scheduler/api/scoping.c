/* SPDX-License-Identifier: Apache-2.0 */
/* scoping.c: where a path or query names one thing, and the token is not for all applications, the
 * thing is looked up first, to see whose it is. It costs such a token one more question to Redis;
 * whose a thing is never changes, so nothing can happen in between. The refusal is the one that
 * an id of nobody gets, to the letter. */
#include "scheduler/api/scoping.h"

#include "common/base/check.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/subject.h"
#include "scheduler/history/history.h"

#include <stdlib.h>
#include <string.h>

enum { SUBJECTS_MAX = 2 };

/* What is looked up for a request, one after the other. */
struct visit {
    struct api *api;
    const struct route *route;
    struct http_request *request; /* NULL: the client is gone */
    struct {
        bool is_sample;
        struct task_id task;
        struct sample_id sample;
    } things[SUBJECTS_MAX];
    size_t count, seen_count;
};

static void go_on(struct visit *visit);

struct scope *request_scope(struct http_request *request)
{
    return request ? http_identity_of(request)->scope : NULL;
}

int scoping_check(struct http_request *request, struct text application, struct problem *problem)
{
    if (scope_has(request_scope(request), application)) return 0;
    return problem_set(problem, PROBLEM_NO_SUCH_APPLICATION,
                       "The token '%s' is for no application '%.*s'.",
                       http_identity_of(request)->name, TEXT_ARGS(application));
}

/* ------------------------------------------------------------------ one thing after the other */

static void on_gone(void *context)
{
    struct visit *visit = context;

    visit->request = NULL;
}

static void end(struct visit *visit, const struct problem *problem)
{
    if (visit->request && problem) {
        answer_problem(visit->request, problem);
    } else if (visit->request) {
        http_unpark(visit->request);
        visit->route->handler(visit->api, visit->request);
    }
    free(visit);
}

static void see(struct visit *visit, const char *application, const struct problem *refusal,
                const struct problem *problem)
{
    if (problem) {
        end(visit, problem);
    } else if (visit->request && !scope_has(request_scope(visit->request), text_of(application))) {
        end(visit, refusal);
    } else {
        visit->seen_count++;
        go_on(visit);
    }
}

static void on_task(void *context, const struct task *task, const struct problem *problem)
{
    struct visit *visit = context;
    struct problem refusal = { 0 };

    problem_set(&refusal, PROBLEM_NO_SUCH_TASK, "No task has the id '%s'.",
                visit->things[visit->seen_count].task.text);
    see(visit, problem ? "" : task->spec.application, &refusal, problem);
}

static void on_sample(void *context, const struct sample_summary *summary,
                      const struct problem *problem)
{
    struct visit *visit = context;
    struct problem refusal = { 0 };

    problem_set(&refusal, PROBLEM_NO_SUCH_SAMPLE, "No sample has the id '%s'.",
                visit->things[visit->seen_count].sample.text);
    see(visit, problem ? "" : summary->application, &refusal, problem);
}

static void go_on(struct visit *visit)
{
    struct history *history = visit->api->rooms.history;

    if (!visit->request || visit->seen_count == visit->count)
        end(visit, NULL);
    else if (visit->things[visit->seen_count].is_sample)
        history_summary(history, &visit->things[visit->seen_count].sample, on_sample, visit);
    else
        history_task(history, &visit->things[visit->seen_count].task, on_task, visit);
}

/* ------------------------------------------------------------------ what is named */

static int add_thing(struct visit *draft, bool is_sample, struct text id)
{
    struct problem ignored = { 0 };
    int rc = is_sample ? subject_sample(id, &draft->things[draft->count].sample, &ignored)
                       : subject_task(id, &draft->things[draft->count].task, &ignored);

    draft->things[draft->count++].is_sample = is_sample;
    return rc;
}

/* "sample:ID" or "task:ID" */
static int add_subject(struct visit *draft, struct text value)
{
    static const struct text sample = { "sample:", 7 }, task = { "task:", 5 };
    bool is_sample = text_starts_with(value, sample);
    size_t skip = is_sample ? sample.size : task.size;

    if (!is_sample && !text_starts_with(value, task)) return -1;
    return add_thing(draft, is_sample, (struct text){ value.data + skip, value.size - skip });
}

/* What the request is about. Returns 0; or -1 if something is not named as it should be, which the
 * handler refuses before it looks at anything. */
static int find_things(struct visit *draft)
{
    struct http_request *request = draft->request;

    if (draft->route->about == ABOUT_SUBJECTS) {
        if (add_subject(draft, http_query(request, "base")) < 0) return -1;
        return add_subject(draft, http_query(request, "other"));
    }
    return add_thing(draft, draft->route->about == ABOUT_SAMPLE, http_param(request, "id"));
}

static void pass_thing(struct api *api, const struct route *route, struct http_request *request)
{
    struct visit draft = { .api = api, .route = route, .request = request }, *visit;

    if (find_things(&draft) < 0) {
        route->handler(api, request);
        return;
    }
    visit = mem_alloc(sizeof *visit);
    *visit = draft;
    http_park(request, on_gone, visit);
    go_on(visit);
}

static void pass_application(struct api *api, const struct route *route,
                             struct http_request *request)
{
    struct problem problem = { 0 };

    if (scoping_check(request, http_param(request, "application"), &problem) < 0)
        answer_problem(request, &problem);
    else
        route->handler(api, request);
}

void scoping_pass(struct api *api, const struct route *route, struct http_request *request)
{
    bool is_for_all = scope_is_all(request_scope(request));

    switch (route->about) {
    case ABOUT_TASK:
    case ABOUT_SAMPLE:
    case ABOUT_SUBJECTS:
        if (is_for_all) break;
        pass_thing(api, route, request);
        return;
    case ABOUT_APPLICATION:
        if (is_for_all) break;
        pass_application(api, route, request);
        return;
    case ABOUT_NONE:
    case ABOUT_BODY:
    case ABOUT_LIST:
        break;
    case ABOUT_ALL:
        CHECK(is_for_all); /* http has refused all others */
        break;
    }
    route->handler(api, request);
}
