/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_table.h: all rows of one module, made once from its .eh_frame, and never changed.
 *
 *     rc = unwind_table_build(&(struct unwind_build){ .section = { bytes, size, address },
 *                                                     .low = ..., .high = ... }, &table);
 *     if (unwind_table_find(table, pc, &found)) ... found.rule, found.function ...
 *     unwind_table_free(table);
 *
 * A table lies in pages of its own, so that it goes back to the system whole, leaves the host's
 * heap as it was, and is shared by what the host forks.
 *
 * The bytes may be anything: building takes memory up to size_max for the table and 12 bytes for
 * each entry, and work in proportion to the section's size; what is not understood becomes
 * ROW_OTHER. Threads: a finished table is read by any. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_TABLE_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_TABLE_H

#include "probe/agent/unwind/unwind_entries.h"
#include "probe/agent/unwind/unwind_row.h"

#include <stdatomic.h>

enum { UNWIND_BLOCK_SHIFT = 12 }; /* code is found by blocks of 4 KB first */

struct unwind_table {
    size_t size;        /* bytes of memory, in pages */
    uint64_t base, end; /* the code that it is about; rows count from base */
    uint32_t row_count, block_count;
    uint32_t entry_count;          /* FDEs */
    uint32_t other_count;          /* rows that the eight bytes cannot express */
    bool is_whole;                 /* every entry was understood: where no row is, no entry is */
    const uint32_t *blocks;        /* the first row at or behind each block's begin */
    const struct unwind_row *rows; /* by pc */
};

struct unwind_build {
    struct unwind_section section;
    uint64_t low, high;              /* the module: entries about anything else are left out */
    size_t size_max;                 /* of the table */
    const _Atomic bool *is_unwanted; /* optional: true, and the building ends with -ECANCELED */
};

struct unwind_found {
    uint32_t rule;
    uint64_t function; /* where the entry begins; 0: there is none, or one may have been lost */
};

/* 0; -ENOENT: no entry is of this module; -E2BIG: too large for size_max, or too much work;
 * -ENOMEM; -ECANCELED. */
int unwind_table_build(const struct unwind_build *build, struct unwind_table **ret);
struct unwind_table *unwind_table_free(struct unwind_table *table); /* NULL is fine; returns NULL */

/* The rule at an address; ROW_NONE where no entry is, ROW_OTHER where one may have been lost. */
void unwind_table_find(const struct unwind_table *table, uint64_t pc, struct unwind_found *ret);

/* Where the next entry begins, or code without any; the table's end if nothing follows. Between an
 * entry's end and that may lie what fills up lines. */
uint64_t unwind_table_next(const struct unwind_table *table, uint64_t pc);

#endif
