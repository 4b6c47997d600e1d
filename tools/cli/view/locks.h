/* SPDX-License-Identifier: Apache-2.0 */
/* locks.h: the locks that calls waited for, who held them, and the short of what those did. */
#ifndef STAKEOUT_TOOLS_CLI_VIEW_LOCKS_H
#define STAKEOUT_TOOLS_CLI_VIEW_LOCKS_H

#include "tools/cli/cli.h"

/* Of an analysis; nothing if it waited for no lock. `has_all`: every lock, and whole stacks. */
void locks_put(struct cli *cli, const json_t *analysis, bool has_all);

#endif
