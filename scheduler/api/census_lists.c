/* SPDX-License-Identifier: Apache-2.0 */
/* census_lists.c: /api/v1/applications, /interfaces and /instances: what has reported. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/model/task_spec.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/offload.h"
#include "scheduler/api/scoping.h"
#include "scheduler/api/turns.h"
#include "scheduler/live/census.h"
#include "scheduler/task/tasks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS = 20, /* of the logarithmic scale that is shown */
    WINDOWS = 3,
    SILENT_AFTER_S = 35,          /* a poll is parked for 30 s, a pulse comes every 10 */
    INTERFACES_INLINE_MAX = 1000, /* more are written by a child: each costs some 20 us */
    INTERFACE_LIST_SIZE_MAX = 256 * 1024 * 1024, /* all that the census may know, of long names */
};

/* What a list's callbacks need: the clocks of one moment, and where to put things. */
struct list {
    json_t *array;
    uint64_t now_ns, now_wall_ns;
    const struct tasks *tasks; /* of applications: their settings */
    const struct scope *scope; /* of who asks: others are left out */
};

static struct list list_begin(struct http_request *request)
{
    return (struct list){ .array = json_array(),
                          .scope = request_scope(request),
                          .now_ns = clock_monotonic_ns(),
                          .now_wall_ns = clock_wall_ns() };
}

/* The census counts on the monotonic clock; people read the other one. */
static json_t *moment_value(const struct list *list, uint64_t at_ns)
{
    uint64_t age_ns = at_ns < list->now_ns ? list->now_ns - at_ns : 0;

    return value_time((list->now_wall_ns - age_ns) / NS_PER_MS);
}

static void answer_list(struct http_request *request, const char *name, struct list *list)
{
    json_t *object = json_object();

    value_set(object, name, list->array);
    answer_json(request, 200, object);
}

/* False if the `application` of the query was refused. */
static bool application_of(struct http_request *request, struct text *ret)
{
    struct problem problem = { 0 };

    *ret = http_query(request, "application");
    if (!ret->data || application_check(*ret, &problem) == 0) return true;
    answer_problem(request, &problem);
    return false;
}

/* ------------------------------------------------------------------ applications */

static void add_application(void *context, struct text application, size_t instance_count,
                            size_t interface_count, uint64_t last_seen_ns)
{
    const struct application_settings *settings;
    struct list *list = context;
    json_t *object;

    if (!scope_has(list->scope, application)) return;
    object = json_object();
    value_set(object, "application", value_text_of(application));
    value_set(object, "instances", value_count(instance_count));
    value_set(object, "interfaces", value_count(interface_count));
    value_set(object, "last_seen", moment_value(list, last_seen_ns));
    settings = tasks_settings(list->tasks, application);
    value_set(object, "probe", value_text(settings && settings->is_off ? "off" : "on"));
    value_append(list->array, object);
}

void on_applications(struct api *api, struct http_request *request)
{
    struct list list = list_begin(request);

    list.tasks = api->rooms.tasks;
    census_applications(api->rooms.census, add_application, &list);
    answer_list(request, "applications", &list);
}

/* ------------------------------------------------------------------ interfaces */

static json_t *percentile_value(const struct histogram *histogram, unsigned percent)
{
    if (histogram->count == 0) return json_null();
    return value_ms(histogram_percentile_ns(histogram, percent));
}

static json_t *windows_value(const struct histogram *windows)
{
    static const int minutes[WINDOWS] = { 1, 5, 15 };
    json_t *array = json_array();

    for (int i = 0; i < WINDOWS; i++) {
        json_t *object = json_object();

        value_set(object, "minutes", json_integer(minutes[i]));
        value_set(object, "calls", value_count(windows[i].count));
        value_set(object, "p50_ms", percentile_value(&windows[i], 50));
        value_set(object, "p90_ms", percentile_value(&windows[i], 90));
        value_set(object, "p99_ms", percentile_value(&windows[i], 99));
        value_set(object, "max_ms",
                  windows[i].count == 0 ? json_null() : value_ms(windows[i].max_ns));
        value_append(array, object);
    }
    return array;
}

