/* SPDX-License-Identifier: Apache-2.0 */
/* tasks.c: /api/v1/tasks: creating, listing, changing, and what became of them. */
#include "scheduler/task/tasks.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/query.h"
#include "scheduler/api/scoping.h"
#include "scheduler/api/subject.h"
#include "scheduler/api/task_request.h"
#include "scheduler/api/task_value.h"
#include "scheduler/api/verdict.h"
#include "scheduler/history/history.h"
#include "scheduler/live/census.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_15_MIN = 2 }; /* of the census */

static void on_task(void *context, const struct task *task, const struct problem *problem)
{
    struct pending *pending = context;

    if (problem)
        pending_problem(pending, problem);
    else
        pending_json(
            pending, 200,
            task_value(pending->api, task, WARN_WITH_NEAREST, request_scope(pending->request)));
}

static void on_changed(struct pending *pending, const char *what, const struct task *task,
                       const struct problem *problem)
{
    if (!problem)
        pending_audit(pending, &(struct deed){ what, task->spec.application, task->id.text, NULL });
    on_task(pending, task, problem);
}

static void on_cancelled(void *context, const struct task *task, const struct problem *problem)
{
    on_changed(context, "task-cancelled", task, problem);
}

static void on_extended(void *context, const struct task *task, const struct problem *problem)
{
    on_changed(context, "task-extended", task, problem);
}

/* The id of the path, or its refusal is answered. */
static bool task_id_of(struct http_request *request, struct task_id *ret)
{
    struct problem problem = { 0 };

    if (subject_task(http_param(request, "id"), ret, &problem) == 0) return true;
    answer_problem(request, &problem);
    return false;
}

/* ------------------------------------------------------------------ creating */

struct creation {
    struct api *api;
    struct http_request *request;
};

static int percentile_of(void *context, struct text application, struct text interface,
                         unsigned percent, uint64_t *ret_ns)
{
    const struct creation *creation = context;

    if (!scope_has(request_scope(creation->request), application)) return -ENOENT;
    return census_percentile_ns(creation->api->rooms.census, application, interface, WINDOW_15_MIN,
                                percent, clock_monotonic_ns(), ret_ns);
}

static void on_created(void *context, const struct task *task, const struct problem *problem)
{
    struct pending *pending = context;
    char location[sizeof "/api/v1/tasks/" + TASK_ID_SIZE];

    if (problem) {
        pending_problem(pending, problem);
        return;
    }
    pending_audit(pending, &(struct deed){ "task-created", task->spec.application, task->id.text,
                                           task->spec.interface });
    if (pending->request) {
        snprintf(location, sizeof location, "/api/v1/tasks/%s", task->id.text);
        http_answer_header(pending->request, "Location", location);
    }
    pending_json(
        pending, 201,
        task_value(pending->api, task, WARN_WITH_NEAREST, request_scope(pending->request)));
}

void on_task_create(struct api *api, struct http_request *request)
{
    struct creation creation = { api, request };
    struct threshold_source source = { .percentile_ns = percentile_of, .context = &creation };
    struct problem problem = { 0 };
    struct task_spec spec;

    if (task_request_parse(http_body(request), &source, tasks_now_wall_ms(api->rooms.tasks), &spec,
                           &problem) < 0 ||
        scoping_check(request, text_of(spec.application), &problem) < 0) {
        answer_problem(request, &problem);
        return;
    }
    snprintf(spec.author, sizeof spec.author, "%s", http_identity_of(request)->name);
    tasks_create(api->rooms.tasks, &spec, on_created,
                 pending_new(api, request, sizeof(struct pending)));
}

/* ------------------------------------------------------------------ one task */

void on_task_get(struct api *api, struct http_request *request)
{
    struct task_id id;

    if (!task_id_of(request, &id)) return;
    history_task(api->rooms.history, &id, on_task,
                 pending_new(api, request, sizeof(struct pending)));
}

void on_task_cancel(struct api *api, struct http_request *request)
{
    struct task_id id;

    if (!task_id_of(request, &id)) return;
    tasks_cancel(api->rooms.tasks, &id, http_identity_of(request)->name, on_cancelled,
                 pending_new(api, request, sizeof(struct pending)));
}

