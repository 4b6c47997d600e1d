/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_header.h: the head of .eh_frame_hdr, in the one layout that linkers write.
 *
 * A table follows it, one pair of 4 bytes per unwind entry, relative to the head and sorted: where
 * the entry's code begins, and where the entry is. Whoever reads it, from memory
 * (remote_unwinder.c) or from a file (unwind_starts.c), asks here whether it is of that layout;
 * where it is of another one there is no table for us.
 *
 * Values only. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_HEADER_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_HEADER_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct unwind_header {
    uint8_t version, frame_encoding, count_encoding, table_encoding;
    int32_t frame;
    uint32_t count; /* of the table's rows */
};

struct unwind_header_row {
    int32_t begin, entry;
};

static_assert(sizeof(struct unwind_header) == 12, "the table follows it without a gap");

enum {
    UNWIND_HEADER_VERSION = 1,
    UNWIND_FRAME_PCREL4 = 0x1b,
    UNWIND_COUNT_UDATA4 = 0x03,
    UNWIND_TABLE_DATAREL4 = 0x3b,
};

/* Does a sorted table of at least one row follow? */
static inline bool unwind_header_has_table(const struct unwind_header *header)
{
    return header->version == UNWIND_HEADER_VERSION &&
           header->frame_encoding == UNWIND_FRAME_PCREL4 &&
           header->count_encoding == UNWIND_COUNT_UDATA4 &&
           header->table_encoding == UNWIND_TABLE_DATAREL4 && header->count > 0;
}

#endif