/* Octaves from 2^18 ns (0.26 ms) to 2^37 ns (137 s), the first and the last open: twenty steps. */
static uint32_t step_of(uint32_t bucket)
{
    enum { OCTAVE_FIRST = HISTOGRAM_OCTAVE_MAX - STEPS + 1 };
    uint32_t octave = bucket / HISTOGRAM_PARTS + HISTOGRAM_OCTAVE_MIN;

    return octave < OCTAVE_FIRST ? 0 : octave - OCTAVE_FIRST + 1;
}

static json_t *buckets_value(const struct histogram *histogram)
{
    uint64_t counts[STEPS] = { 0 }, ends_ns[STEPS] = { 0 };
    json_t *array = json_array();

    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint32_t step = step_of(i) < STEPS ? step_of(i) : STEPS - 1;

        counts[step] += histogram->buckets[i];
        ends_ns[step] = histogram_bucket_begin_ns(i + 1);
    }
    for (uint32_t i = 0; i < STEPS; i++) {
        json_t *object = json_object();

        value_set(object, "from_ms", value_ms(i == 0 ? 0 : ends_ns[i - 1]));
        value_set(object, "to_ms", i == STEPS - 1 ? json_null() : value_ms(ends_ns[i]));
        value_set(object, "calls", value_count(counts[i]));
        value_append(array, object);
    }
    return array;
}

static void add_interface(void *context, struct text application,
                          const struct census_interface *interface)
{
    struct list *list = context;
    json_t *object = json_object();

    value_set(object, "application", value_text_of(application));
    value_set(object, "interface", value_text(interface->name));
    value_set(object, "calls_total", value_count(interface->total_count));
    value_set(object, "last_seen", moment_value(list, interface->last_seen_ns));
    value_set(object, "windows", windows_value(interface->window));
    value_set(object, "buckets", buckets_value(&interface->window[WINDOWS - 1]));
    value_append(list->array, object);
}

/* What of the census is to be written. */
struct interfaces_pending {
    struct pending pending;
    struct turn turn; /* of a long list */
    bool has_turn;
    char application[APPLICATION_SIZE_MAX + 1]; /* empty: all */
    struct list list;
    size_t count;
};

static bool wants(const struct interfaces_pending *wanted, struct text application)
{
    if (*wanted->application && !text_is_equal(application, text_of(wanted->application)))
        return false;
    return scope_has(request_scope(wanted->pending.request), application);
}

static void count_interfaces(void *context, struct text application, size_t instance_count,
                             size_t interface_count, uint64_t last_seen_ns)
{
    struct interfaces_pending *wanted = context;

    (void)instance_count;
    (void)last_seen_ns;
    if (wants(wanted, application)) wanted->count += interface_count;
}

static void add_interfaces(void *context, struct text application, size_t instance_count,
                           size_t interface_count, uint64_t last_seen_ns)
{
    struct interfaces_pending *wanted = context;

    (void)instance_count;
    (void)interface_count;
    (void)last_seen_ns;
    if (wants(wanted, application))
        census_interfaces(wanted->pending.api->rooms.census, application, wanted->list.now_ns,
                          add_interface, &wanted->list);
}

/* May run in a child: reads the census as it is now. */
static int write_interfaces(void *context, struct buf *to)
{
    struct interfaces_pending *wanted = context;
    json_t *object = json_object();
    size_t size;
    char *text;
    int rc;

    wanted->list = list_begin(wanted->pending.request);
    census_applications(wanted->pending.api->rooms.census, add_interfaces, wanted);
    value_set(object, "interfaces", wanted->list.array);
    text = value_print(object, &size);
    json_decref(object);
    rc = buf_append(to, text, size);
    free(text);
    return rc;
}

static void on_written(void *context, int rc, struct buf *result)
{
    struct interfaces_pending *wanted = context;
    struct problem problem = { 0 };

    if (wanted->has_turn) turn_end(wanted->pending.api->turns);
    if (rc == 0) {
        pending_file(&wanted->pending, "application/json", NULL, result);
        return;
    }
    problem_set(&problem, PROBLEM_BUSY, "The list of interfaces could not be made now; try again.");
    pending_problem(&wanted->pending, &problem);
}

static void write_here(struct interfaces_pending *wanted)
{
    struct buf text = BUF_INIT(INTERFACE_LIST_SIZE_MAX);
    int rc = write_interfaces(wanted, &text);

    on_written(wanted, rc, &text);
    buf_done(&text);
}

