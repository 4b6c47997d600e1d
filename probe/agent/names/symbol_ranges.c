/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/names/symbol_ranges.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum { CAPACITY_FIRST = 256 };

void symbol_ranges_done(struct symbol_ranges *ranges)
{
    free(ranges->items);
    *ranges = (struct symbol_ranges){ 0 };
}

int symbol_ranges_add(struct symbol_ranges *ranges, const struct symbol_range *range,
                      size_t count_max)
{
    if (ranges->count == count_max) return -ENOBUFS;
    if (ranges->count == ranges->capacity) {
        size_t larger = ranges->capacity ? ranges->capacity * 2 : CAPACITY_FIRST;
        struct symbol_range *items = realloc(ranges->items, larger * sizeof *items);

        if (!items) return -ENOMEM;
        ranges->items = items;
        ranges->capacity = larger;
    }
    ranges->items[ranges->count++] = *range;
    return 0;
}

static int range_compare(const void *left, const void *right)
{
    const struct symbol_range *a = left, *b = right;

    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

void symbol_ranges_sort(struct symbol_ranges *ranges)
{
    struct symbol_range *fitted;

    if (ranges->count == 0) return;
    qsort(ranges->items, ranges->count, sizeof *ranges->items, range_compare);
    fitted = realloc(ranges->items, ranges->count * sizeof *fitted);
    if (!fitted) return;
    ranges->items = fitted;
    ranges->capacity = ranges->count;
}

/* How many ranges begin at or before the offset. */
static size_t ranges_until(const struct symbol_ranges *ranges, uint64_t offset)
{
    size_t low = 0, high = ranges->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ranges->items[middle].begin <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool covers(const struct symbol_ranges *ranges, size_t at, size_t until, uint64_t offset)
{
    const struct symbol_range *range = &ranges->items[at];

    if (range->size > 0) return offset - range->begin < range->size;
    return at + 1 == until || ranges->items[at + 1].begin == range->begin;
}

const struct symbol_range *symbol_ranges_find(const struct symbol_ranges *ranges, uint64_t offset)
{
    size_t until = ranges_until(ranges, offset);

    for (size_t back = 1; back <= SYMBOL_ALIASES_MAX && back <= until; back++) {
        if (covers(ranges, until - back, until, offset)) return &ranges->items[until - back];
    }
    return NULL;
}

const struct symbol_range *symbol_ranges_first_alias(const struct symbol_ranges *ranges,
                                                     const struct symbol_range *range)
{
    while (range > ranges->items && range[-1].begin == range->begin) {
        range--;
    }
    return range;
}
