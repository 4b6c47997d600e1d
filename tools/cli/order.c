/* SPDX-License-Identifier: Apache-2.0 */
/* order.c: task create and clone: from options to an order.
 *
 * Each option's value is checked by its field's own rule (common/model/task_spec.h), so that what
 * the command line alone shows to be wrong is refused with the API's sentence, before anything is
 * sent. What only the scheduler knows (overlaps, percentiles, its clock) it decides itself. */
#include "tools/cli/cli.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/wall_time.h"
#include "common/model/task_spec.h"
#include "tools/cli/line/value.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/task.h"
#include "tools/cli/view/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void json_freep(json_t **it)
{
    json_decref(*it);
    *it = NULL;
}

static int set_text(const struct line *line, enum option_id id, json_t *order,
                    int (*check)(struct text value, struct problem *problem),
                    struct problem *problem)
{
    const char *value = line_value(line, id);

    if (!value) return 0;
    if (check(text_of(value), problem) < 0) return -1;
    CHECK(json_object_set_new(order, option_get(id)->field, json_string(value)) == 0);
    return 0;
}

static void set_integer(json_t *order, enum option_id id, int64_t value)
{
    CHECK(json_object_set_new(order, option_get(id)->field, json_integer(value)) == 0);
}

static int set_duration(const struct line *line, json_t *order, struct problem *problem)
{
    const char *value = line_value(line, OPTION_DURATION);
    int64_t minutes;

    if (!value) return 0;
    if (value_time(value, 60 * NS_PER_S, "minutes", &minutes, problem) < 0) return -1;
    if (duration_check(minutes, problem) < 0) return -1;
    set_integer(order, OPTION_DURATION, minutes);
    return 0;
}

static bool is_prefix(const char *interface)
{
    size_t size = interface ? strlen(interface) : 0;

    return size > 0 && interface[size - 1] == '*';
}

/* In the words of the API, which tests/integration/cli holds them against. */
static int refuse_percentile_of_prefix(const char *value, struct problem *problem)
{
    return problem_set_field(problem, "threshold_ms",
                             "'threshold_ms' is %s, which a prefix of many interfaces does not "
                             "have; it must be %d to %d.",
                             value, (int)THRESHOLD_MS_MIN, (int)THRESHOLD_MS_MAX);
}

/* A percentile goes as it is: the scheduler knows what the calls took. */
static int set_threshold(const struct line *line, json_t *order, struct problem *problem)
{
    const char *value = line_value(line, OPTION_THRESHOLD);
    char quoted[64];
    int64_t ms;

    if (!value) return 0;
    for (enum threshold_from from = THRESHOLD_FROM_P50; from <= THRESHOLD_FROM_P99; from++) {
        if (strcmp(value, threshold_from_name(from)) != 0) continue;
        if (is_prefix(line_value(line, OPTION_INTERFACE))) {
            return refuse_percentile_of_prefix(value, problem);
        }
        CHECK(json_object_set_new(order, "threshold_ms", json_string(value)) == 0);
        return 0;
    }
    if (value[0] == 'p' && strlen(value) < sizeof quoted - 2) {
        snprintf(quoted, sizeof quoted, "\"%s\"", value);
        return task_field_refuse("threshold_ms", text_of(quoted), problem);
    }
    if (value_time(value, NS_PER_MS, "milliseconds", &ms, problem) < 0) return -1;
    if (threshold_check(ms, problem) < 0) return -1;
    set_integer(order, OPTION_THRESHOLD, ms);
    return 0;
}

static int set_frequency(const struct line *line, json_t *order, struct problem *problem)
{
    const char *value = line_value(line, OPTION_FREQUENCY);
    int64_t ms;

    if (!value) return 0;
    if (value_time(value, NS_PER_MS, "milliseconds", &ms, problem) < 0) return -1;
    if (frequency_check(ms, problem) < 0) return -1;
    set_integer(order, OPTION_FREQUENCY, ms);
    return 0;
}