void on_task_extend(struct api *api, struct http_request *request)
{
    struct task_id id;

    if (!task_id_of(request, &id)) return;
    tasks_extend(api->rooms.tasks, &id, http_identity_of(request)->name, on_extended,
                 pending_new(api, request, sizeof(struct pending)));
}

/* ------------------------------------------------------------------ lists */

static void answer_page(struct pending *pending, const char *name, json_t *take_rows,
                        const char *next)
{
    json_t *object = json_object();

    value_set(object, name, take_rows);
    value_set(object, "next", value_text_or_null(text_of(next)));
    pending_json(pending, 200, object);
}

static void on_task_page(void *context, const struct history_tasks *page,
                         const struct problem *problem)
{
    struct pending *pending = context;
    json_t *tasks;

    if (problem) {
        pending_problem(pending, problem);
        return;
    }
    tasks = json_array();
    for (size_t i = 0; i < page->count; i++) {
        value_append(tasks, task_value(pending->api, &page->tasks[i], WARN_BRIEFLY,
                                       request_scope(pending->request)));
    }
    answer_page(pending, "tasks", tasks, page->next);
}

static int read_list_query(struct http_request *request, struct history_query *ret,
                           struct problem *problem)
{
    ret->application = http_query(request, "application");
    ret->interface = http_query(request, "interface");
    ret->author = http_query(request, "author");
    ret->cursor = http_query(request, "cursor");
    if (ret->application.data && application_check(ret->application, problem) < 0) return -1;
    if (ret->interface.data && interface_check(ret->interface, problem) < 0) return -1;
    if (ret->author.data && author_check(ret->author, problem) < 0) return -1;
    if (query_state(request, &ret->state, problem) < 0) return -1;
    if (query_times(request, &ret->from_wall_ms, &ret->to_wall_ms, problem) < 0) return -1;
    return query_limit(request, &ret->limit, problem);
}

void on_task_list(struct api *api, struct http_request *request)
{
    struct history_query query = { .state = -1,
                                   .limit = PAGE_LIMIT_DEFAULT,
                                   .scope = request_scope(request) };
    struct problem problem = { 0 };

    if (read_list_query(request, &query, &problem) < 0) {
        answer_problem(request, &problem);
        return;
    }
    history_tasks(api->rooms.history, &query, on_task_page,
                  pending_new(api, request, sizeof(struct pending)));
}

/* Which task, and how much of it at most; or its refusal is answered. */
static bool page_of(struct http_request *request, struct task_id *ret_id, uint32_t *ret_limit)
{
    struct problem problem = { 0 };

    if (!task_id_of(request, ret_id)) return false;
    *ret_limit = PAGE_LIMIT_DEFAULT;
    if (query_limit(request, ret_limit, &problem) == 0) return true;
    answer_problem(request, &problem);
    return false;
}

static void on_sample_page(void *context, const struct history_samples *page,
                           const struct problem *problem)
{
    struct pending *pending = context;
    json_t *samples;

    if (problem) {
        pending_problem(pending, problem);
        return;
    }
    samples = json_array();
    for (size_t i = 0; i < page->count; i++) {
        value_append(samples, sample_value(&page->samples[i]));
    }
    answer_page(pending, "samples", samples, page->next);
}

void on_task_samples(struct api *api, struct http_request *request)
{
    struct task_id id;
    uint32_t limit;

    if (!page_of(request, &id, &limit)) return;
    history_samples(api->rooms.history, &id, http_query(request, "cursor"), limit, on_sample_page,
                    pending_new(api, request, sizeof(struct pending)));
}

static void on_log_page(void *context, const struct history_log *page,
                        const struct problem *problem)
{
    struct pending *pending = context;
    json_t *events;

    if (problem) {
        pending_problem(pending, problem);
        return;
    }
    events = json_array();
    for (size_t i = 0; i < page->count; i++) {
        value_append(events, log_event_value(&page->events[i]));
    }
    answer_page(pending, "events", events, page->next);
}

void on_task_log(struct api *api, struct http_request *request)
{
    struct task_id id;
    uint32_t limit;

    if (!page_of(request, &id, &limit)) return;
    history_log(api->rooms.history, &id, http_query(request, "cursor"), limit, on_log_page,
                pending_new(api, request, sizeof(struct pending)));
}

