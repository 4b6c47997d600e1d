/* SPDX-License-Identifier: Apache-2.0 */
/* hot_list.h: the functions in which an analysis' time went, by self time. */
#ifndef STAKEOUT_TOOLS_CLI_SCREEN_HOT_LIST_H
#define STAKEOUT_TOOLS_CLI_SCREEN_HOT_LIST_H

#include "tools/cli/screen/screen.h"

#include <jansson.h>

/* At most `max` of them (0: all). Returns how many were left out. */
size_t hot_list_print(const struct screen *screen, const json_t *analysis, size_t max,
                      struct buf *to);

#endif
