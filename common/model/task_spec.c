/* SPDX-License-Identifier: Apache-2.0 */
/* task_spec.c: the rules of an order, in one table.
 *
 * A row says what a field accepts, as numbers for programs and as words for people; every check
 * reads its bounds from the row, and every refusal is written by one of the few functions below
 * from the row's own words. So the limit that is enforced, the limit in the sentence and the
 * limit in the API's description cannot differ.
 *
 * Adding a field: a row here, a member of struct task_spec, its line in task_spec_check(). The
 * tests walk over the table. */
#include "common/model/task_spec.h"

#include "common/base/check.h"
#include "common/base/wall_time.h"
#include "common/model/problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum field_row {
    FIELD_APPLICATION,
    FIELD_INTERFACE,
    FIELD_DURATION,
    FIELD_THRESHOLD,
    FIELD_FREQUENCY,
    FIELD_SAMPLE_CAP,
    FIELD_INSTANCES,
    FIELD_START,
    FIELD_LOOKBACK,
    FIELD_NOTE,
    FIELD_COUNT
};

static const int64_t durations_min[] = {
#define DURATION(minutes) minutes,
    DURATIONS_MIN(DURATION)
#undef DURATION
        0
};

/* clang-format off */
static const struct task_field fields[FIELD_COUNT] = {
    [FIELD_APPLICATION] = { "application", TASK_FIELD_TEXT, true, 1, APPLICATION_SIZE_MAX, 0, NULL,
        "1 to 128 bytes of printable UTF-8",
        "the application whose calls are watched" },
    [FIELD_INTERFACE] = { "interface", TASK_FIELD_TEXT, true, 1, INTERFACE_SIZE_MAX, 0, NULL,
        "1 to 512 bytes of printable UTF-8, with '*' at its end alone, for a prefix",
        "the interface to watch, exact, or a prefix that ends in '*'" },
    [FIELD_DURATION] = { "duration_min", TASK_FIELD_CHOICE, true, 5, 15, 0, durations_min,
        "5, 10 or 15",
        "for how many minutes" },
    [FIELD_THRESHOLD] = { "threshold_ms", TASK_FIELD_INTEGER, true,
        THRESHOLD_MS_MIN, THRESHOLD_MS_MAX, 0, NULL,
        "50 to 30000, or p50, p90 or p99",
        "how long a call must have run before its first snapshot, in ms" },
    [FIELD_FREQUENCY] = { "frequency_ms", TASK_FIELD_INTEGER, false,
        FREQUENCY_MS_MIN, FREQUENCY_MS_MAX, FREQUENCY_MS_DEFAULT, NULL,
        "5 to 1000",
        "the interval between snapshots, in ms" },
    [FIELD_SAMPLE_CAP] = { "sample_cap", TASK_FIELD_INTEGER, false,
        SAMPLE_CAP_MIN, SAMPLE_CAP_MAX, SAMPLE_CAP_DEFAULT, NULL,
        "1 to 100",
        "how many slow calls the task takes" },
    [FIELD_INSTANCES] = { "instances", TASK_FIELD_TEXTS, false, 0, TASK_INSTANCES_MAX, 0, NULL,
        "at most 64 host names, host IPs or instance names, each different, of 1 to 255 bytes of "
        "printable UTF-8",
        "only these hosts or instances; all if none is given" },
    [FIELD_START] = { "start", TASK_FIELD_TIME, false, 0, START_AHEAD_S_MAX, 0, NULL,
        "a time (RFC 3339, or ms since 1970) from now to 30 days ahead",
        "when it starts; at once if not given" },
    [FIELD_LOOKBACK] = { "lookback", TASK_FIELD_FLAG, false, 0, 0, 0, NULL,
        "true or false",
        "also take sparse snapshots before the threshold, kept only if the call turns slow" },
    [FIELD_NOTE] = { "note", TASK_FIELD_TEXT, false, 0, NOTE_SIZE_MAX, 0, NULL,
        "at most 500 bytes of printable UTF-8",
        "why the task was made" },
};
/* clang-format on */

/* The words of the table say these numbers. */
static_assert(APPLICATION_SIZE_MAX == 128 && INTERFACE_SIZE_MAX == 512, "see 'accepts'");
static_assert(THRESHOLD_MS_MIN == 50 && THRESHOLD_MS_MAX == 30000, "see 'accepts'");
static_assert(FREQUENCY_MS_MIN == 5 && FREQUENCY_MS_MAX == 1000, "see 'accepts'");
static_assert(SAMPLE_CAP_MIN == 1 && SAMPLE_CAP_MAX == 100, "see 'accepts'");
static_assert(TASK_INSTANCES_MAX == 64 && INSTANCE_SIZE_MAX == 255, "see 'accepts'");
static_assert(START_AHEAD_S_MAX == 30 * 86400 && NOTE_SIZE_MAX == 500, "see 'accepts'");

