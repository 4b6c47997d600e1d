/* SPDX-License-Identifier: Apache-2.0 */
/* hot_list.c: see hot_list.h. A table whose last column is a frame, shortened to what the figures
 * leave of the screen. */
#include "tools/cli/screen/hot_list.h"

#include "common/base/check.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/screen/frame.h"
#include "tools/cli/screen/table.h"

static void put_row(const struct screen *screen, const json_t *frames, const json_t *spot,
                    double whole_ms, struct table *table)
{
    enum { FIGURES_COLUMNS = 34 };
    size_t room = screen->width > FIGURES_COLUMNS + FRAME_COLUMNS_MIN
                      ? screen->width - FIGURES_COLUMNS
                      : FRAME_COLUMNS_MIN;
    double self_ms = field_amount(spot, "self_ms");
    double total_ms = field_amount(spot, "total_ms");
    struct screen plain = *screen;

    plain.has_colour = false; /* a cell is measured by its characters */
    format_column_ms(screen, self_ms, table_cell(table));
    format_share(self_ms, whole_ms, table_cell(table));
    format_column_ms(screen, total_ms, table_cell(table));
    format_share(total_ms, whole_ms, table_cell(table));
    (void)frame_put(&plain, frame_at(frames, json_object_get(spot, "frame")), room, PAINT_NONE,
                    table_cell(table));
}

size_t hot_list_print(const struct screen *screen, const json_t *analysis, size_t max,
                      struct buf *to)
{
    static const struct table_column columns[] = {
        { .title = "self", .is_right = true },
        { .title = "%", .is_right = true },
        { .title = "total", .is_right = true },
        { .title = "%", .is_right = true },
        { .title = "function", .columns_min = FRAME_COLUMNS_MIN },
    };
    OWN(table_freep) struct table *table = table_new(screen, columns, ARRAY_COUNT(columns));
    const json_t *hot = field_array(analysis, "hot"), *spot;
    double whole_ms = field_amount(json_object_get(analysis, "tree"), "total_ms");
    size_t i;

    json_array_foreach(hot, i, spot)
    {
        if (max > 0 && table_row_count(table) == max) break;
        if (max > 0 && field_amount(spot, "self_ms") < 0.5) break;
        put_row(screen, field_array(analysis, "frames"), spot, whole_ms, table);
    }
    table_print(table, to, NULL);
    return json_array_size(hot) - table_row_count(table);
}
