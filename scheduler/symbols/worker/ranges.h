/* SPDX-License-Identifier: Apache-2.0 */
/* ranges.h: which row has an address? Ranges are added in any order, sorted once, and then found in
 * some steps.
 *
 *     range_list_add(&list, (struct range){ low, high, row });
 *     range_list_sort(&list);
 *     range = range_list_find(&list, address);
 *     range_list_done(&list);                         accepts a zeroed struct
 *
 * One thread. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_RANGES_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_RANGES_H

#include <stdint.h>

struct range {
    uint64_t low, high; /* the first address of it, and the first behind it */
    uint32_t row;       /* of what has the range */
};

struct range_list {
    struct range *rows;
    uint32_t count, capacity;
};

/* An empty range is left out. */
void range_list_add(struct range_list *list, struct range range);

/* Before anything is found: by address, and by row where that is the same. */
void range_list_sort(struct range_list *list);

/* The range that has the address, the one that begins last if several do; or NULL. */
const struct range *range_list_find(const struct range_list *list, uint64_t address);

void range_list_done(struct range_list *list);

#endif
