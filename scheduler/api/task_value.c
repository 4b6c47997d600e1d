/* SPDX-License-Identifier: Apache-2.0 */
/* task_value.c: the one place that says what a task looks like, so that an answer, a list and
 * the stream of events never differ. Warnings are made as they are shown: what was not known
 * when the task was created may have reported since. */
#include "scheduler/api/task_value.h"

#include "scheduler/access/scope.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/model/task_event.h"
#include "scheduler/api/verdict.h"
#include "scheduler/task/tasks.h"

#include <stdlib.h>

/* ------------------------------------------------------------------ known names */

/* Of the nearest, those that the reader may know of. */
static void find_applications(struct api *api, struct text application, const struct scope *scope,
                              struct known_names *ret)
{
    struct census_application_name near[NEAREST_MAX];
    size_t count = census_nearest_applications(api->rooms.census, application, near, NEAREST_MAX);

    for (size_t i = 0; i < count; i++) {
        if (scope_has(scope, text_of(near[i].name)))
            ret->applications[ret->application_count++] = near[i];
    }
}

void known_names_find(struct api *api, const struct task_spec *spec, const struct scope *scope,
                      struct known_names *ret)
{
    struct text application = text_of(spec->application), pattern = text_of(spec->interface);

    *ret = (struct known_names){ 0 };
    ret->application_was_seen = census_application_is_known(api->rooms.census, application);
    if (!ret->application_was_seen) {
        find_applications(api, application, scope, ret);
        return;
    }
    ret->interface_was_seen = census_interface_is_known(api->rooms.census, application, pattern);
    if (ret->interface_was_seen) return;
    ret->nearest = mem_zalloc(NEAREST_MAX, sizeof *ret->nearest);
    ret->nearest_count = census_nearest(api->rooms.census, application, pattern,
                                        clock_monotonic_ns(), ret->nearest, NEAREST_MAX);
}

void known_names_done(struct known_names *names)
{
    free(names->nearest);
    *names = (struct known_names){ 0 };
}

static void write_nearest(struct api *api, const struct task_spec *spec, const struct scope *scope,
                          struct buf *to)
{
    OWN(known_names_done) struct known_names names = { 0 };
    struct text nearest[NEAREST_MAX];
    size_t count = 0;

    known_names_find(api, spec, scope, &names);
    for (size_t i = 0; i < names.application_count; i++) {
        nearest[count++] = text_of(names.applications[i].name);
    }
    for (size_t i = 0; i < names.nearest_count; i++) {
        nearest[count++] = text_of(names.nearest[i].name);
    }
    verdict_names(nearest, count, to);
}

static json_t *warnings_value(struct api *api, const struct task *task, enum warn warn,
                              const struct scope *scope)
{
    OWN(buf_done) struct buf text = BUF_INIT(VERDICT_SIZE_MAX);
    const struct task_spec *spec = &task->spec;
    json_t *warnings = json_array();
    const struct application_settings *settings =
        tasks_settings(api->rooms.tasks, text_of(spec->application));

    if (settings && settings->is_off && !task_state_is_final(task->state)) {
        buf_printf(&text,
                   "The probes of '%s' are switched off, by %s: nothing is caught until they are "
                   "on.",
                   spec->application, *settings->author ? settings->author : "an operator");
        value_append(warnings, value_text_of(buf_peek(&text)));
        buf_reset(&text);
    }
    if (task_state_is_final(task->state) ||
        census_interface_is_known(api->rooms.census, text_of(spec->application),
                                  text_of(spec->interface)))
        return warnings;
    if (census_application_is_known(api->rooms.census, text_of(spec->application)))
        buf_printf(&text, "No instance of '%s' has reported an interface '%s'.", spec->application,
                   spec->interface);
    else
        buf_printf(&text, "No instance of an application '%s' has reported.", spec->application);
    if (warn == WARN_WITH_NEAREST) write_nearest(api, spec, scope, &text);
    value_append(warnings, value_text_of(buf_peek(&text)));
    return warnings;
}

/* ------------------------------------------------------------------ a task */

static void set_order(json_t *object, const struct task *task)
{
    const struct task_spec *spec = &task->spec;
    bool is_later = spec->start_wall_ms > task->created_wall_ms;
    json_t *instances = json_array();

    for (uint32_t i = 0; i < spec->instance_count; i++) {
        value_append(instances, value_text(spec->instances[i]));
    }
    value_set(object, "application", value_text(spec->application));
    value_set(object, "interface", value_text(spec->interface));
    value_set(object, "duration_min", json_integer(spec->duration_min));
    value_set(object, "threshold_ms", json_integer(spec->threshold_ms));
    value_set(object, "threshold_from", value_text(threshold_from_name(spec->threshold_from)));
    value_set(object, "frequency_ms", json_integer(spec->frequency_ms));
    value_set(object, "sample_cap", json_integer(spec->sample_cap));
    value_set(object, "instances", instances);
    /* The store keeps a start for each task: of one that began at once, its creation. */
    value_set(object, "start", value_time_or_null(is_later ? spec->start_wall_ms : 0));
    value_set(object, "lookback", json_boolean(spec->lookback));
    value_set(object, "note", value_text(spec->note));
    value_set(object, "author", value_text(spec->author));
}

