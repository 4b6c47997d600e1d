/* SPDX-License-Identifier: Apache-2.0 */
/* application.c: application list. */
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/view.h"

static void put_row(struct cli *cli, const json_t *application, uint64_t now_wall_ms,
                    struct table *table)
{
    uint64_t seen_ms = field_time_ms(application, "last_seen");

    screen_put(&cli->screen, field_text(application, "application"), table_cell(table));
    format_count(field_count(application, "instances"), table_cell(table));
    format_count(field_count(application, "interfaces"), table_cell(table));
    format_ago(now_wall_ms > seen_ms ? now_wall_ms - seen_ms : 0, table_cell(table));
}

int command_application_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        { .title = "APPLICATION", .columns_min = 12 },
        { .title = "INSTANCES", .is_right = true },
        { .title = "INTERFACES", .is_right = true },
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
