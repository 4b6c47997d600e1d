/* SPDX-License-Identifier: Apache-2.0 */
/* subject.h: what is analysed, exported and compared: a task with all its samples, or one sample.
 *
 *     struct subject subject;
 *     int rc = subject_of_sample(cli, 0, &subject);      the first argument of the command
 *
 *     snprintf(path, ..., "%s/analysis", subject.path); */
#ifndef STAKEOUT_TOOLS_CLI_VIEW_SUBJECT_H
#define STAKEOUT_TOOLS_CLI_VIEW_SUBJECT_H

#include "tools/cli/cli.h"

struct subject {
    char path[64]; /* "/api/v1/samples/ID" */
    char name[64]; /* "sample:ID", as comparisons name it */
};

/* The n-th argument, which must be an id: CLI_DONE or CLI_MISUSED. */
typedef int (*subject_fn)(struct cli *cli, unsigned n, struct subject *ret);

int subject_of_task(struct cli *cli, unsigned n, struct subject *ret);
int subject_of_sample(struct cli *cli, unsigned n, struct subject *ret);

#endif
