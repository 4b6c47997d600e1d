/* SPDX-License-Identifier: Apache-2.0 */
/* table.h: rows and columns for people, fitted to the screen.
 *
 *     static const struct table_column columns[] = {
 *         { .title = "TASK" }, { .title = "INTERFACE", .columns_min = 12 }, ...
 *     };
 *     OWN(table_freep) struct table *table = table_new(&screen, columns, ARRAY_COUNT(columns));
 *     screen_put(&screen, id, table_cell(table));       one cell after the other, row by row
 *     format_count(samples, table_cell(table));
 *     table_print(table, &out, &note);
 *
 * The order of columns never changes. Where the screen is too narrow, columns that may be cut
 * are cut, the widest first; then columns that have a rank are left out, the highest first, and
 * `note` gets a sentence that names them. On an endless screen (a pipe) nothing is cut or left
 * out. */
#ifndef STAKEOUT_TOOLS_CLI_SCREEN_TABLE_H
#define STAKEOUT_TOOLS_CLI_SCREEN_TABLE_H

#include "common/base/own.h"
#include "tools/cli/screen/screen.h"

enum { TABLE_COLUMNS_MAX = 24, TABLE_SIZE_MAX = 64 * 1024 * 1024 };

struct table_column {
    const char *title;
    bool is_right;       /* aligned to the right: figures */
    uint8_t rank;        /* 0: always there */
    uint8_t columns_min; /* may be cut to this; 0: is never cut */
    bool goes_below;     /* the last one: not cut, but what does not fit stands below its row */
    enum fit fit;
};

struct table;

struct table *table_new(const struct screen *screen, const struct table_column *columns,
                        size_t count);
struct table *table_free(struct table *table);
OWN_TYPE(table)

/* Begins the next cell and returns where its (escaped) text goes, until the next table_ call. */
struct buf *table_cell(struct table *table);
void table_paint(struct table *table, enum paint paint); /* the cell begun last */

size_t table_row_count(const struct table *table);

/* Titles and rows, each ended by a line feed. `note` may be NULL. */
void table_print(const struct table *table, struct buf *to, struct buf *note);

#endif
