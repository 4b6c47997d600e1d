/* SPDX-License-Identifier: Apache-2.0 */
/* config_check.h: what `stakeoutd --check-config` says: every setting, its value, where that comes
 * from; then what of it will not work here. It opens no door, starts nothing and makes nothing. */
#ifndef STAKEOUT_SCHEDULER_CONFIG_CHECK_H
#define STAKEOUT_SCHEDULER_CONFIG_CHECK_H

#include <stdio.h>

struct config;
struct config_origins;

/* The list goes to `to`, what is wrong to `complaints`, a line each. Returns how much is wrong. */
unsigned config_check(const struct config *config, const struct config_origins *origins, FILE *to,
                      FILE *complaints);

#endif
