/* SPDX-License-Identifier: Apache-2.0 */
/* intake.c: the routes, the door that all four requests pass, and those that wait for the store.
 *
 * A request is answered from one of three places: refused at the door, by its own file at once, or
 * when the store has answered. The last may come after its client has gone; then in_flight_end()
 * returns NULL, and there is nobody to answer. */
#include "scheduler/access/scope.h"
#include "scheduler/intake/drop_counts.h"
#include "scheduler/intake/private.h"
#include "scheduler/intake/retry_after.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- answers --- */

/* A sender of another protocol version is shown to operators, with the version it speaks. */
static void note_refused(struct intake *intake, struct http_request *request)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_identity who;
    struct problem ignored;

    if (wire_identity_decode(http_body(request), &arena, &who, &ignored) < 0) return;
    if (sender_check(request, &(struct sender){ who.application, who.instance, who.incarnation },
                     &ignored) < 0)
        return;
    census_refused(intake->census, who.application, who.instance, who.incarnation, who.speaks,
                   clock_monotonic_ns());
}

void intake_refuse(struct intake *intake, struct http_request *request, const char *kind,
                   const struct problem *problem)
{
    int status = problem_status(problem->code);
    char text[24];

    metrics_add(intake->metrics, METRIC_INTAKE, kind, problem_slug(problem->code), 1);
    if (problem->code == PROBLEM_BAD_PROTOCOL) note_refused(intake, request);
    if (status == 426) {
        snprintf(text, sizeof text, "stakeout/%d", WIRE_PROTOCOL);
        http_answer_header(request, "Upgrade", text);
    }
    if (status >= 500) {
        snprintf(text, sizeof text, "%u",
                 (unsigned)retry_after_s(census_instance_count(intake->census), random_u64()));
        http_answer_header(request, "Retry-After", text);
    }
    http_reply_problem(request, status, problem_slug(problem->code), problem_title(problem->code),
                       problem->detail, problem->field);
}

void intake_answer(struct intake *intake, struct http_request *request, const char *kind,
                   const char *outcome, struct text body)
{
    metrics_add(intake->metrics, METRIC_INTAKE, kind, outcome, 1);
    if (body.size > 0)
        http_reply(request, 200, "application/msgpack", body);
    else
        http_reply(request, 204, NULL, body);
}

int sender_check(struct http_request *request, const struct sender *sender, struct problem *problem)
{
    const struct http_identity *who = http_identity_of(request);

    if (application_check(sender->application, problem) < 0) return -1;
    if (instance_name_check(sender->instance, problem) < 0) return -1;
    if (sender->incarnation == 0)
        return problem_set_field(problem, "incarnation", "'incarnation' must not be 0.");
    if (!scope_has(who->scope, sender->application))
        return problem_set(problem, PROBLEM_FORBIDDEN,
                           "The token '%s' is not for the application '%.*s'.", who->name,
                           TEXT_ARGS(sender->application));
    return 0;
}

/* --- waiting for the store --- */

static void on_client_gone(void *context)
{
    struct in_flight *it = context;

    it->request = NULL;
    metrics_add(it->intake->metrics, METRIC_INTAKE, it->kind, "client-gone", 1);
}

struct in_flight *in_flight_begin(struct intake *intake, struct http_request *request,
                                  const char *kind)
{
    bool is_report = strcmp(kind, "report") == 0;
    size_t *count = is_report ? &intake->report_count : &intake->word_count;
    size_t count_max = is_report ? REPORTS_IN_FLIGHT_MAX : WORDS_IN_FLIGHT_MAX;
    struct in_flight *it;

    if (*count == count_max) {
        struct problem problem;

        problem_set(&problem, PROBLEM_BUSY, "%zu requests wait for the store already; try again.",
                    count_max);
        intake_refuse(intake, request, kind, &problem);
        return NULL;
    }
    it = mem_zalloc(1, sizeof *it);
    it->intake = intake;
    it->request = request;
    it->kind = kind;
    it->count = count;
    TAILQ_INSERT_TAIL(&intake->in_flight, it, link);
    ++*count;
    http_park(request, on_client_gone, it);
    return it;
}

struct http_request *in_flight_end(struct in_flight *it)
{
    struct http_request *request = it->request;

    TAILQ_REMOVE(&it->intake->in_flight, it, link);
    --*it->count;
    sample_free(it->sample);
    free(it);
    return request;
}

/* --- the door --- */

static bool is_msgpack(struct text type)
{
    static const char wanted[] = "application/msgpack";
    size_t size = sizeof wanted - 1;

    if (type.size < size || strncasecmp(type.data, wanted, size) != 0) return false;
    return type.size == size || type.data[size] == ';' || type.data[size] == ' ';
}

