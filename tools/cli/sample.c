/* SPDX-License-Identifier: Apache-2.0 */
/* sample.c: sample list, show, export, diff. */
#include "tools/cli/sample.h"

#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/analysis.h"
#include "tools/cli/view/view.h"

#include <inttypes.h>
#include <stdio.h>

enum { PATH_SIZE_MAX = 32 * 1024, TEXT_SIZE_MAX = 64 * 1024 };

static void put_code(struct cli *cli, const json_t *sample, struct buf *to)
{
    const json_t *code = json_object_get(sample, "response_code");

    if (json_is_integer(code)) {
        (void)buf_printf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(code));
    } else {
        (void)buf_text(to, text_of(screen_unknown(&cli->screen)));
    }
}

/* Samples of one interface need not name it; those of a trace share that. */
enum list {
    LIST_OF_INTERFACE,
    LIST_OF_PREFIX,
    LIST_OF_TRACE,
};

static void put_row(struct cli *cli, const json_t *sample, struct table *table, enum list list)
{
    const struct screen *screen = &cli->screen;
    struct buf *cell;

    screen_put(screen, field_text(sample, "id"), table_cell(table));
    format_clock(field_time_ms(sample, "at"), false, table_cell(table));
    cell = table_cell(table);
    format_column_ms(screen, field_number(sample, "elapsed_ms"), cell);
    (void)buf_text(cell, field_is_true(sample, "running") ? TEXT("+") : TEXT(" "));
    put_code(cli, sample, table_cell(table));
    if (list == LIST_OF_TRACE)
        screen_put(screen, field_text(sample, "application"), table_cell(table));
    if (list != LIST_OF_INTERFACE)
        screen_put(screen, field_text(sample, "interface"), table_cell(table));
    format_column_ms(screen, field_number(sample, "waiting_ms"), table_cell(table));
    format_column_ms(screen, field_number(sample, "running_ms"), table_cell(table));
    format_column_ms(screen, field_number(sample, "queued_ms"), table_cell(table));
    screen_put(screen, field_text(sample, "instance"), table_cell(table));
    screen_put(screen, field_text(sample, "thread"), table_cell(table));
    if (list != LIST_OF_TRACE)
        screen_put(screen, field_text(sample, "trace_id"), table_cell(table));
    screen_put(screen, field_text(sample, "host_ip"), table_cell(table));
}

#define FIRST_COLUMNS                                      \
    { .title = "SAMPLE" }, { .title = "TIME", .rank = 1 }, \
        { .title = "ELAPSED ", .is_right = true },         \
    {                                                      \
        .title = "CODE", .is_right = true                  \
    }
#define STATE_COLUMNS                                    \
    { .title = "WAIT", .is_right = true, .rank = 2 },    \
        { .title = "CPU", .is_right = true, .rank = 3 }, \
    {                                                    \
        .title = "QUEUE", .is_right = true, .rank = 6    \
    }
#define PLACE_COLUMNS                                                        \
    { .title = "INSTANCE", .columns_min = 8, .rank = 4, .fit = FIT_MIDDLE }, \
    {                                                                        \
        .title = "THREAD", .columns_min = 6, .rank = 5                       \
    }

#define INTERFACE_COLUMN                        \
    {                                           \
        .title = "INTERFACE", .columns_min = 12 \
    }

static void put_rows(struct cli *cli, const json_t *samples, struct table *table, enum list list)
{
    const json_t *sample;
    size_t i;

    json_array_foreach(samples, i, sample)
    {
        put_row(cli, sample, table, list);
    }
    if (table_row_count(table) == 0) {
        cli_say("no samples; 'stakeout task show' says why");
    } else {
        view_table(cli, table);
    }
}

void sample_put_trace_list(struct cli *cli, const json_t *samples)
{
    static const struct table_column columns[] = {
        FIRST_COLUMNS,    { .title = "APPLICATION", .columns_min = 8 },
        INTERFACE_COLUMN, STATE_COLUMNS,
        PLACE_COLUMNS,    { .title = "HOST IP", .rank = 7 },
    };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));

    put_rows(cli, samples, table, LIST_OF_TRACE);
}

#define LAST_COLUMNS                  \
    { .title = "TRACE", .rank = 7 },  \
    {                                 \
        .title = "HOST IP", .rank = 8 \
    }

static void put_interface_list(struct cli *cli, const json_t *samples)
{
    static const struct table_column columns[] = { FIRST_COLUMNS, STATE_COLUMNS, PLACE_COLUMNS,
                                                   LAST_COLUMNS };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));

    put_rows(cli, samples, table, LIST_OF_INTERFACE);
}

