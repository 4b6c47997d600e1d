/* SPDX-License-Identifier: Apache-2.0 */
/* application.c: application list, show and set. */
#include "tools/cli/line/value.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/view.h"

#include "common/model/task_spec.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_row(struct cli *cli, const json_t *application, uint64_t now_wall_ms,
                    struct table *table)
{
    uint64_t seen_ms = field_time_ms(application, "last_seen");

    screen_put(&cli->screen, field_text(application, "application"), table_cell(table));
    format_count(field_count(application, "instances"), table_cell(table));
    format_count(field_count(application, "interfaces"), table_cell(table));
    screen_put(&cli->screen, field_text(application, "probe"), table_cell(table));
    if (text_is_equal(field_text(application, "probe"), TEXT("off")))
        table_paint(table, PAINT_WARN);
    format_ago(now_wall_ms > seen_ms ? now_wall_ms - seen_ms : 0, table_cell(table));
}

int command_application_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        { .title = "APPLICATION", .columns_min = 12 }, { .title = "INSTANCES", .is_right = true },
        { .title = "INTERFACES", .is_right = true },   { .title = "PROBE" },
        { .title = "SEEN", .is_right = true },
    };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    const json_t *application;
    size_t i;
    int rc = cli_get(cli, "/api/v1/applications", &answer);

    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    json_array_foreach(field_array(answer.document, "applications"), i, application)
    {
        put_row(cli, application, view_server_now_ms(&answer), table);
    }
    if (table_row_count(table) == 0) {
        cli_say("no application has reported yet; a program reports when it is linked with the "
                "probe (pkg-config stakeout) and calls stakeout_start()");
    } else {
        view_table(cli, table);
    }
    return CLI_DONE;
}

/* ---- settings ---- */

static void json_freep(json_t **it)
{
    json_decref(*it);
}

/* The path of an application's settings; its name may hold anything. */
static int settings_path(struct cli *cli, struct buf *to)
{
    const char *name = cli->line->args[0];
    struct problem problem = { 0 };

    if (application_check(text_of(name), &problem) < 0) return cli_misused(OPTION_NONE, &problem);
    (void)buf_text(to, TEXT("/api/v1/applications/"));
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                        (c >= 'a' && c <= 'z') || strchr("-._~", c);

        (void)buf_printf(to, is_plain ? "%c" : "%%%02X", c);
    }
    (void)buf_text(to, TEXT("/settings"));
    return CLI_DONE;
}

static void put_budget(struct cli *cli, const json_t *settings, const char *label,
                       const char *field)
{
    double percent = field_number(settings, field);

    view_label(cli, label);
    if (isnan(percent))
        (void)buf_text(&cli->out, TEXT("the probe's own\n"));
    else if (percent == 0)
        (void)buf_text(&cli->out, TEXT("without bound\n"));
    else
        (void)buf_printf(&cli->out, "%.15g %%\n", percent);
}

static void put_settings(struct cli *cli, const json_t *settings)
{
    uint64_t changed_ms = field_time_ms(settings, "changed");

    view_pair(cli, "application", field_text(settings, "application"));
    view_pair(cli, "probe", field_text(settings, "probe"));
    put_budget(cli, settings, "budget core", "budget_core_percent");
    put_budget(cli, settings, "budget thread", "budget_thread_percent");
    if (changed_ms == 0) return;
    view_label(cli, "changed");
    view_time(cli, changed_ms, false, &cli->out);
    (void)buf_text(&cli->out, TEXT("\n"));
    if (field_text(settings, "author").size > 0)
        view_pair(cli, "by", field_text(settings, "author"));
}

static int show(struct cli *cli, const struct request *request)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    int rc = cli_ask(cli, request, &answer);

    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    put_settings(cli, answer.document);
    return CLI_DONE;
}

int command_application_show(struct cli *cli)
{
    OWN(buf_done) struct buf path = BUF_INIT(4096);
    int rc = settings_path(cli, &path);

    return rc == CLI_DONE ? show(cli, &(struct request){ .path = path.data }) : rc;
}

static int set_probe(const struct line *line, json_t *order, struct problem *problem)
{
    const char *value = line_value(line, OPTION_PROBE);

    if (!value) return 0;
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return problem_set(problem, PROBLEM_BAD_FIELD, "'%.40s' must be on or off.", value);
    json_object_set_new(order, "probe", json_string(value));
    return 0;
}

static int set_budget(const struct line *line, enum option_id id, const char *field, json_t *order,
                      struct problem *problem)
{
    const char *value = line_value(line, id);
    double percent;

    if (!value) return 0;
    if (strcmp(value, "default") == 0) {
        json_object_set_new(order, field, json_null());
        return 0;
    }
    if (value_percent(value, &percent, problem) < 0) return -1;
    json_object_set_new(order, field, json_real(percent));
    return 0;
}

int command_application_set(struct cli *cli)
{
    OWN(json_freep) json_t *order = json_object();
    OWN(buf_done) struct buf path = BUF_INIT(4096);
    struct problem problem = { 0 };
    char body[256];
    size_t size;
    int rc = settings_path(cli, &path);

    if (rc != CLI_DONE) return rc;
    if (set_probe(cli->line, order, &problem) < 0) return cli_misused(OPTION_PROBE, &problem);
    if (set_budget(cli->line, OPTION_BUDGET_CORE, "budget_core_percent", order, &problem) < 0)
        return cli_misused(OPTION_BUDGET_CORE, &problem);
    if (set_budget(cli->line, OPTION_BUDGET_THREAD, "budget_thread_percent", order, &problem) < 0)
        return cli_misused(OPTION_BUDGET_THREAD, &problem);
    if (json_object_size(order) == 0) {
        problem_set(&problem, PROBLEM_BAD_FIELD,
                    "Nothing is to be set: give --probe, --budget-core or --budget-thread.");
        return cli_misused(OPTION_NONE, &problem);
    }
    size = json_dumpb(order, body, sizeof body, JSON_COMPACT);
    CHECK(size <= sizeof body);
    return show(cli,
                &(struct request){ .method = "PUT", .path = path.data, .body = { body, size } });
}