json_t *task_value(struct api *api, const struct task *task, enum warn warn,
                   const struct scope *scope)
{
    json_t *object = json_object();

    value_set(object, "id", value_text(task->id.text));
    value_set(object, "state", value_text(task_state_name(task->state)));
    set_order(object, task);
    value_set(object, "created", value_time(task->created_wall_ms));
    value_set(object, "started", value_time_or_null(task->started_wall_ms));
    value_set(object, "ends", value_time_or_null(task->ends_wall_ms));
    value_set(object, "ended", value_time_or_null(task->ended_wall_ms));
    value_set(object, "samples", value_count(task->sample_count));
    value_set(object, "warnings", warnings_value(api, task, warn, scope));
    return object;
}

/* ------------------------------------------------------------------ log and ledger */

json_t *log_event_value(const struct task_log_event *event)
{
    const char *slug = task_event_slug(event->event);
    json_t *object = json_object();

    value_set(object, "at", value_time(event->at_wall_ms));
    value_set(object, "event", value_text(slug ? slug : "unknown"));
    value_set(object, "instance", value_text_or_null(text_of(event->instance)));
    value_set(object, "detail", value_text(event->detail));
    value_set(object, "count", value_count(event->count == 0 ? 1 : event->count));
    return object;
}

static json_t *drops_value(const uint64_t *counts, int count, bool of_snapshots)
{
    json_t *object = json_object();

    for (int i = 0; i < count; i++) {
        const char *slug = of_snapshots ? snapshot_drop_slug((enum snapshot_drop)i)
                                        : call_drop_slug((enum call_drop)i);

        if (counts[i] > 0) value_set(object, slug, value_count(counts[i]));
    }
    return object;
}

static void set_counts(json_t *object, const struct ledger *counts)
{
    value_set(object, "seen", value_count(counts->seen));
    value_set(object, "below", value_count(counts->below));
    value_set(object, "triggered", value_count(counts->triggered));
    value_set(object, "sampled", value_count(counts->sampled));
    value_set(object, "over_cap", value_count(counts->over_cap));
    value_set(object, "pending", value_count(counts->pending));
    value_set(object, "drops", drops_value(counts->drops, CALL_DROP_COUNT, false));
    value_set(object, "snapshots", value_count(counts->snapshots));
    value_set(object, "signals", value_count(counts->signals));
    value_set(object, "perf", value_count(counts->perf));
    value_set(object, "reads", value_count(counts->reads));
    value_set(object, "repeats", value_count(counts->repeats));
    value_set(object, "interrupted", value_count(counts->interrupted));
    value_set(object, "snapshot_drops",
              drops_value(counts->snapshot_drops, SNAPSHOT_DROP_COUNT, true));
}

json_t *ledger_totals_value(const struct ledger *totals)
{
    json_t *object = json_object();

    set_counts(object, totals);
    return object;
}

json_t *ledger_row_value(const struct task_ledger *row)
{
    const struct ledger *counts = &row->counts;
    double share = counts->armed_ns == 0 ? 0 : (double)counts->cpu_ns / (double)counts->armed_ns;
    json_t *object = json_object();

    value_set(object, "instance", value_text(row->instance));
    value_set(object, "incarnation", value_incarnation(row->incarnation));
    value_set(object, "host_ip", value_text(row->host_ip));
    value_set(object, "delivered_at", value_time_or_null(row->delivered_wall_ms));
    value_set(object, "refused", value_text_or_null(text_of(row->refused)));
    value_set(object, "gone", json_boolean(row->is_gone));
    set_counts(object, counts);
    value_set(object, "slowest_below_ms", value_ms(counts->slowest_below_ns));
    value_set(object, "stretched_ms", value_ms(counts->stretched_ns));
    value_set(object, "late_ms_max", value_ms(counts->late_ns_max));
    value_set(object, "pause_ns_p50", value_count(counts->pause_ns_p50));
    value_set(object, "pause_ns_p99", value_count(counts->pause_ns_p99));
    value_set(object, "cpu_share", json_real(share));
    return object;
}

/* ------------------------------------------------------------------ a sample */

json_t *sample_value(const struct sample_summary *sample)
{
    json_t *object = json_object();

    value_set(object, "id", value_text(sample->id.text));
    value_set(object, "task", value_text(sample->task.text));
    value_set(object, "trace_id", value_text(sample->trace.text));
    value_set(object, "at", value_time(sample->at_wall_ms));
    value_set(object, "application", value_text(sample->application));
    value_set(object, "interface", value_text(sample->interface));
    value_set(object, "response_code",
              sample->response_code == 0 ? json_null() : json_integer(sample->response_code));
    value_set(object, "host_ip", value_text(sample->host_ip));
    value_set(object, "instance", value_text(sample->instance));
    value_set(object, "incarnation", value_incarnation(sample->incarnation));
    value_set(object, "thread", value_text(sample->thread_name));
    value_set(object, "thread_id", value_count(sample->thread_id));
    value_set(object, "threshold_ms", value_ms(sample->threshold_ns));
    value_set(object, "elapsed_ms", value_ms(sample->elapsed_ns));
    value_set(object, "listened_ms", value_ms(sample->listened_ns));
    value_set(object, "running_ms", value_ms(sample->running_ns));
    value_set(object, "queued_ms", value_ms(sample->queued_ns));
    value_set(object, "waiting_ms", value_ms(sample->waiting_ns));
    value_set(object, "snapshots", value_count(sample->snapshot_count));
    value_set(object, "running", json_boolean(sample->running));
    value_set(object, "revision", value_count(sample->revision));
    return object;
}
