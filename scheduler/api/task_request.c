/* SPDX-License-Identifier: Apache-2.0 */
/* task_request.c: walks over the table of task_fields(), not over the body: so every field has
 * its reader, is asked for in one order, and what the table does not list is refused.
 *
 * A text is checked before it is copied, because it may be longer than its place; numbers are
 * copied as they are and checked at the end, with the whole, by task_spec_check(). */
#include "scheduler/api/task_request.h"

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/wall_time.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define HUGE_NUMBER 0x1p63 /* the first that json_int_t cannot hold */

enum { SHOWN_SIZE_MAX = 40 }; /* of a name or a value in the sentence that refuses it */

static void json_freep(json_t **it)
{
    json_decref(*it);
}

/* ------------------------------------------------------------------ the body as an object */

/* Of "duplicate object key near '"note"'", which is all that jansson tells, the name. */
static struct text repeated_name(const json_error_t *error)
{
    const char *begin = strstr(error->text, "near '\"");
    const char *end;

    if (!begin) return (struct text){ 0 };
    begin += strlen("near '\"");
    end = strstr(begin, "\"'");
    return end ? (struct text){ begin, (size_t)(end - begin) } : (struct text){ 0 };
}

static int refuse_body(const json_error_t *error, struct problem *problem)
{
    struct text reason = text_of(error->text);

    if (json_error_code(error) == json_error_duplicate_key) {
        struct text name = repeated_name(error);
        char field[PROBLEM_FIELD_SIZE];

        snprintf(field, sizeof field, "%.*s", TEXT_ARGS(name));
        return problem_set_field(problem, field, "'%s' is given twice.", field);
    }
    if (json_error_code(error) == json_error_null_character)
        reason = TEXT("a text has a NUL character");
    else if (!text_is_printable(reason))
        reason = TEXT("it has bytes that cannot be shown");
    return problem_set(problem, PROBLEM_BAD_BODY,
                       "The body is not JSON: %.*s (line %d, column %d).", TEXT_ARGS(reason),
                       error->line, error->column);
}

/* A number that no integer of ours holds. JSON knows no bounds, so it is a field's value that is
 * wrong, not the body: all numbers are read as reals, and the first one of that size is it. */
static int refuse_huge(struct text body, const json_error_t *error, struct problem *problem)
{
    OWN(json_freep) json_t *object = NULL;
    const struct task_field *fields;
    size_t count;

    object = json_loadb(body.data, body.size, JSON_DECODE_INT_AS_REAL, NULL);
    fields = task_fields(&count);
    for (size_t i = 0; i < count; i++) {
        double value = json_real_value(json_object_get(object, fields[i].name));
        char shown[SHOWN_SIZE_MAX];

        if (value > -HUGE_NUMBER && value < HUGE_NUMBER) continue;
        snprintf(shown, sizeof shown, "%.3g", value);
        return task_field_refuse(fields[i].name, text_of(shown), problem);
    }
    return refuse_body(error, problem);
}

static int load_object(struct text body, json_t **ret, struct problem *problem)
{
    OWN(json_freep) json_t *object = NULL;
    json_error_t error;

    object = json_loadb(body.data ? body.data : "", body.size,
                        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!object && json_error_code(&error) == json_error_numeric_overflow)
        return refuse_huge(body, &error, problem);
    if (!object) return refuse_body(&error, problem);
    if (!json_is_object(object))
        return problem_set(problem, PROBLEM_BAD_BODY,
                           "The body must be a JSON object with the fields of a task.");
    *ret = json_incref(object);
    return 0;
}

static int refuse_unknown(const json_t *object, struct problem *problem)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        struct text text = text_of(name);

        if (task_field_find(text)) continue;
        if (text.size > SHOWN_SIZE_MAX || !text_is_printable(text))
            return problem_set_field(problem, NULL, "The body has a field that no task has.");
        return problem_set_field(problem, name, "'%s' is not a field of a task.", name);
    }
    return 0;
}

/* ------------------------------------------------------------------ one field */

struct reader {
    const json_t *object;
    const struct threshold_source *source;
    struct task_spec *spec;
    struct problem *problem;
};

