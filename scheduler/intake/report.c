/* SPDX-License-Identifier: Apache-2.0 */
/* report.c: samples and log events, checked here and decided by the store.
 *
 * Wall times come from the instance's clock; they are put on ours by the offset that its polls
 * and pulses measured. */
#include "scheduler/intake/private.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/model/task_event.h"
#include "common/wire/report.h"

#include <stdio.h>
#include <stdlib.h>

/* --- reports --- */

static const char *outcome_slug(enum report_outcome outcome)
{
    switch (outcome) {
    case REPORT_ACCEPTED:
        return "accepted";
    case REPORT_REPLACED:
        return "replaced";
    case REPORT_KNOWN:
        return "known";
    case REPORT_OVER_CAP:
        return "over-cap";
    case REPORT_TASK_OVER:
        return "task-over";
    case REPORT_NO_TASK:
        return "no-task";
    }
    return "unknown";
}

static void on_report_taken(void *context, enum report_outcome outcome,
                            const struct problem *problem)
{
    OWN(buf_done) struct buf body = BUF_INIT(64);
    struct in_flight *it = context;
    struct intake *intake = it->intake;
    struct http_request *request = in_flight_end(it);
    struct wire_report_answer said = { .protocol = WIRE_PROTOCOL, .outcome = (uint32_t)outcome };

    if (!request) return;
    if (problem) {
        intake_refuse(intake, request, "report", problem);
        return;
    }
    CHECK(wire_report_answer_encode(&said, &body) == 0);
    intake_answer(intake, request, "report", outcome_slug(outcome), buf_peek(&body));
}

/* When the call began, by our clock. Without an offset, or with a senseless one: as it was said,
 * but never in the future. */
static uint64_t at_wall_ms(struct intake *intake, const struct sample *sample)
{
    const struct census_instance *known =
        census_instance_find(intake->census, text_of(sample->application), sample->incarnation);
    int64_t at_ns = (int64_t)(sample->began_wall_ns & INT64_MAX), now_ns = (int64_t)clock_wall_ns();
    int64_t corrected_ns;

    if (known && !__builtin_sub_overflow(at_ns, known->clock_offset_ns, &corrected_ns) &&
        corrected_ns > 0)
        at_ns = corrected_ns;
    return (uint64_t)(at_ns < now_ns ? at_ns : now_ns) / NS_PER_MS;
}

void report_take(struct intake *intake, struct http_request *request)
{
    OWN(sample_freep) struct sample *sample = NULL;
    struct text body = http_body(request);
    struct problem problem;
    struct in_flight *it;

    if (report_decode(body, &sample, &problem) < 0 ||
        sender_check(request,
                     &(struct sender){ text_of(sample->application), text_of(sample->instance),
                                       sample->incarnation },
                     &problem) < 0) {
        intake_refuse(intake, request, "report", &problem);
        return;
    }
    it = in_flight_begin(intake, request, "report");
    if (!it) return;
    it->sample = sample_take(&sample);
    tasks_take_report(intake->tasks, it->sample, body, at_wall_ms(intake, it->sample),
                      on_report_taken, it);
}

/* --- log events --- */

static int take_event(const struct wire_log *log, const struct wire_log_event *said,
                      uint64_t now_wall_ns, struct task_log_event *ret, struct problem *problem)
{
    uint64_t age_ns = said->age_ns < now_wall_ns ? said->age_ns : now_wall_ns;

    *ret = (struct task_log_event){
        .event = said->event,
        .at_wall_ms = (now_wall_ns - age_ns) / NS_PER_MS,
        .incarnation = log->incarnation,
        .sequence = said->sequence,
        .count = said->count > 0 ? said->count : 1,
    };
    if (task_id_parse(said->task, &ret->task) < 0)
        return problem_set_field(problem, "task", "'task' must be 20 lower-case hex digits.");
    if (!text_is_printable(said->detail))
        return problem_set_field(problem, "detail", "'detail' must be printable UTF-8.");
    snprintf(ret->instance, sizeof ret->instance, "%.*s", TEXT_ARGS(log->instance));
    snprintf(ret->detail, sizeof ret->detail, "%.*s", TEXT_ARGS(said->detail));
    return 0;
}

/* What probes may say; the rest is the scheduler's own to say. */
static bool is_for_probes(uint32_t event)
{
    return event == TASK_EVENT_REFUSED || event == TASK_EVENT_ARMED ||
           event == TASK_EVENT_FIRST_TRIGGER || event == TASK_EVENT_STRETCHED ||
           event == TASK_EVENT_THINNED || event == TASK_EVENT_DROPPED ||
           event == TASK_EVENT_DISARMED;
}

/* Events of a newer probe that we do not know are left out, and those of other applications'
 * tasks. Returns the count, or -1. */
static int take_events(struct intake *intake, const struct wire_log *log,
                       struct task_log_event *ret, struct problem *problem)
{
    uint64_t now_wall_ns = clock_wall_ns();
    int count = 0;

    for (uint32_t i = 0; i < log->events_count; i++) {
        if (!is_for_probes(log->events[i].event)) {
            metrics_add(intake->metrics, METRIC_INTAKE, "event", "unknown", 1);
            continue;
        }
        if (take_event(log, &log->events[i], now_wall_ns, &ret[count], problem) < 0) return -1;
        if (tasks_may_be_of(intake->tasks, &ret[count].task, log->application))
            count++;
        else
            metrics_add(intake->metrics, METRIC_INTAKE, "event", "foreign", 1);
    }
    return count;
}

static void on_events_taken(void *context, const struct problem *problem)
{
    struct in_flight *it = context;
    struct intake *intake = it->intake;
    struct http_request *request = in_flight_end(it);

    if (!request) return;
    if (problem)
        intake_refuse(intake, request, "log", problem);
    else
        intake_answer(intake, request, "log", "accepted", (struct text){ NULL, 0 });
}

void log_take(struct intake *intake, struct http_request *request)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    OWN(mem_freep) struct task_log_event *events = NULL;
    struct in_flight *it = NULL;
    struct problem problem;
    struct wire_log log;
    int count = -1;

    if (wire_log_decode(http_body(request), &arena, &log, &problem) == 0 &&
        sender_check(request, &(struct sender){ log.application, log.instance, log.incarnation },
                     &problem) == 0) {
        events = mem_zalloc(log.events_count + 1, sizeof *events);
        count = take_events(intake, &log, events, &problem);
    }
    if (count < 0)
        intake_refuse(intake, request, "log", &problem);
    else if (count == 0)
        intake_answer(intake, request, "log", "accepted", (struct text){ NULL, 0 });
    else
        it = in_flight_begin(intake, request, "log");
    if (it) tasks_take_events(intake->tasks, events, (size_t)count, on_events_taken, it);
}
