/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_table.h: the functions that an ELF file's symbol tables name, by address: what is known of
 * code that the debug information does not speak of.
 *
 * Names lie in the file, which must stay open. One thread. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SYMBOL_TABLE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SYMBOL_TABLE_H

#include "scheduler/symbols/worker/ranges.h"

#include <gelf.h>
#include <stdbool.h>

struct symbol_table {
    struct range_list ranges;
    const char **names; /* within the file */
    uint32_t count, capacity;
};

/* Adds those of a table (SHT_SYMTAB or SHT_DYNSYM) of the file, which may be NULL. Returns whether
 * there was such a table with anything in it. */
bool symbol_table_read(struct symbol_table *table, Elf *elf, GElf_Word table_type);

/* After the last table was read, before the first is looked for. */
void symbol_table_sort(struct symbol_table *table);

/* The name of the function that has the address, or NULL. */
const char *symbol_table_find(const struct symbol_table *table, uint64_t address);

void symbol_table_done(struct symbol_table *table); /* accepts a zeroed struct */

#endif