/* The value as it was written, if it is short enough to be shown. */
static int refuse_value(const struct reader *reader, const char *name, const json_t *value)
{
    char shown[SHOWN_SIZE_MAX];
    size_t size = json_dumpb(value, shown, sizeof shown,
                             JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));

    if (size > sizeof shown) size = 0;
    return task_field_refuse(name, (struct text){ shown, size }, reader->problem);
}

static struct text text_value(const json_t *value)
{
    return (struct text){ json_string_value(value), json_string_length(value) };
}

static int read_integer(const struct reader *reader, const char *name, const json_t *value,
                        int64_t *ret)
{
    if (!json_is_integer(value)) return refuse_value(reader, name, value);
    *ret = json_integer_value(value);
    return 0;
}

typedef int (*text_check_fn)(struct text value, struct problem *problem);

static int read_text(const struct reader *reader, const char *name, const json_t *value,
                     text_check_fn check, char *ret)
{
    struct text text = text_value(value);

    if (!json_is_string(value)) return refuse_value(reader, name, value);
    if (check(text, reader->problem) < 0) return -1;
    memcpy(ret, text.data, text.size);
    ret[text.size] = '\0';
    return 0;
}

static int read_instances(const struct reader *reader, const json_t *value)
{
    struct task_spec *spec = reader->spec;

    if (!json_is_array(value)) return refuse_value(reader, "instances", value);
    spec->instance_count = (uint32_t)json_array_size(value); /* task_spec_check() refuses more */
    for (size_t i = 0; i < json_array_size(value) && i < TASK_INSTANCES_MAX; i++) {
        if (read_text(reader, TASK_INSTANCES_ELEMENT, json_array_get(value, i), instance_check,
                      spec->instances[i]) < 0)
            return -1;
    }
    return 0;
}

/* The beginning of 1970 would mean "now" in a task_spec, and is no time from now on. */
static int read_start(const struct reader *reader, const json_t *value)
{
    uint64_t wall_ms = 0;

    if (json_is_integer(value) && json_integer_value(value) > 0)
        wall_ms = (uint64_t)json_integer_value(value);
    else if (!json_is_string(value) || wall_time_parse(text_value(value), &wall_ms) < 0)
        return refuse_value(reader, "start", value);
    if (wall_ms == 0) return refuse_value(reader, "start", value);
    reader->spec->start_wall_ms = wall_ms;
    return 0;
}

/* ------------------------------------------------------------------ thresholds by percentile */

static const struct percentile {
    const char *name;
    unsigned percent;
    enum threshold_from from;
} percentiles[] = {
    { "p50", 50, THRESHOLD_FROM_P50 },
    { "p90", 90, THRESHOLD_FROM_P90 },
    { "p99", 99, THRESHOLD_FROM_P99 },
};

static int refuse_percentile(const struct reader *reader, const struct percentile *percentile,
                             const char *why)
{
    return problem_set_field(reader->problem, "threshold_ms",
                             "'threshold_ms' is %s, %s; it must be %d to %d.", percentile->name,
                             why, (int)THRESHOLD_MS_MIN, (int)THRESHOLD_MS_MAX);
}

/* What was measured, in ms: three digits where the threshold would round too much of it away,
 * 0.018, 12.3; and as the threshold, rounded up, where only that is out of bounds. */
static void format_measured(uint64_t ns, int64_t rounded_ms, char *ret, size_t size)
{
    if (rounded_ms < 100)
        snprintf(ret, size, "%.3g", (double)ns / (double)NS_PER_MS);
    else
        snprintf(ret, size, "%" PRId64, rounded_ms);
}

