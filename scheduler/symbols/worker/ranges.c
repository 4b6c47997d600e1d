/* SPDX-License-Identifier: Apache-2.0 */
/* ranges.c: a sorted array. Ranges that overlap are rare, and come from compilers that share code:
 * so a few that begin before are looked at, not all. */
#include "scheduler/symbols/worker/ranges.h"

#include "common/base/check.h"

#include <stdbool.h>
#include <stdlib.h>

enum { RANGES_BACK_MAX = 8 /* ranges that may overlap the one that is looked for */ };

void range_list_add(struct range_list *list, struct range range)
{
    if (range.low >= range.high) return;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->rows = mem_grow(list->rows, list->capacity * sizeof *list->rows);
    }
    list->rows[list->count++] = range;
}

static int range_compare(const void *left_item, const void *right_item)
{
    const struct range *left = left_item, *right = right_item;

    if (left->low != right->low) return left->low < right->low ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

void range_list_sort(struct range_list *list)
{
    if (list->count > 0) qsort(list->rows, list->count, sizeof *list->rows, range_compare);
}

const struct range *range_list_find(const struct range_list *list, uint64_t address)
{
    uint32_t low = 0, high = list->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (list->rows[middle].low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t i = 0; i < RANGES_BACK_MAX && i < low; i++)
        if (address < list->rows[low - 1 - i].high) return &list->rows[low - 1 - i];
    return NULL;
}

void range_list_done(struct range_list *list)
{
    free(list->rows);
    *list = (struct range_list){ .rows = NULL };
}