/* Not part of an order: the scheduler fills it in from the token. */
static const struct task_field author_field = { .name = "author",
                                                .maximum = AUTHOR_SIZE_MAX,
                                                .accepts = "at most 64 bytes of printable UTF-8" };
static_assert(AUTHOR_SIZE_MAX == 64, "see 'accepts'");

/* What an instance calls itself; and one name in the list of an order. */
#define INSTANCE_ACCEPTS "1 to 255 bytes of printable UTF-8"
static const struct task_field instance_field = {
    .name = "instance", .minimum = 1, .maximum = INSTANCE_SIZE_MAX, .accepts = INSTANCE_ACCEPTS
};
static const struct task_field instances_element = {
    .name = "instances", .minimum = 1, .maximum = INSTANCE_SIZE_MAX, .accepts = INSTANCE_ACCEPTS
};

const struct task_field *task_fields(size_t *ret_count)
{
    *ret_count = FIELD_COUNT;
    return fields;
}

const struct task_field *task_field_find(struct text name)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (text_is_equal(text_of(fields[i].name), name)) return &fields[i];
    }
    return NULL;
}

/* "'FIELD' WHAT; it must be ACCEPTS." */
static int refuse(const struct task_field *field, const char *what, struct problem *problem)
{
    return problem_set_field(problem, field->name, "%s'%s' %s; it must be %s.",
                             field == &instances_element ? "One of " : "", field->name, what,
                             field->accepts);
}

static int refuse_number(const struct task_field *field, int64_t value, struct problem *problem)
{
    char what[32];

    snprintf(what, sizeof what, "is %" PRId64, value);
    return refuse(field, what, problem);
}

int task_field_refuse(const char *name, struct text given, struct problem *problem)
{
    enum { SHOWN_SIZE_MAX = 64 };
    bool is_element = strcmp(name, TASK_INSTANCES_ELEMENT) == 0;
    const struct task_field *field =
        is_element ? &instances_element : task_field_find(text_of(name));
    char what[SHOWN_SIZE_MAX + 16];

    if (!field) return problem_set_field(problem, name, "'%s' is not a field of a task.", name);
    if (given.size == 0 || given.size > SHOWN_SIZE_MAX || !text_is_printable(given))
        return refuse(field, "is not acceptable", problem);
    snprintf(what, sizeof what, "is %.*s", TEXT_ARGS(given));
    return refuse(field, what, problem);
}

static int check_text(const struct task_field *field, struct text value, struct problem *problem)
{
    char what[48];

    if (value.size < (size_t)field->minimum) return refuse(field, "is empty", problem);
    if (value.size > (size_t)field->maximum) {
        snprintf(what, sizeof what, "is %zu bytes long", value.size);
        return refuse(field, what, problem);
    }
    if (!text_is_utf8(value)) return refuse(field, "is not UTF-8", problem);
    if (!text_is_printable(value)) return refuse(field, "has a control character", problem);
    return 0;
}

static int check_field_text(enum field_row row, struct text value, struct problem *problem)
{
    return check_text(&fields[row], value, problem);
}

static int check_number(enum field_row row, int64_t value, struct problem *problem)
{
    const struct task_field *field = &fields[row];

    if (value < field->minimum || value > field->maximum)
        return refuse_number(field, value, problem);
    return 0;
}

int application_check(struct text value, struct problem *problem)
{
    return check_field_text(FIELD_APPLICATION, value, problem);
}

static bool has_star(struct text text)
{
    return text.size > 0 && memchr(text.data, '*', text.size) != NULL;
}

static bool is_prefix(struct text pattern)
{
    return pattern.size > 0 && pattern.data[pattern.size - 1] == '*';
}

/* A prefix pattern without its star. */
static struct text stem(struct text pattern)
{
    return (struct text){ pattern.data, pattern.size - is_prefix(pattern) };
}

int interface_check(struct text value, struct problem *problem)
{
    if (check_field_text(FIELD_INTERFACE, value, problem) < 0) return -1;
    if (has_star(stem(value)))
        return refuse(&fields[FIELD_INTERFACE], "has a '*' before its end", problem);
    return 0;
}

int interface_name_check(struct text value, struct problem *problem)
{
    if (check_field_text(FIELD_INTERFACE, value, problem) < 0) return -1;
    if (!has_star(value)) return 0;
    return problem_set_field(problem, "interface",
                             "'interface' has a '*'; a reported name must be 1 to 512 bytes of "
                             "printable UTF-8 without one.");
}

int duration_check(int64_t minutes, struct problem *problem)
{
    for (const int64_t *choice = durations_min; *choice != 0; choice++) {
        if (minutes == *choice) return 0;
    }
    return refuse_number(&fields[FIELD_DURATION], minutes, problem);
}

int threshold_check(int64_t ms, struct problem *problem)
{
    return check_number(FIELD_THRESHOLD, ms, problem);
}

int frequency_check(int64_t ms, struct problem *problem)
{
    return check_number(FIELD_FREQUENCY, ms, problem);
}