static int resolve(const struct reader *reader, const struct percentile *percentile)
{
    struct task_spec *spec = reader->spec;
    struct text interface = text_of(spec->interface);
    char took[32], why[96];
    uint64_t ns;

    if (interface.data[interface.size - 1] == '*')
        return refuse_percentile(reader, percentile,
                                 "which a prefix of many interfaces does not have");
    if (reader->source->percentile_ns(reader->source->context, text_of(spec->application),
                                      interface, percentile->percent, &ns) < 0)
        return refuse_percentile(reader, percentile,
                                 "but no call of this interface was seen in the last 15 minutes");
    spec->threshold_ms = (int64_t)((ns + NS_PER_MS - 1) / NS_PER_MS);
    spec->threshold_from = percentile->from;
    format_measured(ns, spec->threshold_ms, took, sizeof took);
    snprintf(why, sizeof why, "which was %s ms in the last 15 minutes", took);
    if (spec->threshold_ms < THRESHOLD_MS_MIN || spec->threshold_ms > THRESHOLD_MS_MAX)
        return refuse_percentile(reader, percentile, why);
    return 0;
}

static int read_threshold(const struct reader *reader, const json_t *value)
{
    for (size_t i = 0; json_is_string(value) && i < ARRAY_COUNT(percentiles); i++) {
        if (strcmp(json_string_value(value), percentiles[i].name) == 0)
            return resolve(reader, &percentiles[i]);
    }
    return read_integer(reader, "threshold_ms", value, &reader->spec->threshold_ms);
}

/* ------------------------------------------------------------------ the whole */

static int read_application(const struct reader *reader, const json_t *value)
{
    return read_text(reader, "application", value, application_check, reader->spec->application);
}

static int read_interface(const struct reader *reader, const json_t *value)
{
    return read_text(reader, "interface", value, interface_check, reader->spec->interface);
}

static int read_duration(const struct reader *reader, const json_t *value)
{
    return read_integer(reader, "duration_min", value, &reader->spec->duration_min);
}

static int read_frequency(const struct reader *reader, const json_t *value)
{
    return read_integer(reader, "frequency_ms", value, &reader->spec->frequency_ms);
}

static int read_sample_cap(const struct reader *reader, const json_t *value)
{
    return read_integer(reader, "sample_cap", value, &reader->spec->sample_cap);
}

static int read_lookback(const struct reader *reader, const json_t *value)
{
    if (!json_is_boolean(value)) return refuse_value(reader, "lookback", value);
    reader->spec->lookback = json_is_true(value);
    return 0;
}

static int read_note(const struct reader *reader, const json_t *value)
{
    return read_text(reader, "note", value, note_check, reader->spec->note);
}

/* In the order of task_fields(): the threshold is read when its interface is known. */
static const struct {
    const char *name;
    int (*read)(const struct reader *reader, const json_t *value);
} readers[] = {
    { "application", read_application }, { "interface", read_interface },
    { "duration_min", read_duration },   { "threshold_ms", read_threshold },
    { "frequency_ms", read_frequency },  { "sample_cap", read_sample_cap },
    { "instances", read_instances },     { "start", read_start },
    { "lookback", read_lookback },       { "note", read_note },
};

static int read_field(const struct reader *reader, const struct task_field *field)
{
    const json_t *value = json_object_get(reader->object, field->name);

    if (!value && !field->is_required) return 0;
    if (!value)
        return problem_set_field(reader->problem, field->name, "'%s' is missing; it must be %s.",
                                 field->name, field->accepts);
    for (size_t i = 0; i < ARRAY_COUNT(readers); i++) {
        if (strcmp(readers[i].name, field->name) == 0) return readers[i].read(reader, value);
    }
    check_failed("every field of a task has its reader", __FILE__, __LINE__);
}

int task_request_parse(struct text body, const struct threshold_source *source,
                       uint64_t now_wall_ms, struct task_spec *ret, struct problem *problem)
{
    OWN(json_freep) json_t *object = NULL;
    struct task_spec spec = TASK_SPEC_DEFAULT;
    struct reader reader = { .source = source, .spec = &spec, .problem = problem };
    const struct task_field *fields;
    size_t count;

    if (load_object(body, &object, problem) < 0) return -1;
    if (refuse_unknown(object, problem) < 0) return -1;
    reader.object = object;
    fields = task_fields(&count);
    for (size_t i = 0; i < count; i++) {
        if (read_field(&reader, &fields[i]) < 0) return -1;
    }
    if (task_spec_check(&spec, now_wall_ms, problem) < 0) return -1;
    *ret = spec;
    return 0;
}
