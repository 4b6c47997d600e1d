/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c: /api/v1/applications/{application}/settings: the switch and the budget of an
 * application's probes.
 *
 * A change is over what there is: fields that are not given stay. It is told to instances by their
 * parked polls at once, and to the log with its author. */
#include "common/base/log.h"
#include "common/base/own.h"
#include "common/model/application.h"
#include "common/model/task_spec.h"
#include "scheduler/api/answer.h"
#include "scheduler/task/tasks.h"

#include <stdio.h>
#include <string.h>

struct change {
    struct pending pending;
    struct application_settings settings;
};

static void json_freep(json_t **it)
{
    json_decref(*it);
}

static json_t *percent_value(uint32_t ppm)
{
    return ppm == 0 ? json_null() : json_real(budget_percent(ppm));
}

static json_t *settings_value(const struct application_settings *settings)
{
    json_t *object = json_object();

    value_set(object, "application", value_text(settings->application));
    value_set(object, "probe", value_text(settings->is_off ? "off" : "on"));
    value_set(object, "budget_core_percent", percent_value(settings->budget_core_ppm));
    value_set(object, "budget_thread_percent", percent_value(settings->budget_thread_ppm));
    value_set(object, "changed", value_time_or_null(settings->changed_wall_ms));
    value_set(object, "author", value_text_or_null(text_of(settings->author)));
    return object;
}

/* As they are; of an application that has none, the defaults. */
static int settings_of(struct api *api, struct http_request *request,
                       struct application_settings *ret, struct problem *problem)
{
    struct text application = http_param(request, "application");
    const struct application_settings *known;

    if (application_check(application, problem) < 0) return -1;
    known = tasks_settings(api->rooms.tasks, application);
    *ret = known ? *known : (struct application_settings){ .is_off = false };
    snprintf(ret->application, sizeof ret->application, "%.*s", TEXT_ARGS(application));
    return 0;
}

void on_settings_get(struct api *api, struct http_request *request)
{
    struct application_settings settings;
    struct problem problem = { 0 };

    if (settings_of(api, request, &settings, &problem) < 0) {
        answer_problem(request, &problem);
        return;
    }
    answer_json(request, 200, settings_value(&settings));
}

/* ------------------------------------------------------------------ a change */

static int read_probe(const json_t *value, struct application_settings *ret,
                      struct problem *problem)
{
    const char *word = json_string_value(value);

    if (!word || (strcmp(word, "on") != 0 && strcmp(word, "off") != 0))
        return problem_set_field(problem, "probe", "'probe' must be \"on\" or \"off\".");
    ret->is_off = strcmp(word, "off") == 0;
    return 0;
}

static int read_percent(const char *name, const json_t *value, uint32_t *ret,
                        struct problem *problem)
{
    if (json_is_null(value)) {
        *ret = 0;
        return 0;
    }
    if (!json_is_number(value))
        return problem_set_field(problem, name, "'%s' must be a number of percent: %s; or null.",
                                 name, BUDGET_PERCENT_ACCEPTS);
    return budget_percent_read(name, json_number_value(value), ret, problem);
}

static int read_field(const char *name, const json_t *value, struct application_settings *ret,
                      struct problem *problem)
{
    if (strcmp(name, "probe") == 0) return read_probe(value, ret, problem);
    if (strcmp(name, "budget_core_percent") == 0)
        return read_percent(name, value, &ret->budget_core_ppm, problem);
    if (strcmp(name, "budget_thread_percent") == 0)
        return read_percent(name, value, &ret->budget_thread_ppm, problem);
    if (strlen(name) >= PROBLEM_FIELD_SIZE || !text_is_printable(text_of(name)))
        return problem_set_field(problem, NULL, "The body has a field that no settings have.");
    return problem_set_field(problem, name,
                             "'%s' is not a setting; there are 'probe', 'budget_core_percent' and "
                             "'budget_thread_percent'.",
                             name);
}

static int read_change(struct text body, struct application_settings *ret, struct problem *problem)
{
    OWN(json_freep) json_t *object = NULL;
    json_error_t error;
    const char *name;
    json_t *value;

    object = json_loadb(body.data ? body.data : "", body.size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object))
        return problem_set(problem, PROBLEM_BAD_BODY,
                           "The body must be a JSON object with the settings to change.");
    json_object_foreach(object, name, value)
    {
        if (read_field(name, value, ret, problem) < 0) return -1;
    }
    return 0;
}

static void budget_say(uint32_t ppm, char *ret, size_t size)
{
    if (ppm == 0)
        snprintf(ret, size, "the probe's own");
    else if (ppm == BUDGET_PPM_NONE)
        snprintf(ret, size, "without bound");
    else
        snprintf(ret, size, "%.15g %%", budget_percent(ppm));
}

/* Who did what: the log is the record of it. */
static void log_change(const struct application_settings *settings)
{
    char core[32], thread[32];

    budget_say(settings->budget_core_ppm, core, sizeof core);
    budget_say(settings->budget_thread_ppm, thread, sizeof thread);
    log_event(LOG_INFO, "settings of an application are changed",
              LOG_STRING("application", settings->application),
              LOG_STRING("by", *settings->author ? settings->author : "(no token)"),
              LOG_STRING("probe", settings->is_off ? "off" : "on"), LOG_STRING("budget_core", core),
              LOG_STRING("budget_thread", thread));
}

static void on_set(void *context, const struct problem *problem)
{
    struct change *change = context;
    const struct application_settings *now;

    if (problem) {
        pending_problem(&change->pending, problem);
        return;
    }
    now = tasks_settings(change->pending.api->rooms.tasks, text_of(change->settings.application));
    log_change(now ? now : &change->settings);
    pending_audit(&change->pending,
                  &(struct deed){ .what = "settings-changed",
                                  .application = change->settings.application,
                                  .detail = change->settings.is_off ? "probe off" : "probe on" });
    pending_json(&change->pending, 200, settings_value(now ? now : &change->settings));
}

void on_settings_put(struct api *api, struct http_request *request)
{
    struct application_settings settings;
    struct problem problem = { 0 };
    struct change *change;

    if (settings_of(api, request, &settings, &problem) < 0 ||
        read_change(http_body(request), &settings, &problem) < 0) {
        answer_problem(request, &problem);
        return;
    }
    snprintf(settings.author, sizeof settings.author, "%s", http_identity_of(request)->name);
    change = pending_new(api, request, sizeof *change);
    change->settings = settings;
    tasks_set_settings(api->rooms.tasks, &change->settings, on_set, change);
}
