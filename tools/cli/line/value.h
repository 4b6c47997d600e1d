/* SPDX-License-Identifier: Apache-2.0 */
/* value.h: what stands behind an option, read into numbers.
 *
 *     TIME    100ms, 1.5s, 5m, 2h, 7d: a number and its unit
 *     WHEN    2026-11-21T03:00:00Z (RFC 3339), now, +10m (from now), -2h or 2h ago (before now);
 *             for --since and --until also 7d, which means 7d ago
 *     COUNT   digits, perhaps with a sign
 *
 * Each returns 0, or -1 with a sentence; whether the number is acceptable is another question
 * (common/model/task_spec.h). */
#ifndef STAKEOUT_TOOLS_CLI_LINE_VALUE_H
#define STAKEOUT_TOOLS_CLI_LINE_VALUE_H

#include "common/base/text.h"
#include "common/model/problem.h"

/* A whole number of `unit_ns`; `unit` names them in the sentence ("milliseconds"). */
int value_time(const char *text, uint64_t unit_ns, const char *unit, int64_t *ret,
               struct problem *problem);

enum value_when {
    WHEN_PAST,   /* a bare time is so long ago */
    WHEN_FUTURE, /* a bare time is refused: is it +10m or -10m? */
};
int value_when(const char *text, enum value_when side, uint64_t now_wall_ms, uint64_t *ret_wall_ms,
               struct problem *problem);

int value_count(const char *text, int64_t *ret, struct problem *problem);

/* 0 to 100, with decimals. */
int value_percent(const char *text, double *ret, struct problem *problem);

#endif
