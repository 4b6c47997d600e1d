/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.h: who may come in: `stakeoutd token create|list|revoke`, and the look-up at the door.
 *
 * A token is 256 random bits, printed once. What is kept, in Redis, is its SHA-256, its name and
 * its role. The commands work beside a running stakeoutd, whose Redis they use, and without one;
 * a running one notices within seconds. */
#ifndef STAKEOUT_SCHEDULER_TOKENS_H
#define STAKEOUT_SCHEDULER_TOKENS_H

#include "scheduler/config.h"
#include "scheduler/http/http.h"

struct store;

/* `token ...` of the command line; says what it did. Returns the program's exit code. */
int tokens_command(const struct config *config);

/* For http_options; context is the struct store. Once there was a token, a valid one is needed,
 * also after the last was revoked: a lock does not open because a key was taken away. */
int tokens_identify(void *context, const unsigned char sha256[32], struct http_identity *ret);
bool tokens_are_there(void *context);

#endif
