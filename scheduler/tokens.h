/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.h: `stakeoutd token create|list|rotate|revoke`.
 *
 * A token is 256 random bits, printed once. What is kept, in Redis, is its SHA-256, its name, its
 * role, its applications and its end. The commands work beside a running stakeoutd, whose Redis
 * they use, and without one; a running one notices within seconds. */
#ifndef STAKEOUT_SCHEDULER_TOKENS_H
#define STAKEOUT_SCHEDULER_TOKENS_H

#include "scheduler/config.h"

/* `token ...` of the command line; says what it did. Returns the program's exit code. */
int tokens_command(const struct config *config);

#endif