/* ------------------------------------------------------------------ the ledger */

struct head_count {
    const struct task_spec *spec;
    struct verdict_facts *facts;
};

static void count_instance(void *context, struct text application,
                           const struct census_instance *instance)
{
    struct head_count *count = context;

    (void)application;
    if (instance->is_gone || instance->is_refused) return;
    count->facts->instance_count++;
    if (task_spec_admits(count->spec, text_of(instance->instance), text_of(instance->host_ip)))
        count->facts->admitted_count++;
}

static json_t *verdict_value(struct api *api, const struct task *task,
                             const struct history_ledger *ledger, const struct known_names *names)
{
    OWN(buf_done) struct buf text = BUF_INIT(VERDICT_SIZE_MAX);
    struct verdict_facts facts = { .task = task,
                                   .ledgers = ledger->instances,
                                   .ledger_count = ledger->count,
                                   .interface_was_seen = names->interface_was_seen,
                                   .nearest_count = names->nearest_count };
    struct head_count count = { .spec = &task->spec, .facts = &facts };

    static_assert((int)NEAREST_MAX <= (int)VERDICT_NEAREST_MAX, "what is found finds its place");
    for (size_t i = 0; i < names->nearest_count; i++) {
        facts.nearest[i] =
            (struct verdict_name){ text_of(names->nearest[i].name), names->nearest[i].count,
                                   names->nearest[i].max_ns };
    }
    for (size_t i = 0; i < names->application_count; i++) {
        facts.applications[facts.application_count++] = text_of(names->applications[i].name);
    }
    census_instances(api->rooms.census, text_of(task->spec.application), count_instance, &count);
    verdict_write(&facts, &text);
    return value_text_of(buf_peek(&text));
}

static json_t *nearest_value(const struct known_names *names)
{
    json_t *array = json_array();

    for (size_t i = 0; i < names->nearest_count; i++) {
        json_t *object = json_object();

        value_set(object, "interface", value_text(names->nearest[i].name));
        value_set(object, "calls", value_count(names->nearest[i].count));
        value_set(object, "slowest_ms", value_ms(names->nearest[i].max_ns));
        value_append(array, object);
    }
    return array;
}

/* A name that was called while the task watched it is no misspelt one, whatever was seen since. */
static void find_names(const struct pending *pending, const struct task *task,
                       const struct ledger *totals, struct known_names *ret)
{
    if (totals->seen > 0)
        *ret = (struct known_names){ .application_was_seen = true, .interface_was_seen = true };
    else
        known_names_find(pending->api, &task->spec, request_scope(pending->request), ret);
}

static json_t *ledger_value(const struct pending *pending, const struct task *task,
                            const struct history_ledger *ledger)
{
    OWN(known_names_done) struct known_names names = { 0 };
    struct ledger totals = { 0 };
    json_t *object = json_object(), *rows = json_array();

    for (size_t i = 0; i < ledger->count; i++) {
        value_append(rows, ledger_row_value(&ledger->instances[i]));
        ledger_add(&totals, &ledger->instances[i].counts);
    }
    find_names(pending, task, &totals, &names);
    value_set(object, "task", value_text(task->id.text));
    value_set(object, "instances", rows);
    value_set(object, "folded", value_count(ledger->folded));
    value_set(object, "totals", ledger_totals_value(&totals));
    value_set(object, "nearest", nearest_value(&names));
    value_set(object, "verdict", verdict_value(pending->api, task, ledger, &names));
    return object;
}

static void on_ledger(void *context, const struct task *task, const struct history_ledger *ledger,
                      const struct problem *problem)
{
    struct pending *pending = context;

    if (problem)
        pending_problem(pending, problem);
    else
        pending_json(pending, 200, ledger_value(pending, task, ledger));
}

void on_task_ledger(struct api *api, struct http_request *request)
{
    struct task_id id;

    if (!task_id_of(request, &id)) return;
    history_ledger(api->rooms.history, &id, on_ledger,
                   pending_new(api, request, sizeof(struct pending)));
}
