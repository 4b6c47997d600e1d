/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h: a frame of an analysis in so many columns: its function and where it stands. */
#ifndef STAKEOUT_TOOLS_CLI_SCREEN_FRAME_H
#define STAKEOUT_TOOLS_CLI_SCREEN_FRAME_H

#include "tools/cli/screen/screen.h"

#include <jansson.h>

/* "Inventory::reserve  inventory.cc:214" in at most `columns`: the place is dropped first, or
 * where the name would keep less than its last part. `paint` colours the name, the place is dim.
 * `frame` may be NULL: unknown. Returns the columns used. */
size_t frame_put(const struct screen *screen, const json_t *frame, size_t columns, enum paint paint,
                 struct buf *to);

/* Columns that a name should have, even where figures then pass the screen's edge. */
enum { FRAME_COLUMNS_MIN = 20 };

/* A frame by its index, as nodes and hot lists name it; NULL: unknown. */
const json_t *frame_at(const json_t *frames, const json_t *index);

/* The function's name alone, unescaped: "module+0x1a40" where it has none, "Class.method" for
 * Python. */
void frame_name(const json_t *frame, struct buf *to);

#endif
