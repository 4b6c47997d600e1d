/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_ranges.h: address ranges with names, sorted, of which the innermost that covers an address
 * is found.
 *
 *     rc = symbol_ranges_add(&ranges, &range, count_max)       as they come
 *     symbol_ranges_sort(&ranges)                              once, before the first find
 *     range = symbol_ranges_find(&ranges, offset)
 *     symbol_ranges_done(&ranges)
 *
 * Several symbols may begin at one address (aliases), and small ones may lie within a larger one
 * (local labels of assembly): of those that cover the address, the innermost begin wins.
 *
 * Values only; 16 bytes per range. Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_NAMES_SYMBOL_RANGES_H
#define STAKEOUT_PROBE_AGENT_NAMES_SYMBOL_RANGES_H

#include <stddef.h>
#include <stdint.h>

enum { SYMBOL_ALIASES_MAX = 16 }; /* at one address; and how far an enclosing one is looked for */

struct symbol_range {
    uint64_t begin;
    uint32_t size; /* 0: until the next one begins */
    uint32_t name; /* into the string table */
};

struct symbol_ranges {
    struct symbol_range *items; /* owned; sorted by begin */
    size_t count, capacity;
};

void symbol_ranges_done(struct symbol_ranges *ranges); /* accepts a zeroed struct */

/* Returns 0; -ENOBUFS: there are count_max; -ENOMEM. */
int symbol_ranges_add(struct symbol_ranges *ranges, const struct symbol_range *range,
                      size_t count_max);

/* Sorts, and gives back what was reserved beyond the last. */
void symbol_ranges_sort(struct symbol_ranges *ranges);

/* The innermost range that covers the offset, or NULL. */
const struct symbol_range *symbol_ranges_find(const struct symbol_ranges *ranges, uint64_t offset);

/* The first of those that begin where `range`, one of these, does. They follow each other. */
const struct symbol_range *symbol_ranges_first_alias(const struct symbol_ranges *ranges,
                                                     const struct symbol_range *range);

#endif
