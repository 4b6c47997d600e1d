/* SPDX-License-Identifier: Apache-2.0 */
/* instance.c: instance list. */
#include "common/model/task_spec.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/view/view.h"

#include <math.h>

enum { PATH_SIZE_MAX = 32 * 1024 };

static enum paint state_paint(struct text state)
{
    if (text_is_equal(state, TEXT("polling"))) return PAINT_OK;
    return text_is_equal(state, TEXT("refused")) ? PAINT_ERR : PAINT_WARN;
}

static void put_row(struct cli *cli, const json_t *instance, uint64_t now_wall_ms,
                    struct table *table)
{
    const struct screen *screen = &cli->screen;
    uint64_t seen_ms = field_time_ms(instance, "last_seen");
    double cpu_share = field_number(instance, "cpu_share");

    screen_put(screen, field_text(instance, "instance"), table_cell(table));
    screen_put(screen, field_text(instance, "application"), table_cell(table));
    screen_put(screen, field_text(instance, "state"), table_cell(table));
    table_paint(table, state_paint(field_text(instance, "state")));
    format_ago(now_wall_ms > seen_ms ? now_wall_ms - seen_ms : 0, table_cell(table));
    format_column_difference_ms(screen, field_number(instance, "clock_offset_ms"),
                                table_cell(table));
    screen_put(screen, field_text(instance, "version"), table_cell(table));
    screen_put(screen, field_text(instance, "host_ip"), table_cell(table));
    screen_put(screen, field_text(instance, "probe"), table_cell(table));
    if (text_is_equal(field_text(instance, "probe"), TEXT("off"))) table_paint(table, PAINT_WARN);
    format_share(isnan(cpu_share) ? 0 : cpu_share, 1, table_cell(table));
    (void)buf_printf(table_cell(table), "%.1f",
                     (double)field_count(instance, "memory_bytes") / (1024 * 1024));
}

int command_instance_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        { .title = "INSTANCE", .columns_min = 12, .fit = FIT_MIDDLE },
        { .title = "APPLICATION", .columns_min = 8 },
        { .title = "STATE" },
        { .title = "SEEN", .is_right = true },
        { .title = "OFFSET ms", .is_right = true },
        { .title = "VERSION", .rank = 2 },
        { .title = "HOST IP", .rank = 1 },
        { .title = "PROBE", .rank = 5 },
        { .title = "CPU", .is_right = true, .rank = 3 },
        { .title = "MEMORY MB", .is_right = true, .rank = 4 },
    };
    OWN(table_freep) struct table *table = table_new(&cli->screen, columns, ARRAY_COUNT(columns));
    OWN(buf_done) struct buf path = BUF_INIT(PATH_SIZE_MAX);
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    const json_t *instance;
    size_t i;
    int rc;

    (void)buf_text(&path, TEXT("/api/v1/instances"));
    rc = cli_query_text(cli, &path, "application", OPTION_APPLICATION, application_check);
    if (rc == CLI_DONE) rc = cli_get(cli, path.data, &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    json_array_foreach(field_array(answer.document, "instances"), i, instance)
    {
        put_row(cli, instance, view_server_now_ms(&answer), table);
    }
    if (table_row_count(table) == 0) {
        cli_say("%s; 'stakeout doctor' says what to do",
                line_has(cli->line, OPTION_APPLICATION) ? "no instance of this application reports"
                                                        : "no instance reports");
    } else {
        view_table(cli, table);
    }
    return CLI_DONE;
}