static int set_samples(const struct line *line, json_t *order, struct problem *problem)
{
    const char *value = line_value(line, OPTION_SAMPLES);
    int64_t count;

    if (!value) return 0;
    if (value_count(value, &count, problem) < 0) {
        return task_field_refuse("sample_cap", text_of(value), problem);
    }
    if (sample_cap_check(count, problem) < 0) return -1;
    set_integer(order, OPTION_SAMPLES, count);
    return 0;
}

/* The list as a whole is checked as a part of an order that is otherwise empty, but for what is
 * asked before it. */
static int check_instances(const struct line *line, struct problem *problem)
{
    struct task_spec *spec = mem_zalloc(1, sizeof *spec);
    struct problem found = { 0 };
    int rc = 0;

    *spec = TASK_SPEC_DEFAULT;
    snprintf(spec->application, sizeof spec->application, "x");
    snprintf(spec->interface, sizeof spec->interface, "x");
    spec->duration_min = 5;
    spec->threshold_ms = THRESHOLD_MS_MIN;
    for (const char *value; (value = line_value_at(line, OPTION_INSTANCE, spec->instance_count));
         spec->instance_count++) {
        if (spec->instance_count >= TASK_INSTANCES_MAX) continue;
        rc = instance_check(text_of(value), problem);
        if (rc < 0) break;
        snprintf(spec->instances[spec->instance_count], sizeof spec->instances[0], "%s", value);
    }
    if (rc == 0 && task_spec_check(spec, 1, &found) < 0) {
        *problem = found;
        rc = -1;
    }
    free(spec);
    return rc;
}

static int set_instances(const struct line *line, json_t *order, struct problem *problem)
{
    const char *value;
    json_t *names;

    if (!line_has(line, OPTION_INSTANCE)) return 0;
    if (check_instances(line, problem) < 0) return -1;
    names = json_array();
    for (unsigned n = 0; (value = line_value_at(line, OPTION_INSTANCE, n)); n++) {
        CHECK(json_array_append_new(names, json_string(value)) == 0);
    }
    CHECK(json_object_set_new(order, "instances", names) == 0);
    return 0;
}

/* The first moment of 1970 stands for "at once" in a task_spec, so that its rule takes it; as a
 * text it is a time long ago, and refused in the words of the API. */
static int refuse_1970(const char *value, struct problem *problem)
{
    char quoted[128];

    snprintf(quoted, sizeof quoted, "\"%s\"", value);
    return task_field_refuse("start", text_of(quoted), problem);
}

/* "now" is what an order without a start means; the clocks need not agree for it. */
static int set_start(const struct line *line, json_t *order, struct problem *problem)
{
    const char *value = line_value(line, OPTION_START);
    uint64_t now_wall_ms = ns_to_ms(clock_wall_ns()), wall_ms;
    char text[WALL_TIME_SIZE];

    if (!value || strcmp(value, "now") == 0) return 0;
    if (value_when(value, WHEN_FUTURE, now_wall_ms, &wall_ms, problem) < 0) return -1;
    if (wall_ms == now_wall_ms) return 0; /* +0s: it would be over when the order arrives */
    if (wall_ms == 0) return refuse_1970(value, problem);
    if (start_check(wall_ms, now_wall_ms, problem) < 0) return -1;
    wall_time_format(wall_ms, text);
    CHECK(json_object_set_new(order, "start", json_string(text)) == 0);
    return 0;
}

static int set_application(const struct line *line, json_t *order, struct problem *problem)
{
    return set_text(line, OPTION_APPLICATION, order, application_check, problem);
}

static int set_interface(const struct line *line, json_t *order, struct problem *problem)
{
    return set_text(line, OPTION_INTERFACE, order, interface_check, problem);
}

static int set_note(const struct line *line, json_t *order, struct problem *problem)
{
    return set_text(line, OPTION_NOTE, order, note_check, problem);
}

static int set_lookback(const struct line *line, json_t *order, struct problem *problem)
{
    (void)problem;
    if (line_has(line, OPTION_LOOKBACK)) json_object_set_new(order, "lookback", json_true());
    return 0;
}

