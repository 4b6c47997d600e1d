/* SPDX-License-Identifier: Apache-2.0 */
/* task.c: task list, show, log, cancel, extend. */
#include "tools/cli/task.h"

#include "common/model/task_spec.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/ledger.h"
#include "tools/cli/view/view.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

enum {
    PATH_SIZE_MAX = 32 * 1024,
    TEXT_SIZE_MAX = 64 * 1024,
    LIST_PAGES_MAX = 1000, /* that one list asks for: a scheduler keeps fewer tasks */
};

bool task_is_final(const json_t *task)
{
    enum task_state state;

    return task_state_parse(field_text(task, "state"), &state) == 0 && task_state_is_final(state);
}

bool task_is_scheduled(const json_t *task)
{
    return text_is_equal(field_text(task, "state"), TEXT("SCHEDULED"));
}

enum paint task_state_paint(struct text state)
{
    if (text_is_equal(state, TEXT("ACTIVE"))) return PAINT_OK;
    if (text_is_equal(state, TEXT("SCHEDULED"))) return PAINT_WARN;
    return PAINT_NONE;
}

uint64_t task_start_ms(const json_t *task)
{
    return field_time_ms(task, "start");
}

void task_put_left(const json_t *task, uint64_t now_wall_ms, struct buf *to)
{
    bool is_scheduled = task_is_scheduled(task);
    uint64_t at_ms = field_time_ms(task, is_scheduled ? "start" : "ends");

    if (task_is_final(task) || at_ms == 0) return;
    if (is_scheduled) (void)buf_text(to, TEXT("in "));
    format_left(at_ms > now_wall_ms ? at_ms - now_wall_ms : 0, to);
}

static void put_threshold(const struct screen *screen, const json_t *task, struct buf *to)
{
    struct text from = field_text(task, "threshold_from");

    format_column_ms(screen, field_number(task, "threshold_ms"), to);
    if (from.size > 0 && !text_is_equal(from, TEXT("ms"))) {
        (void)buf_text(to, TEXT(" "));
        screen_put(screen, from, to);
    }
}

static void put_list_row(struct cli *cli, const json_t *task, uint64_t now_wall_ms,
                         struct table *table)
{
    const struct screen *screen = &cli->screen;
    struct text state = field_text(task, "state");

    screen_put(screen, field_text(task, "id"), table_cell(table));
    screen_put(screen, state, table_cell(table));
    table_paint(table, task_state_paint(state));
    screen_put(screen, field_text(task, "application"), table_cell(table));
    screen_put(screen, field_text(task, "interface"), table_cell(table));
    (void)buf_printf(table_cell(table), "%" PRIu64 "/%" PRIu64, field_count(task, "samples"),
                     field_count(task, "sample_cap"));
    put_threshold(screen, task, table_cell(table));
    task_put_left(task, now_wall_ms, table_cell(table));
    format_clock(field_time_ms(task, "created"), false, table_cell(table));
    screen_put(screen, field_text(task, "author"), table_cell(table));
}

/* Appends the rows of a page. */
static void put_list_page(struct cli *cli, const struct answer *answer, struct table *table)
{
    const json_t *task;
    size_t i;

    json_array_foreach(field_array(answer->document, "tasks"), i, task)
    {
        put_list_row(cli, task, view_server_now_ms(answer), table);
    }
}

static int get_list_page(struct cli *cli, struct text filters, int64_t limit, const char *cursor,
                         struct answer *ret)
{
    OWN(buf_done) struct buf path = BUF_INIT(PATH_SIZE_MAX);
    char digits[24];

    snprintf(digits, sizeof digits, "%" PRId64, limit);
    (void)buf_text(&path, filters);
    query_add(&path, "limit", digits);
    if (cursor) query_add(&path, "cursor", cursor);
    return cli_get(cli, path.data, ret);
}

/* A page of a list with filters may be short, or empty, and yet not the last: the scheduler
 * bounds what it looks at for one. */
