/* SPDX-License-Identifier: Apache-2.0 */
/* trace.c: trace show. */
#include "tools/cli/link/field.h"
#include "tools/cli/sample.h"

#include <stdio.h>

int command_trace_show(struct cli *cli)
{
    OWN(answer_done) struct answer answer = ANSWER_INIT;
    struct trace_id id;
    char path[80];
    int rc = cli_trace_arg(cli, 0, &id);

    if (rc != CLI_DONE) return rc;
    snprintf(path, sizeof path, "/api/v1/traces/%s", id.text);
    rc = cli_get(cli, path, &answer);
    if (rc != CLI_DONE) return rc;
    if (line_has(cli->line, OPTION_JSON)) return cli_print_answer(cli, &answer);
    sample_put_trace_list(cli, field_array(answer.document, "samples"));
    return CLI_DONE;
}
