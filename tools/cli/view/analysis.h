/* SPDX-License-Identifier: Apache-2.0 */
/* analysis.h: thread analyses and their exports; shared by the commands of tasks and samples. */
#ifndef STAKEOUT_TOOLS_CLI_VIEW_ANALYSIS_H
#define STAKEOUT_TOOLS_CLI_VIEW_ANALYSIS_H

#include "tools/cli/view/subject.h"

struct analysis_options {
    double percent_min; /* 0: fold nothing */
    bool has_all;
};

/* Reads --all and --min-percent: CLI_DONE or CLI_MISUSED. */
int analysis_read_options(struct cli *cli, struct analysis_options *ret);

/* Times, findings, call tree, hot list. */
void analysis_put(struct cli *cli, const json_t *analysis, const struct analysis_options *options);

/* Asks for the analysis of a subject. */
int analysis_get(struct cli *cli, const struct subject *subject, struct answer *ret);

/* Writes the analysis of the first argument, in the format of --format, to the file of --output. */
int analysis_export(struct cli *cli, subject_fn subject_of);

/* Asks for the comparison of the first argument with the second and prints it. */
int analysis_diff(struct cli *cli, subject_fn subject_of);

#endif
