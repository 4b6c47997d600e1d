/* SPDX-License-Identifier: Apache-2.0 */
/* sample.h: lists of samples; shared by the commands of samples and traces. */
#ifndef STAKEOUT_TOOLS_CLI_SAMPLE_H
#define STAKEOUT_TOOLS_CLI_SAMPLE_H

#include "tools/cli/cli.h"

/* Samples of any task: each with its application and interface. */
void sample_put_trace_list(struct cli *cli, const json_t *samples);

#endif
