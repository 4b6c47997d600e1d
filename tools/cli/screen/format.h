/* SPDX-License-Identifier: Apache-2.0 */
/* format.h: figures as people read them.
 *
 *     184 us, 1.84 ms, 18.4 s, 1 min 12 s     a time in a sentence: three digits
 *     1,680                                   a time in a column: whole ms, grouped
 *     78.7 %, <0.1 %, 100 %                   a share: 0 % and 100 % only when exact
 *     99,999, 124 k, 1.24 M                   a count
 *     4:12                                    time left
 *
 * Each appends to a buffer. A time that is unknown (NAN) is a dash. */
#ifndef STAKEOUT_TOOLS_CLI_SCREEN_FORMAT_H
#define STAKEOUT_TOOLS_CLI_SCREEN_FORMAT_H

#include "tools/cli/screen/screen.h"

void format_time(const struct screen *screen, double ms, struct buf *to);

/* A setting, as it was ordered: "20 ms", "1,500 ms". */
void format_setting(const struct screen *screen, double ms, struct buf *to);

/* Whole milliseconds; what is less than half of one and not nothing is "<1". */
void format_column_ms(const struct screen *screen, double ms, struct buf *to);

/* Three digits, with the decimal points of a column under each other: "  31.2 ", "2,310   ". */
void format_column_fine_ms(const struct screen *screen, double ms, struct buf *to);

/* With a sign: "+12", "-1,740" (a true minus on a UTF-8 screen), "0". */
void format_column_difference_ms(const struct screen *screen, double ms, struct buf *to);

void format_share(double part, double whole, struct buf *to);
void format_count(uint64_t count, struct buf *to);
void format_nouns(uint64_t count, const char *noun, struct buf *to); /* "1 sample", "2 samples" */
void format_left(uint64_t left_ms, struct buf *to);

/* "2026-11-21 03:12:07", with `has_ms` "...07.482", in the zone of TZ; format_zone() names it. */
void format_clock(uint64_t wall_ms, bool has_ms, struct buf *to);
void format_zone(uint64_t wall_ms, struct buf *to);

/* How long ago, roughly: "now", "12 s", "3 min", "2 h", "5 days". */
void format_ago(uint64_t ago_ms, struct buf *to);

#endif
