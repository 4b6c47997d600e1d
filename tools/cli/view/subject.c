/* SPDX-License-Identifier: Apache-2.0 */
/* subject.c: the two kinds of subject differ in their words alone. */
#include "tools/cli/view/subject.h"

#include <stdio.h>

static void name_it(const char *collection, const char *noun, const char *id, struct subject *ret)
{
    snprintf(ret->path, sizeof ret->path, "/api/v1/%s/%s", collection, id);
    snprintf(ret->name, sizeof ret->name, "%s:%s", noun, id);
}

int subject_of_task(struct cli *cli, unsigned n, struct subject *ret)
{
    struct task_id id;
    int rc = cli_task_arg(cli, n, &id);

    if (rc == CLI_DONE) name_it("tasks", "task", id.text, ret);
    return rc;
}

int subject_of_sample(struct cli *cli, unsigned n, struct subject *ret)
{
    struct sample_id id;
    int rc = cli_sample_arg(cli, n, &id);

    if (rc == CLI_DONE) name_it("samples", "sample", id.text, ret);
    return rc;
}
