/* SPDX-License-Identifier: Apache-2.0 */
/* interface.c: interface list. */
#include "common/base/clock.h"
#include "common/model/task_spec.h"
#include "tools/cli/line/value.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/view.h"

#include <inttypes.h>

enum { PATH_SIZE_MAX = 8192, LAST_MIN_DEFAULT = 15 };

static int read_last(struct cli *cli, int64_t *ret)
{
    const char *value = line_value(cli->line, OPTION_LAST);
    struct problem problem = { 0 };
    int64_t minutes = LAST_MIN_DEFAULT;

    if (value && value_time(value, 60 * NS_PER_S, "minutes", &minutes, &problem) < 0) {
        return cli_misused(OPTION_LAST, &problem);
    }
    if (minutes != 1 && minutes != 5 && minutes != 15) {
        problem_set_field(&problem, "last", "'last' is %" PRId64 "; it must be 1, 5 or 15.",
                          minutes);
        return cli_misused(OPTION_LAST, &problem);
    }
    *ret = minutes;
    return CLI_DONE;
}

static const json_t *window_of(const json_t *interface, int64_t minutes)
{
    const json_t *window;
    size_t i;

    json_array_foreach(field_array(interface, "windows"), i, window)
    {
        if (field_count(window, "minutes") == (uint64_t)minutes) return window;
    }
    return NULL;
}

static void put_row(struct cli *cli, const json_t *interface, int64_t minutes, uint64_t now_wall_ms,
                    struct table *table)
{
    static const char *const figures[] = { "p50_ms", "p90_ms", "p99_ms", "max_ms" };
    const json_t *window = window_of(interface, minutes);
    uint64_t seen_ms = field_time_ms(interface, "last_seen");

    screen_put(&cli->screen, field_text(interface, "interface"), table_cell(table));
    format_count(field_count(window, "calls"), table_cell(table));
    for (size_t i = 0; i < ARRAY_COUNT(figures); i++) {
        format_column_fine_ms(&cli->screen, field_number(window, figures[i]), table_cell(table));
    }
    format_ago(now_wall_ms > seen_ms ? now_wall_ms - seen_ms : 0, table_cell(table));
}

static void put_list(struct cli *cli, const struct answer *answer, int64_t minutes)
{
    static const struct table_column columns[] = {
        { .title = "INTERFACE", .columns_min = 16 },      { .title = "CALLS", .is_right = true },
        { .title = "P50 ms", .is_right = true },          { .title = "P90 ms", .is_right = true },
        { .title = "P99 ms", .is_right = true },          { .title = "MAX ms", .is_right = true },
        { .title = "SEEN", .is_right = true, .rank = 1 },
    };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));
    const json_t *interface;
    size_t i;

    json_array_foreach(field_array(answer->document, "interfaces"), i, interface)
    {
        put_row(cli, interface, minutes, view_server_now_ms(answer), table);
    }
    if (table_row_count(table) == 0) {
        cli_say("no interface of this application is known; 'stakeout application list' names "
                "those that have reported");
    } else {
        view_table(cli, table);
    }
}

int command_interface_list(struct cli *cli)
{
    OWN(buf_done) struct buf path = BUF_INIT(PATH_SIZE_MAX);
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    const char *application = line_value(cli->line, OPTION_APPLICATION);
    struct problem problem;
    int64_t minutes = LAST_MIN_DEFAULT;
    int rc = read_last(cli, &minutes);

    if (rc != CLI_DONE) return rc;
    if (application_check(text_of(application), &problem) < 0) {
        return cli_misused(OPTION_APPLICATION, &problem);
    }
    (void)buf_text(&path, TEXT("/api/v1/interfaces"));
    query_add(&path, "application", application);
    rc = cli_get(cli, path.data, &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    put_list(cli, &answer, minutes);
    return CLI_DONE;
}
