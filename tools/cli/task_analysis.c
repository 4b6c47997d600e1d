/* SPDX-License-Identifier: Apache-2.0 */
/* task_analysis.c: task analysis, export, diff. */
#include "tools/cli/link/field.h"
#include "tools/cli/task.h"
#include "tools/cli/view/analysis.h"
#include "tools/cli/view/view.h"

#include <inttypes.h>
#include <stdio.h>

int command_task_analysis(struct cli *cli)
{
    OWN(answer_done) struct answer task = ANSWER_INIT, analysis = ANSWER_INIT;
    struct analysis_options options;
    struct task_id id;
    char path[80];
    int rc = cli_task_arg(cli, 0, &id);

    if (rc == CLI_DONE) rc = analysis_read_options(cli, &options);
    if (rc != CLI_DONE) return rc;
    snprintf(path, sizeof path, "/api/v1/tasks/%s/analysis", id.text);
    rc = cli_get(cli, path, &analysis);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &analysis);
    snprintf(path, sizeof path, "/api/v1/tasks/%s", id.text);
    rc = cli_get(cli, path, &task);
    if (rc != CLI_DONE) return rc;

    task_put_title(cli, task.document);
    task_put_status(cli, task.document, view_server_now_ms(&task));
    analysis_put(cli, analysis.document, &options);
    return CLI_DONE;
}

int command_task_export(struct cli *cli)
{
    struct task_id id;
    char path[80];
    int rc = cli_task_arg(cli, 0, &id);

    if (rc != CLI_DONE) return rc;
    snprintf(path, sizeof path, "/api/v1/tasks/%s/analysis", id.text);
    return analysis_export_to(cli, path);
}

int command_task_diff(struct cli *cli)
{
    struct task_id base, other;
    char base_text[40], other_text[40];
    int rc = cli_task_arg(cli, 0, &base);

    if (rc == CLI_DONE) rc = cli_task_arg(cli, 1, &other);
    if (rc != CLI_DONE) return rc;
    snprintf(base_text, sizeof base_text, "task:%s", base.text);
    snprintf(other_text, sizeof other_text, "task:%s", other.text);
    return analysis_diff_of(cli, base_text, other_text);
}