/* A long list, when its turn has come. */
static void write_elsewhere(void *context)
{
    struct interfaces_pending *wanted = context;
    struct offload offload = { .size_max = INTERFACE_LIST_SIZE_MAX,
                               .work = write_interfaces,
                               .then = on_written,
                               .context = wanted };
    int rc = -ECANCELED; /* nobody will read it */

    wanted->has_turn = true;
    if (wanted->pending.request) rc = offload_start(wanted->pending.api->offloads, &offload);
    if (rc < 0) on_written(wanted, rc, &(struct buf){ 0 });
}

void on_interfaces(struct api *api, struct http_request *request)
{
    struct interfaces_pending *wanted;
    struct text application;
    int rc;

    if (!application_of(request, &application)) return;
    wanted = pending_new(api, request, sizeof *wanted);
    snprintf(wanted->application, sizeof wanted->application, "%.*s", TEXT_ARGS(application));
    census_applications(api->rooms.census, count_interfaces, wanted);
    if (wanted->count <= INTERFACES_INLINE_MAX) {
        write_here(wanted);
        return;
    }
    rc = turn_wait(api->turns, &wanted->turn, write_elsewhere, wanted);
    if (rc < 0) on_written(wanted, rc, &(struct buf){ 0 });
}

/* ------------------------------------------------------------------ instances */

static const char *state_of(const struct list *list, const struct census_instance *instance)
{
    if (instance->is_refused) return "refused";
    if (instance->is_gone) return "gone";
    if (list->now_ns - instance->last_seen_ns > SILENT_AFTER_S * NS_PER_S) return "silent";
    return "polling";
}

static json_t *notes_value(const struct census_instance *instance)
{
    json_t *object = json_object();

    for (int note = 0; note < NOTE_COUNT; note++) {
        if (instance->notes[note] > 0)
            value_set(object, note_slug((enum note)note), value_count(instance->notes[note]));
    }
    return object;
}

static json_t *troubles_value(const struct census_instance *instance)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < instance->trouble_count; i++) {
        value_append(array, value_text(instance->troubles[i]));
    }
    return array;
}

static void set_cost(json_t *object, const struct census_instance *instance)
{
    value_set(object, "uptime_s",
              instance->pid ? json_real((double)instance->uptime_ns / 1e9) : json_null());
    value_set(object, "cpu_share", json_real((double)instance->cpu_ppm / 1e6));
    value_set(object, "memory_bytes", value_count(instance->memory_size));
    value_set(object, "threads", value_count(instance->thread_count));
    value_set(object, "calls_in_flight", value_count(instance->call_count));
}

static void add_instance(void *context, struct text application,
                         const struct census_instance *instance)
{
    struct list *list = context;
    json_t *object;

    if (!scope_has(list->scope, application)) return;
    object = json_object();
    value_set(object, "application", value_text_of(application));
    value_set(object, "instance", value_text(instance->instance));
    value_set(object, "incarnation", value_incarnation(instance->incarnation));
    value_set(object, "host_ip", value_text_or_null(text_of(instance->host_ip)));
    value_set(object, "version", value_text_or_null(text_of(instance->library)));
    value_set(object, "language", value_text_or_null(text_of(instance->language)));
    value_set(object, "pid", instance->pid ? value_count(instance->pid) : json_null());
    value_set(object, "protocol", value_count(instance->protocol));
    value_set(object, "needs_protocol",
              instance->is_refused ? value_count(WIRE_PROTOCOL) : json_null());
    value_set(object, "state", value_text(state_of(list, instance)));
    value_set(object, "probe", value_text(instance->is_off ? "off" : "on"));
    value_set(object, "clock_offset_ms", value_signed_ms(instance->clock_offset_ns));
    value_set(object, "first_seen", moment_value(list, instance->first_seen_ns));
    value_set(object, "last_seen", moment_value(list, instance->last_seen_ns));
    value_set(object, "last_poll",
              instance->last_poll_ns == 0 ? json_null()
                                          : moment_value(list, instance->last_poll_ns));
    set_cost(object, instance);
    value_set(object, "notes", notes_value(instance));
    value_set(object, "troubles", troubles_value(instance));
    value_append(list->array, object);
}

void on_instances(struct api *api, struct http_request *request)
{
    struct text application;
    struct list list;

    if (!application_of(request, &application)) return;
    list = list_begin(request);
    census_instances(api->rooms.census, application, add_instance, &list);
    answer_list(request, "instances", &list);
}