static void put_prefix_list(struct cli *cli, const json_t *samples)
{
    static const struct table_column columns[] = { FIRST_COLUMNS, INTERFACE_COLUMN, STATE_COLUMNS,
                                                   PLACE_COLUMNS, LAST_COLUMNS };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));

    put_rows(cli, samples, table, LIST_OF_PREFIX);
}

/* Does the task watch a prefix: are its samples of several interfaces? Only the task itself can
 * tell, and columns must not come and go with a page. */
static int ask_for_prefix(struct cli *cli, const struct task_id *id, bool *ret)
{
    OWN(answer_done) struct answer task = ANSWER_INIT;
    struct text interface;
    char path[64];
    int rc;

    snprintf(path, sizeof path, "/api/v1/tasks/%s", id->text);
    rc = cli_get(cli, path, &task);
    if (rc != CLI_DONE) return rc;
    interface = field_text(task.document, "interface");
    *ret = interface.size > 0 && interface.data[interface.size - 1] == '*';
    return CLI_DONE;
}

int command_sample_list(struct cli *cli)
{
    OWN(buf_done) struct buf path = BUF_INIT(PATH_SIZE_MAX);
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    bool is_prefix = false;
    struct task_id id;
    int rc = cli_task_arg(cli, 0, &id);

    if (rc != CLI_DONE) return rc;
    (void)buf_printf(&path, "/api/v1/tasks/%s/samples", id.text);
    rc = cli_query_limit(cli, &path);
    if (rc != CLI_DONE) return rc;
    cli_query_option(cli, &path, "cursor", OPTION_CURSOR);
    rc = cli_get(cli, path.data, &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    rc = ask_for_prefix(cli, &id, &is_prefix);
    if (rc != CLI_DONE) return rc;
    if (is_prefix) {
        put_prefix_list(cli, field_array(answer.document, "samples"));
    } else {
        put_interface_list(cli, field_array(answer.document, "samples"));
    }
    view_next_page(cli, &answer);
    return CLI_DONE;
}

/* ------------------------------------------------------------------ show */

/* "POST /checkout took 2.31 s, response 500" */
static void put_title(struct cli *cli, const json_t *sample)
{
    OWN(buf_done) struct buf title = BUF_INIT(TEXT_SIZE_MAX);
    bool is_running = field_is_true(sample, "running");

    screen_put(&cli->screen, field_text(sample, "interface"), &title);
    (void)buf_text(&title, is_running ? TEXT(" runs for ") : TEXT(" took "));
    format_time(&cli->screen, field_number(sample, "elapsed_ms"), &title);
    if (is_running) (void)buf_text(&title, TEXT(" so far"));
    if (json_is_integer(json_object_get(sample, "response_code"))) {
        (void)buf_text(&title, TEXT(", response "));
        put_code(cli, sample, &title);
    }
    screen_paint(&cli->screen, PAINT_BOLD, buf_peek(&title), &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

static void put_header(struct cli *cli, const json_t *sample)
{
    OWN(buf_done) struct buf place = BUF_INIT(TEXT_SIZE_MAX);

    put_title(cli, sample);
    view_pair(cli, "sample", field_text(sample, "id"));
    view_pair(cli, "task", field_text(sample, "task"));
    view_pair(cli, "trace", field_text(sample, "trace_id"));
    (void)buf_printf(&place, "%.*s of %.*s, %.*s", TEXT_ARGS(field_text(sample, "instance")),
                     TEXT_ARGS(field_text(sample, "application")),
                     TEXT_ARGS(field_text(sample, "host_ip")));
    view_pair(cli, "instance", buf_peek(&place));
    buf_reset(&place);
    (void)buf_printf(&place, "%.*s (%" PRIu64 ")", TEXT_ARGS(field_text(sample, "thread")),
                     field_count(sample, "thread_id"));
    view_pair(cli, "thread", buf_peek(&place));
    view_label(cli, "began");
    view_time(cli, field_time_ms(sample, "at"), true, &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
}

int command_sample_show(struct cli *cli)
{
    OWN(answer_done) struct answer sample = ANSWER_INIT, analysis = ANSWER_INIT;
    struct analysis_options options;
    struct subject subject;
    int rc = subject_of_sample(cli, 0, &subject);

    if (rc == CLI_DONE) rc = analysis_read_options(cli, &options);
    if (rc == CLI_DONE) rc = cli_get(cli, subject.path, &sample);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &sample);
    rc = analysis_get(cli, &subject, &analysis);
    if (rc != CLI_DONE) return rc;
    put_header(cli, sample.document);
    analysis_put(cli, analysis.document, &options);
    return CLI_DONE;
}

int command_sample_export(struct cli *cli)
{
    return analysis_export(cli, subject_of_sample);
}

int command_sample_diff(struct cli *cli)
{
    return analysis_diff(cli, subject_of_sample);
}