static void take(struct intake *intake, struct http_request *request, const char *kind,
                 void (*taker)(struct intake *intake, struct http_request *request))
{
    struct problem problem;

    metrics_add(intake->metrics, METRIC_INTAKE_BYTES, kind, NULL, (double)http_body(request).size);
    if (is_msgpack(http_header(request, "Content-Type"))) {
        taker(intake, request);
        return;
    }
    problem_set(&problem, PROBLEM_BAD_TYPE, "The Content-Type must be application/msgpack.");
    intake_refuse(intake, request, kind, &problem);
}

static void on_poll(struct http_request *request, void *intake)
{
    take(intake, request, "poll", poll_take);
}

static void on_pulse(struct http_request *request, void *intake)
{
    take(intake, request, "pulse", pulse_take);
}

static void on_log(struct http_request *request, void *intake)
{
    take(intake, request, "log", log_take);
}

static void on_report(struct http_request *request, void *intake)
{
    take(intake, request, "report", report_take);
}

static const struct http_route routes[] = {
    { HTTP_POST, "/probe/v1/poll", HTTP_PROBE, POLL_SIZE_MAX, on_poll, NULL, false },
    { HTTP_POST, "/probe/v1/pulse", HTTP_PROBE, PULSE_SIZE_MAX, on_pulse, NULL, false },
    { HTTP_POST, "/probe/v1/log", HTTP_PROBE, LOG_SIZE_MAX, on_log, NULL, false },
    { HTTP_POST, "/probe/v1/report", HTTP_PROBE, REPORT_SIZE_MAX, on_report, NULL, false },
};

static void collect(void *context, struct metrics *metrics)
{
    const struct intake *intake = context;

    metrics_set(metrics, METRIC_INTAKE_IN_FLIGHT, NULL, NULL,
                (double)(intake->report_count + intake->word_count));
}

struct intake *intake_new(struct http *http, struct tasks *tasks, struct live *live,
                          struct census *census, struct metrics *metrics)
{
    struct intake *intake = mem_zalloc(1, sizeof *intake);

    intake->tasks = tasks;
    intake->live = live;
    intake->census = census;
    intake->metrics = metrics;
    intake->drop_counts = drop_counts_new(metrics);
    intake->cache.bytes = BUF_INIT(1024 * 1024);
    TAILQ_INIT(&intake->in_flight);
    http_add_routes(http, routes, ARRAY_COUNT(routes), intake);
    metrics_collect(metrics, collect, intake);
    return intake;
}

struct intake *intake_free(struct intake *intake)
{
    if (!intake) return NULL;
    while (!TAILQ_EMPTY(&intake->in_flight)) {
        CHECK(!in_flight_end(TAILQ_FIRST(&intake->in_flight)));
    }
    buf_done(&intake->cache.bytes);
    wire_arena_done(&intake->arena);
    drop_counts_free(intake->drop_counts);
    free(intake);
    return NULL;
}

void intake_task_changed(struct intake *intake, struct text application)
{
    live_wake(intake->live, application);
}

static void on_instance_gone(void *context, struct text application,
                             const struct census_instance *instance)
{
    struct intake *intake = context;

    tasks_instance_gone(intake->tasks, application, instance->incarnation, false);
}

struct hearing {
    struct tasks *tasks;
    uint64_t now_ns;
};

static void on_heard(void *context, struct text application, uint64_t incarnation,
                     uint64_t last_seen_ns)
{
    struct hearing *hearing = context;

    tasks_hear(hearing->tasks, application, incarnation, ns_to_ms(hearing->now_ns - last_seen_ns));
}

static void tell_heard(struct intake *intake, uint64_t now_ns)
{
    if (now_ns - intake->heard_ns < ms_to_ns(TASKS_HEARD_MS)) return;
    intake->heard_ns = now_ns;
    census_heard(intake->census, on_heard, &(struct hearing){ intake->tasks, now_ns });
    tasks_hear_end(intake->tasks);
}

static bool is_here(void *context, struct text application, uint64_t incarnation)
{
    struct intake *intake = context;

    return census_instance_find(intake->census, application, incarnation) != NULL;
}

void intake_tick(struct intake *intake, uint64_t now_ns)
{
    tell_heard(intake, now_ns);
    census_sweep(intake->census, now_ns, on_instance_gone, intake);
    if (intake->strangers_due_ns == 0)
        intake->strangers_due_ns = now_ns + ms_to_ns(STRANGERS_AFTER_MS);
    if (now_ns < intake->strangers_due_ns || !tasks_are_ready(intake->tasks)) return;
    intake->strangers_due_ns = UINT64_MAX;
    tasks_sweep_strangers(intake->tasks, is_here, intake);
}
