/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/integrations/watched.h"

#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOON_MS = 20000 };

struct task_wait {
    struct house *house;
    const struct task_id *task;
    unsigned wanted; /* snapshots */
    char sample_id[64];
};

static const char *text_member(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value ? value : "";
}

static void fail_without_sample(struct house *house, const struct task_id *task)
{
    json_t *ledger = house_get(house, "/api/v1/tasks/%s/ledger", task->text);
    json_t *samples = house_get(house, "/api/v1/tasks/%s/samples", task->text);

    json_dumpf(ledger, stdout, JSON_INDENT(1));
    json_dumpf(samples, stdout, JSON_INDENT(1));
    fail_msg("no sample came");
}

static bool has_snapshots(void *context)
{
    struct task_wait *wait = context;

    return house_ledger_sum(wait->house, wait->task, "snapshots") >= wait->wanted;
}

void watched_wait_snapshots(struct house *house, const struct task_id *task, unsigned count)
{
    struct task_wait wait = { .house = house, .task = task, .wanted = count };

    if (!wait_until(has_snapshots, &wait, SOON_MS)) fail_without_sample(house, task);
}

/* One that has ended. */
static bool has_sample(void *context)
{
    struct task_wait *wait = context;
    json_t *list = house_get(wait->house, "/api/v1/tasks/%s/samples", wait->task->text);
    const json_t *sample = json_array_get(json_object_get(list, "samples"), 0);
    const char *id = json_string_value(json_object_get(sample, "id"));
    bool has_ended = id && json_is_false(json_object_get(sample, "running"));

    snprintf(wait->sample_id, sizeof wait->sample_id, "%s", id ? id : "");
    json_decref(list);
    return has_ended;
}

void watched_wait_sample(struct house *house, const struct task_id *task,
                         struct watched_sample *ret)
{
    struct task_wait wait = { .house = house, .task = task };
    json_t *sample;

    if (!wait_until(has_sample, &wait, SOON_MS)) fail_without_sample(house, task);
    sample = house_get(house, "/api/v1/samples/%s", wait.sample_id);
    ret->analysis = house_get(house, "/api/v1/samples/%s/analysis", wait.sample_id);
    snprintf(ret->interface, sizeof ret->interface, "%s", text_member(sample, "interface"));
    snprintf(ret->trace, sizeof ret->trace, "%s", text_member(sample, "trace_id"));
    ret->response_code = json_integer_value(json_object_get(sample, "response_code"));
    ret->elapsed_ms = (int64_t)json_number_value(json_object_get(sample, "elapsed_ms"));
    json_decref(sample);
}

void watched_sample_done(struct watched_sample *sample)
{
    json_decref(sample->analysis);
}

static bool stack_has(const json_t *analysis, const json_t *stack, const char *function)
{
    json_t *index;
    size_t i;

    json_array_foreach((json_t *)stack, i, index)
    {
        const json_t *frame =
            json_array_get(json_object_get(analysis, "frames"), (size_t)json_integer_value(index));

        if (strcmp(text_member(frame, "function"), function) == 0) return true;
    }
    return false;
}

static int share(const struct watched_sample *sample, const char *function, const char *waiting_for)
{
    double with_ms = 0,
           all_ms = json_number_value(json_object_get(sample->analysis, "listened_ms"));
    json_t *moment;
    size_t i;

    json_array_foreach(json_object_get(sample->analysis, "timeline"), i, moment)
    {
        if (function && !stack_has(sample->analysis, json_object_get(moment, "stack"), function))
            continue;
        if (waiting_for && strcmp(text_member(moment, "waiting_for"), waiting_for) != 0) continue;
        with_ms += json_number_value(json_object_get(moment, "for_ms"));
    }
    return all_ms > 0 ? (int)(100 * with_ms / all_ms) : 0;
}

int watched_share(const struct watched_sample *sample, const char *function)
{
    return share(sample, function, NULL);
}

int watched_detached_share(const struct watched_sample *sample, const char *waiting_for)
{
    return share(sample, NULL, waiting_for);
}

void watched_assert_share(const struct watched_sample *sample, const char *function, int percent)
{
    int found = watched_share(sample, function);

    if (found >= percent) return;
    json_dumpf(sample->analysis, stdout, JSON_INDENT(1));
    fail_msg("%d %% of the time was in %s(), not %d or more", found, function, percent);
}

/* Counts ------------------------------------------------------------------------------------ */

struct counts_wait {
    struct house *house;
    const char *application;
    const struct watched_count *expected;
    json_t *got;
};

static bool counts_are_right(void *context)
{
    struct counts_wait *wait = context;
    json_t *interface;
    size_t i, expected_count = 0;

    json_decref(wait->got);
    wait->got = house_get(wait->house, "/api/v1/interfaces?application=%s", wait->application);
    while (wait->expected[expected_count].interface) {
        expected_count++;
    }
    if (json_array_size(json_object_get(wait->got, "interfaces")) != expected_count) return false;
    json_array_foreach(json_object_get(wait->got, "interfaces"), i, interface)
    {
        size_t n = 0;

        while (n < expected_count &&
               strcmp(wait->expected[n].interface, text_member(interface, "interface")) != 0) {
            n++;
        }
        if (n == expected_count || json_integer_value(json_object_get(interface, "calls_total")) !=
                                       wait->expected[n].calls)
            return false;
    }
    return true;
}

static void print_counts(const json_t *got)
{
    json_t *interface;
    size_t i;

    json_array_foreach(json_object_get(got, "interfaces"), i, interface)
    {
        printf("    %4lld x %s\n",
               (long long)json_integer_value(json_object_get(interface, "calls_total")),
               text_member(interface, "interface"));
    }
}

void watched_assert_counts(struct house *house, const char *application,
                           const struct watched_count *expected)
{
    struct counts_wait wait = { house, application, expected, NULL };

    if (!wait_until(counts_are_right, &wait, SOON_MS)) {
        print_counts(wait.got);
        fail_msg("the interfaces of %s are not as expected", application);
    }
    json_decref(wait.got);
}
