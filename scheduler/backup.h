/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h: `stakeoutd backup DIR` and `stakeoutd restore DIR`.
 *
 * A backup is what the private Redis held at one moment, and the debug files that operators
 * uploaded:
 *
 *     DIR/manifest                           what it is: of which release, when, what belongs to it
 *     DIR/redis.rdb                          a snapshot of Redis
 *     DIR/symbols/uploaded/.build-id/ab/...  the files
 *
 * It is made while stakeoutd runs, or when none does, and DIR is there when it is whole and on
 * disk. It is restored into a state directory that holds nothing yet. */
#ifndef STAKEOUT_SCHEDULER_BACKUP_H
#define STAKEOUT_SCHEDULER_BACKUP_H

#include "scheduler/config.h"

/* Both say what they did, and return the program's exit code. */
int backup_command(const struct config *config);
int restore_command(const struct config *config);

#endif
