/* SPDX-License-Identifier: Apache-2.0 */
/* reports.c: sales as CSV, compressed. A day is small; a year is megabytes, at the best level. */
#include "tools/shop/shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { LINE_SIZE_MAX = 96, LINES_PER_DAY = 600, GZIP = 15 + 16 };

static char *write_lines(long days, size_t *ret_size)
{
    size_t room = (size_t)days * LINES_PER_DAY * LINE_SIZE_MAX, size = 0;
    unsigned seed = 12345;
    char *lines = malloc(room);

    if (!lines) return NULL;
    for (long i = 0; i < days * LINES_PER_DAY; i++) {
        seed = seed * 1103515245u + 12345u;
        size += (size_t)snprintf(lines + size, LINE_SIZE_MAX, "%ld,%ld,item-%u,%u.%02u,EUR\n",
                                 i / LINES_PER_DAY, i, seed >> 16, seed >> 24, seed % 100);
    }
    *ret_size = size;
    return lines;
}

static char *compress_report(const char *lines, size_t size, size_t *ret_size)
{
    z_stream stream = { .next_in = (Bytef *)lines, .avail_in = (uInt)size };
    char *packed;
    uLong room;

    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    room = deflateBound(&stream, (uLong)size);
    packed = malloc(room);
    stream.next_out = (Bytef *)packed;
    stream.avail_out = (uInt)room;
    if (packed && deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        free(packed);
        packed = NULL;
    }
    *ret_size = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

char *reports_sales(long days, size_t *ret_size)
{
    size_t size = 0;
    char *lines = write_lines(days, &size);
    char *packed = lines ? compress_report(lines, size, ret_size) : NULL;

    free(lines);
    return packed;
}
