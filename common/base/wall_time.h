/* SPDX-License-Identifier: Apache-2.0 */
/* wall_time.h: dates as people and programs write them.
 *
 *     wall_time_format(at_ms, text)                        2026-11-21T03:12:07.482Z
 *     wall_time_parse(TEXT("2026-11-21T03:12:07Z"), &ms)   RFC 3339, or digits: ms since 1970 */
#ifndef STAKEOUT_COMMON_BASE_WALL_TIME_H
#define STAKEOUT_COMMON_BASE_WALL_TIME_H

#include "common/base/text.h"

enum { WALL_TIME_SIZE = 25 }; /* with the terminating zero */

/* RFC 3339 in UTC with milliseconds. Years after 9999 are shown as 9999-12-31T23:59:59.999Z. */
void wall_time_format(uint64_t wall_ms, char ret[WALL_TIME_SIZE]);

/* RFC 3339 with "Z" or an offset, seconds needed, up to nine fractional digits (cut to ms); or
 * 1 to 15 decimal digits, as ms since 1970. Returns 0, or -EINVAL: malformed, no such day, or
 * before 1970. A leap second (":60") is read as the second after. */
int wall_time_parse(struct text text, uint64_t *ret_ms);

#endif