/* Puts what the options say into the order, over what is there. */
static int set_options(const struct line *line, json_t *order)
{
    static const struct {
        enum option_id id;
        int (*set)(const struct line *line, json_t *order, struct problem *problem);
    } setters[] = {
        { OPTION_APPLICATION, set_application }, { OPTION_INTERFACE, set_interface },
        { OPTION_DURATION, set_duration },       { OPTION_THRESHOLD, set_threshold },
        { OPTION_FREQUENCY, set_frequency },     { OPTION_SAMPLES, set_samples },
        { OPTION_INSTANCE, set_instances },      { OPTION_START, set_start },
        { OPTION_LOOKBACK, set_lookback },       { OPTION_NOTE, set_note },
    };
    struct problem problem = { 0 };

    for (size_t i = 0; i < ARRAY_COUNT(setters); i++) {
        if (setters[i].set(line, order, &problem) < 0) {
            return cli_misused(setters[i].id, &problem);
        }
    }
    return CLI_DONE;
}

/* What was ordered, in a sentence, and what comes next: for people, beside the id for programs. */
static void say_created(struct cli *cli, const json_t *task)
{
    OWN(buf_done) struct buf says = BUF_INIT(64 * 1024);
    const json_t *warning;
    size_t i;

    (void)buf_printf(&says, "watching %.*s of %.*s for %" PRIu64 " min",
                     TEXT_ARGS(field_text(task, "interface")),
                     TEXT_ARGS(field_text(task, "application")), field_count(task, "duration_min"));
    if (task_start_ms(task) > 0) {
        (void)buf_text(&says, TEXT(" from "));
        view_time(cli, task_start_ms(task), false, &says);
    }
    (void)buf_text(&says, TEXT(": calls past "));
    format_setting(&cli->screen, field_number(task, "threshold_ms"), &says);
    (void)buf_text(&says, TEXT(", every "));
    format_setting(&cli->screen, field_number(task, "frequency_ms"), &says);
    (void)buf_text(&says, TEXT(", up to "));
    format_nouns(field_count(task, "sample_cap"), "sample", &says);
    cli_say("%s", says.data);
    json_array_foreach(field_array(task, "warnings"), i, warning)
    {
        cli_say("warning: %s", json_string_value(warning));
    }
    cli_say("stakeout task watch %.*s follows it", TEXT_ARGS(field_text(task, "id")));
}

static int post_order(struct cli *cli, const json_t *order)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    OWN(mem_freep) char *body = json_dumps(order, JSON_COMPACT);
    int rc;

    CHECK(body);
    rc = cli_post(cli, "/api/v1/tasks", text_of(body), &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    screen_put(&cli->screen, field_text(answer.document, "id"), &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
    say_created(cli, answer.document);
    return CLI_DONE;
}

int command_task_create(struct cli *cli)
{
    OWN(json_freep) json_t *order = json_object();
    int rc = set_options(cli->line, order);

    return rc == CLI_DONE ? post_order(cli, order) : rc;
}

int command_task_clone(struct cli *cli)
{
    static const char *const taken[] = { "application",  "interface",    "duration_min",
                                         "threshold_ms", "frequency_ms", "sample_cap",
                                         "instances",    "lookback",     "note" };
    OWN(json_freep) json_t *order = json_object();
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    char path[64];
    struct task_id id;
    int rc = cli_task_arg(cli, 0, &id);

    /* What the command line alone shows to be wrong is refused before anything is asked. */
    if (rc == CLI_DONE) rc = set_options(cli->line, order);
    if (rc != CLI_DONE) return rc;
    snprintf(path, sizeof path, "/api/v1/tasks/%s", id.text);
    rc = cli_get(cli, path, &answer);
    if (rc != CLI_DONE) return rc;
    for (size_t i = 0; i < ARRAY_COUNT(taken); i++) {
        json_t *value = json_object_get(answer.document, taken[i]);

        if (value && !json_object_get(order, taken[i])) {
            CHECK(json_object_set(order, taken[i], value) == 0);
        }
    }
    return post_order(cli, order);
}
