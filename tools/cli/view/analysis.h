/* SPDX-License-Identifier: Apache-2.0 */
/* analysis.h: thread analyses and their exports; shared by the commands of tasks and samples. */
#ifndef STAKEOUT_TOOLS_CLI_VIEW_ANALYSIS_H
#define STAKEOUT_TOOLS_CLI_VIEW_ANALYSIS_H

#include "tools/cli/cli.h"

struct analysis_options {
    double percent_min; /* 0: fold nothing */
    bool has_all;
};

/* Reads --all and --min-percent: CLI_DONE or CLI_MISUSED. */
int analysis_read_options(struct cli *cli, struct analysis_options *ret);

/* Times, findings, call tree, hot list. */
void analysis_put(struct cli *cli, const json_t *analysis, const struct analysis_options *options);

/* Writes the answer of `path`, an analysis in the format of --format, to the file of --output. */
int analysis_export_to(struct cli *cli, const char *path);

/* Asks for the comparison of two subjects ("task:ID") and prints it. */
int analysis_diff_of(struct cli *cli, const char *base, const char *other);

#endif