static int put_list(struct cli *cli, struct text filters, int64_t limit)
{
    static const struct table_column columns[] = {
        { .title = "TASK" },
        { .title = "STATE" },
        { .title = "APPLICATION", .columns_min = 8 },
        { .title = "INTERFACE", .columns_min = 12 },
        { .title = "SAMPLES", .is_right = true },
        { .title = "THRESHOLD", .is_right = true, .rank = 2 },
        { .title = "LEFT", .is_right = true },
        { .title = "CREATED", .rank = 1 },
        { .title = "AUTHOR", .rank = 3, .columns_min = 6 },
    };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    OWN(mem_freep) char *cursor = NULL;
    int rc = get_list_page(cli, filters, limit, line_value(cli->line, OPTION_CURSOR), &answer);

    if (rc == CLI_DONE && line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    for (int page = 1; rc == CLI_DONE; rc = get_list_page(cli, filters, limit, cursor, &answer)) {
        struct text next = field_text(answer.document, "next");
        int64_t count = (int64_t)json_array_size(field_array(answer.document, "tasks"));

        put_list_page(cli, &answer, table);
        limit -= count;
        if (next.size == 0 || limit <= 0 || page++ == LIST_PAGES_MAX) break;
        free(cursor);
        cursor = mem_text(next.data, next.size);
    }
    if (rc != CLI_DONE) return rc;
    if (table_row_count(table) == 0) {
        cli_say("no task is like that; 'stakeout task create' makes one");
    } else {
        view_table(cli, table);
    }
    view_next_page(cli, &answer);
    return CLI_DONE;
}

/* The states are upper case; who types "active" is understood. */
static int query_state(struct cli *cli, struct buf *path)
{
    const char *value = line_value(cli->line, OPTION_STATE);
    char upper[16] = "";
    struct problem problem;
    enum task_state state;

    if (!value) return CLI_DONE;
    for (size_t i = 0; value[i] && i + 1 < sizeof upper; i++) {
        upper[i] = (char)toupper((unsigned char)value[i]);
    }
    if (strlen(value) < sizeof upper && task_state_parse(text_of(upper), &state) == 0) {
        query_add(path, "state", upper);
        return CLI_DONE;
    }
    problem_set_field(&problem, "state",
                      "'state' is '%s'; it must be SCHEDULED, ACTIVE, EXPIRED, FILLED or "
                      "CANCELLED.",
                      value);
    return cli_misused(OPTION_STATE, &problem);
}

int command_task_list(struct cli *cli)
{
    OWN(buf_done) struct buf path = BUF_INIT(PATH_SIZE_MAX);
    int64_t limit = PAGE_LIMIT_DEFAULT;
    int rc;

    (void)buf_text(&path, TEXT("/api/v1/tasks"));
    rc = cli_query_text(cli, &path, "application", OPTION_APPLICATION, application_check);
    if (rc == CLI_DONE) {
        rc = cli_query_text(cli, &path, "interface", OPTION_ORDERED, interface_check);
    }
    if (rc == CLI_DONE) rc = cli_query_text(cli, &path, "author", OPTION_AUTHOR, author_check);
    if (rc == CLI_DONE) rc = query_state(cli, &path);
    if (rc == CLI_DONE) rc = cli_query_time(cli, &path, "from", OPTION_SINCE);
    if (rc == CLI_DONE) rc = cli_query_time(cli, &path, "to", OPTION_UNTIL);
    if (rc == CLI_DONE) rc = cli_limit(cli, &limit);
    return rc == CLI_DONE ? put_list(cli, buf_peek(&path), limit) : rc;
}

/* ------------------------------------------------------------------ show */

void task_put_title(struct cli *cli, const json_t *task)
{
    OWN(buf_done) struct buf name = BUF_INIT(TEXT_SIZE_MAX);

    screen_put(&cli->screen, field_text(task, "interface"), &name);
    (void)buf_text(&name, TEXT(" of "));
    screen_put(&cli->screen, field_text(task, "application"), &name);
    screen_paint(&cli->screen, PAINT_BOLD, buf_peek(&name), &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

static void put_instances(struct cli *cli, const json_t *task)
{
    OWN(buf_done) struct buf names = BUF_INIT(TEXT_SIZE_MAX);
    const json_t *name;
    size_t i;

    json_array_foreach(field_array(task, "instances"), i, name)
    {
        (void)buf_printf(&names, "%s%s", i > 0 ? ", " : "", json_string_value(name));
    }
    view_pair(cli, "instances", names.size > 0 ? buf_peek(&names) : TEXT("all"));
}

static void put_moment(struct cli *cli, const json_t *task, const char *label, const char *field)
{
    if (field_time_ms(task, field) == 0) return;
    view_label(cli, label);
    view_time(cli, field_time_ms(task, field), false, &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

static void put_figure(struct cli *cli, const json_t *task, const char *label, const char *field,
                       const char *unit)
{
    view_label(cli, label);
    format_count(field_count(task, field), &cli->out);
    (void)buf_printf(&cli->out, "%s\n", unit);
}

/* "every 10 ms, stretched to 40 ms to stay within the budget": the longest of all instances. */
static void put_frequency(struct cli *cli, const json_t *task, const json_t *ledger)
{
    double stretched_ms = ledger_stretched_ms(ledger);

    view_label(cli, "frequency");
    (void)buf_text(&cli->out, TEXT("every "));
    format_setting(&cli->screen, field_number(task, "frequency_ms"), &cli->out);
    if (stretched_ms > 0) {
        (void)buf_text(&cli->out, TEXT(", stretched to "));
        format_setting(&cli->screen, stretched_ms, &cli->out);
        (void)buf_text(&cli->out, TEXT(" to stay within the budget"));
    }
    (void)buf_text(&cli->out, TEXT("\n"));
}

static void put_settings(struct cli *cli, const json_t *task, const json_t *ledger)
{
    struct text from = field_text(task, "threshold_from");

    view_pair(cli, "task", field_text(task, "id"));
    put_figure(cli, task, "duration", "duration_min", " min");
    view_label(cli, "threshold");
    format_setting(&cli->screen, field_number(task, "threshold_ms"), &cli->out);
    if (from.size > 0 && !text_is_equal(from, TEXT("ms"))) {
        (void)buf_text(&cli->out, TEXT(", the "));
        screen_put(&cli->screen, from, &cli->out);
        (void)buf_text(&cli->out, TEXT(" of the 15 minutes before"));
    }
    (void)buf_text(&cli->out, TEXT("\n"));
    put_frequency(cli, task, ledger);
    if (json_is_true(json_object_get(task, "lookback")))
        view_pair(cli, "lookback", TEXT("on: sparsely from a call's begin"));
    put_figure(cli, task, "sample cap", "sample_cap", "");
    put_instances(cli, task);
    if (task_start_ms(task) > 0) put_moment(cli, task, "start", "start");
    put_moment(cli, task, "created", "created");
    put_moment(cli, task, "started", "started");
    if (field_time_ms(task, "ended") == 0) put_moment(cli, task, "ends", "ends");
    put_moment(cli, task, "ended", "ended");
    view_pair(cli, "author", field_text(task, "author"));
    if (field_text(task, "note").size > 0) view_pair(cli, "note", field_text(task, "note"));
}

void task_put_status(struct cli *cli, const json_t *task, uint64_t now_wall_ms)
{
    OWN(buf_done) struct buf left = BUF_INIT(256);
    struct text state = field_text(task, "state");
    OWN(buf_done) struct buf shown = BUF_INIT(TEXT_SIZE_MAX);

    screen_put(&cli->screen, state, &shown);
    screen_paint(&cli->screen, task_state_paint(state), buf_peek(&shown), &cli->out);
    task_put_left(task, now_wall_ms, &left);
    if (left.size > 0) {
        (void)buf_printf(&cli->out, task_is_scheduled(task) ? ", starts %s" : ", %s left",
                         left.data);
    }
    (void)buf_printf(&cli->out, ", %" PRIu64 " of ", field_count(task, "samples"));
    format_nouns(field_count(task, "sample_cap"), "sample", &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

void task_put_warnings(struct cli *cli, const json_t *task)
{
    const json_t *warning;
    size_t i;

    json_array_foreach(field_array(task, "warnings"), i, warning)
    {
        view_sentence(cli, "! ",
                      (struct text){ json_string_value(warning), json_string_length(warning) });
    }
}

int command_task_show(struct cli *cli)
{
    OWN(buf_done) struct buf path = BUF_INIT(PATH_SIZE_MAX);
    OWN(answer_done) struct answer task = ANSWER_INIT, ledger = ANSWER_INIT;
    struct task_id id;
    int rc = cli_task_arg(cli, 0, &id);

    if (rc != CLI_DONE) return rc;
    (void)buf_printf(&path, "/api/v1/tasks/%s", id.text);
    rc = cli_get(cli, path.data, &task);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &task);
    (void)buf_text(&path, TEXT("/ledger"));
    rc = cli_get(cli, path.data, &ledger);
    if (rc != CLI_DONE) return rc;

    task_put_title(cli, task.document);
    task_put_status(cli, task.document, view_server_now_ms(&task));
    view_heading(cli, "Settings");
    put_settings(cli, task.document, ledger.document);
    task_put_warnings(cli, task.document);
    view_heading(cli, "Ledger");
    ledger_put(cli, ledger.document);
    view_heading(cli, "Verdict");
    view_sentence(cli, "", field_text(ledger.document, "verdict"));
    return CLI_DONE;
}

/* ------------------------------------------------------------------ log */

static void put_log_row(struct cli *cli, const json_t *event, struct table *table)
{
    format_clock(field_time_ms(event, "at"), true, table_cell(table));
    screen_put(&cli->screen, field_text(event, "event"), table_cell(table));
    screen_put(&cli->screen, field_text(event, "instance"), table_cell(table));
    format_count(field_count(event, "count"), table_cell(table));
    screen_put(&cli->screen, field_text(event, "detail"), table_cell(table));
}

/* Appends the rows of a page; returns the path of the next one in `path`, empty at the end. */
static void put_log_page(struct cli *cli, const struct task_id *id, const struct answer *answer,
                         struct table *table, struct buf *path)
{
    struct text next = field_text(answer->document, "next");
    const json_t *event;
    size_t i;

    json_array_foreach(field_array(answer->document, "events"), i, event)
    {
        put_log_row(cli, event, table);
    }
    buf_reset(path);
    if (next.size == 0 || json_array_size(field_array(answer->document, "events")) == 0) return;
    (void)buf_printf(path, "/api/v1/tasks/%s/log?limit=1000", id->text);
    query_add(path, "cursor", next.data);
}

static int put_log(struct cli *cli, const struct task_id *id, struct buf *path, bool is_whole)
{
    static const struct table_column columns[] = {
        { .title = "TIME" },
        { .title = "EVENT" },
        { .title = "INSTANCE", .columns_min = 8, .fit = FIT_MIDDLE },
        { .title = "COUNT", .is_right = true },
        { .title = "DETAIL", .columns_min = 6, .goes_below = true },
    };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));
    OWN(answer_done) struct answer answer = ANSWER_INIT;

    do {
        int rc = cli_get(cli, path->data, &answer);

        if (rc != CLI_DONE) return rc;
        if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
        put_log_page(cli, id, &answer, table, path);
    } while (is_whole && path->size > 0);
    view_table(cli, table);
    if (path->size > 0) view_next_page(cli, &answer);
    return CLI_DONE;
}

int command_task_log(struct cli *cli)
{
    OWN(buf_done) struct buf path = BUF_INIT(PATH_SIZE_MAX);
    bool is_page = line_has(cli->line, OPTION_LIMIT) || line_has(cli->line, OPTION_CURSOR);
    struct task_id id;
    int rc = cli_task_arg(cli, 0, &id);

    if (rc != CLI_DONE) return rc;
    (void)buf_printf(&path, "/api/v1/tasks/%s/log", id.text);
    rc = cli_query_limit(cli, &path);
    if (rc != CLI_DONE) return rc;
    cli_query_option(cli, &path, "cursor", OPTION_CURSOR);
    return put_log(cli, &id, &path, !is_page);
}

/* ------------------------------------------------------------------ cancel, extend */

static int change(struct cli *cli, const char *verb)
{
    OWN(buf_done) struct buf path = BUF_INIT(PATH_SIZE_MAX);
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    struct task_id id;
    int rc = cli_task_arg(cli, 0, &id);

    if (rc != CLI_DONE) return rc;
    (void)buf_printf(&path, "/api/v1/tasks/%s/%s", id.text, verb);
    rc = cli_post(cli, path.data, TEXT(""), &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    (void)buf_printf(&cli->out, "%s ", id.text);
    task_put_status(cli, answer.document, view_server_now_ms(&answer));
    return CLI_DONE;
}

int command_task_cancel(struct cli *cli)
{
    return change(cli, "cancel");
}

int command_task_extend(struct cli *cli)
{
    return change(cli, "extend");
}
