/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.h: a task's ledger for people: the funnel, the table of instances, the drops. */
#ifndef STAKEOUT_TOOLS_CLI_VIEW_LEDGER_H
#define STAKEOUT_TOOLS_CLI_VIEW_LEDGER_H

#include "tools/cli/cli.h"

/* Two lines: "seen 672 = 664 below + 8 triggered" and "triggered 8 = 6 sampled + ...". */
void ledger_put_funnel(struct cli *cli, const json_t *ledger);

/* How far apart the budget put snapshots, of any instance at the most; 0: as they were ordered. */
double ledger_stretched_ms(const json_t *ledger);

/* Says so, if it did. */
void ledger_put_stretched(struct cli *cli, const json_t *ledger);

/* Funnel, a row per instance, drops by reason, refusals. */
void ledger_put(struct cli *cli, const json_t *ledger);

/* Did an instance take the task? */
bool ledger_has_taker(const json_t *ledger);

#endif
