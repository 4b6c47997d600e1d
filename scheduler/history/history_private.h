/* SPDX-License-Identifier: Apache-2.0 */
/* history_private.h: what the look-ups share. */
#ifndef STAKEOUT_SCHEDULER_HISTORY_HISTORY_PRIVATE_H
#define STAKEOUT_SCHEDULER_HISTORY_HISTORY_PRIVATE_H

#include "common/base/buf.h"
#include "scheduler/history/history.h"
#include "scheduler/store/store.h"

struct history {
    struct store *store;
};

/* The number in a cursor; an empty one is 0. -1 with *problem (PROBLEM_BAD_FIELD). */
int cursor_read_number(struct text cursor, uint64_t *ret, struct problem *problem);
int cursor_refuse(struct text cursor, struct problem *problem); /* returns -1 */
int limit_check(uint32_t limit, struct problem *problem);

#endif
