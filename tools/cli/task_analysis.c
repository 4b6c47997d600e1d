/* SPDX-License-Identifier: Apache-2.0 */
/* task_analysis.c: task analysis, export, diff. */
#include "tools/cli/link/field.h"
#include "tools/cli/task.h"
#include "tools/cli/view/analysis.h"
#include "tools/cli/view/view.h"

int command_task_analysis(struct cli *cli)
{
    OWN(answer_done) struct answer task = ANSWER_INIT, analysis = ANSWER_INIT;
    struct analysis_options options;
    struct subject subject;
    int rc = subject_of_task(cli, 0, &subject);

    if (rc == CLI_DONE) rc = analysis_read_options(cli, &options);
    if (rc == CLI_DONE) rc = analysis_get(cli, &subject, &analysis);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &analysis);
    rc = cli_get(cli, subject.path, &task);
    if (rc != CLI_DONE) return rc;

    task_put_title(cli, task.document);
    task_put_status(cli, task.document, view_server_now_ms(&task));
    analysis_put(cli, analysis.document, &options);
    return CLI_DONE;
}

int command_task_export(struct cli *cli)
{
    return analysis_export(cli, subject_of_task);
}

int command_task_diff(struct cli *cli)
{
    return analysis_diff(cli, subject_of_task);
}
