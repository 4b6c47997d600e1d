/* SPDX-License-Identifier: Apache-2.0 */
/* token_order.h: what stands behind `stakeoutd token`, read and checked.
 *
 *     create NAME --role ROLE [--application A]... [--expires TIME]
 *     create ROLE NAME                       the same, of all applications, for ever
 *     rotate NAME [--grace TIME]
 *     revoke NAME
 *     list */
#ifndef STAKEOUT_SCHEDULER_TOKEN_ORDER_H
#define STAKEOUT_SCHEDULER_TOKEN_ORDER_H

#include "common/base/text.h"
#include "common/model/problem.h"
#include "scheduler/access/scope.h"

enum token_verb { TOKEN_CREATE, TOKEN_ROTATE, TOKEN_REVOKE, TOKEN_LIST };

struct token_order {
    enum token_verb verb;
    const char *name, *role;
    struct text applications[SCOPE_COUNT_MAX];
    size_t application_count; /* 0: all */
    uint64_t expires_ms;      /* from now; 0: never */
    uint64_t grace_ms;
};

/* `words` begin behind "token". What *ret points to is theirs. Returns 0, or -1 with *problem. */
int token_order_read(const char *const *words, int count, struct token_order *ret,
                     struct problem *problem);

#endif