int sample_cap_check(int64_t count, struct problem *problem)
{
    return check_number(FIELD_SAMPLE_CAP, count, problem);
}

int start_check(uint64_t wall_ms, uint64_t now_wall_ms, struct problem *problem)
{
    char at[WALL_TIME_SIZE], what[WALL_TIME_SIZE + 8];

    if (wall_ms == 0) return 0;
    if (wall_ms >= now_wall_ms && wall_ms - now_wall_ms <= START_AHEAD_S_MAX * UINT64_C(1000))
        return 0;
    wall_time_format(wall_ms, at);
    snprintf(what, sizeof what, "is %s", at);
    return refuse(&fields[FIELD_START], what, problem);
}

int note_check(struct text value, struct problem *problem)
{
    return check_field_text(FIELD_NOTE, value, problem);
}

int instance_check(struct text value, struct problem *problem)
{
    return check_text(&instances_element, value, problem);
}

int instance_name_check(struct text value, struct problem *problem)
{
    return check_text(&instance_field, value, problem);
}

int author_check(struct text value, struct problem *problem)
{
    return check_text(&author_field, value, problem);
}

/* The text of a member of struct task_spec, which a caller may have filled to the brim. */
#define MEMBER(array) ((struct text){ (array), strnlen((array), sizeof(array)) })

static int check_instances(const struct task_spec *spec, struct problem *problem)
{
    if (spec->instance_count > TASK_INSTANCES_MAX) {
        char what[32];

        snprintf(what, sizeof what, "are %" PRIu32, spec->instance_count);
        return refuse(&fields[FIELD_INSTANCES], what, problem);
    }
    for (uint32_t i = 0; i < spec->instance_count; i++) {
        if (instance_check(MEMBER(spec->instances[i]), problem) < 0) return -1;
        for (uint32_t j = 0; j < i; j++) {
            if (text_is_equal(MEMBER(spec->instances[i]), MEMBER(spec->instances[j])))
                return refuse(&fields[FIELD_INSTANCES], "has the same name twice", problem);
        }
    }
    return 0;
}

int task_spec_check(const struct task_spec *spec, uint64_t now_wall_ms, struct problem *problem)
{
    if (application_check(MEMBER(spec->application), problem) < 0) return -1;
    if (interface_check(MEMBER(spec->interface), problem) < 0) return -1;
    if (duration_check(spec->duration_min, problem) < 0) return -1;
    if (threshold_check(spec->threshold_ms, problem) < 0) return -1;
    if (frequency_check(spec->frequency_ms, problem) < 0) return -1;
    if (sample_cap_check(spec->sample_cap, problem) < 0) return -1;
    if (check_instances(spec, problem) < 0) return -1;
    if (start_check(spec->start_wall_ms, now_wall_ms, problem) < 0) return -1;
    if (note_check(MEMBER(spec->note), problem) < 0) return -1;
    return author_check(MEMBER(spec->author), problem);
}

bool interface_matches(struct text pattern, struct text name)
{
    if (is_prefix(pattern)) return text_starts_with(name, stem(pattern));
    return text_is_equal(pattern, name);
}

/* Of two prefixes, one must begin the other: then the longer one's names match both. */
bool interfaces_overlap(struct text left, struct text right)
{
    if (is_prefix(left) && is_prefix(right))
        return text_starts_with(stem(left), stem(right)) ||
               text_starts_with(stem(right), stem(left));
    return is_prefix(right) ? interface_matches(right, left) : interface_matches(left, right);
}

/* Of "shop-1:4711" it is "shop-1"; a name without a colon is its own host. */
static struct text host_of(struct text instance)
{
    const char *colon = instance.size > 0 ? memrchr(instance.data, ':', instance.size) : NULL;

    if (!colon) return instance;
    return (struct text){ instance.data, (size_t)(colon - instance.data) };
}

bool task_spec_admits(const struct task_spec *spec, struct text instance, struct text host_ip)
{
    if (spec->instance_count == 0) return true;
    for (uint32_t i = 0; i < spec->instance_count; i++) {
        struct text listed = MEMBER(spec->instances[i]);

        if (listed.size == 0) continue;
        if (text_is_equal(listed, instance) || text_is_equal(listed, host_of(instance)) ||
            text_is_equal(listed, host_ip))
            return true;
    }
    return false;
}

const char *threshold_from_name(enum threshold_from from)
{
    static const char *const names[] = {
        [THRESHOLD_FROM_MS] = "ms",
        [THRESHOLD_FROM_P50] = "p50",
        [THRESHOLD_FROM_P90] = "p90",
        [THRESHOLD_FROM_P99] = "p99",
    };

    return (unsigned)from < ARRAY_COUNT(names) ? names[from] : "ms";
}

int64_t duration_next(int64_t minutes)
{
    for (const int64_t *choice = durations_min; *choice != 0; choice++) {
        if (*choice > minutes) return *choice;
    }
    return 0;
}
