/* SPDX-License-Identifier: Apache-2.0 */
/* scope.h: which applications a token is good for.
 *
 *     struct scope *scope = scope_new(names, count);      NULL: all applications, also later ones
 *     if (!scope_has(scope, application)) ... it is not there, for this one
 *     scope_unref(scope);
 *
 * A scope never changes; tokens, and the requests that came with them, share it. One event-loop
 * thread. */
#ifndef STAKEOUT_SCHEDULER_ACCESS_SCOPE_H
#define STAKEOUT_SCHEDULER_ACCESS_SCOPE_H

#include "common/base/text.h"

enum { SCOPE_COUNT_MAX = 32 }; /* applications of one token; who needs more needs all */

struct scope;

/* Of 1 to SCOPE_COUNT_MAX names of 1 to APPLICATION_SIZE_MAX bytes; copies them. */
struct scope *scope_new(const struct text *names, size_t count);
struct scope *scope_ref(struct scope *scope);   /* NULL is fine, here and below */
struct scope *scope_unref(struct scope *scope); /* returns NULL */

bool scope_is_all(const struct scope *scope);
bool scope_has(const struct scope *scope, struct text application);

/* Its names, in the order in which they were given; size 0 past the end, and of all. */
struct text scope_at(const struct scope *scope, size_t index);

#endif
