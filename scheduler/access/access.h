/* SPDX-License-Identifier: Apache-2.0 */
/* access.h: the doorman: who may come in, and as what.
 *
 *     struct access *access = access_new(store);
 *     http_start(base, &(struct http_options){ .identify = access_identify, ... });
 *
 * Tokens are store's; here is what a role's name means, and what http is told of who comes. Once
 * there was a token, a good one is needed, also after the last was revoked: a lock does not open
 * because a key was taken away. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_ACCESS_ACCESS_H
#define STAKEOUT_SCHEDULER_ACCESS_ACCESS_H

#include "scheduler/http/http.h"

struct access;
struct store;

struct access *access_new(struct store *store);
struct access *access_free(struct access *access);

/* For http_options; context is the struct access. */
int access_identify(void *context, const unsigned char sha256[32], struct http_identity *ret);
bool access_has_tokens(void *context);
bool access_knows_tokens(void *context);

/* A role by its name, as tokens have it. Returns 0 or -EINVAL. */
int role_parse(struct text name, enum http_role *ret);
const char *role_name(enum http_role role); /* of viewer, operator, probe */

#endif
