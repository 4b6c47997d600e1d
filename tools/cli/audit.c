/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c: audit: who did what, newest first. */
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/view.h"

enum { PATH_SIZE_MAX = 4096 };

static void put_row(struct cli *cli, const json_t *entry, struct table *table)
{
    static const char *const fields[] = {
        "what", "who", "from", "application", "subject", "detail"
    };

    format_clock(field_time_ms(entry, "at"), false, table_cell(table));
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        screen_put(&cli->screen, field_text(entry, fields[i]), table_cell(table));
    }
}

static int make_path(struct cli *cli, struct buf *to)
{
    int rc;

    (void)buf_text(to, TEXT("/api/v1/audit"));
    rc = cli_query_time(cli, to, "from", OPTION_SINCE);
    if (rc == CLI_DONE) rc = cli_query_time(cli, to, "to", OPTION_UNTIL);
    if (rc == CLI_DONE) rc = cli_query_limit(cli, to);
    if (rc == CLI_DONE) cli_query_option(cli, to, "cursor", OPTION_CURSOR);
    return rc;
}

int command_audit(struct cli *cli)
{
    static const struct table_column columns[] = {
        { .title = "TIME" },
        { .title = "WHAT" },
        { .title = "WHO", .columns_min = 6 },
        { .title = "FROM", .rank = 2 },
        { .title = "APPLICATION", .columns_min = 8 },
        { .title = "SUBJECT", .columns_min = 20 },
        { .title = "DETAIL", .rank = 1, .columns_min = 8 },
    };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));
    OWN(buf_done) struct buf path = BUF_INIT(PATH_SIZE_MAX);
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    const json_t *entry;
    size_t i;
    int rc = make_path(cli, &path);

    if (rc == CLI_DONE) rc = cli_get(cli, path.data, &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    json_array_foreach(field_array(answer.document, "entries"), i, entry)
    {
        put_row(cli, entry, table);
    }
    if (table_row_count(table) == 0)
        cli_say("nobody did anything then");
    else
        view_table(cli, table);
    view_next_page(cli, &answer);
    return CLI_DONE;
}
