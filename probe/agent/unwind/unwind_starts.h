/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_starts.h: where the functions of a module begin, by its .eh_frame_hdr: for code that has
 * unwind entries but no symbols.
 *
 *     rc = unwind_starts_read(&file, address, count_max, &starts);
 *     begin = unwind_starts_find(&starts, offset);
 *     unwind_starts_done(&starts);
 *
 * 4 bytes per entry. Addresses are the module's own. Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_STARTS_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_STARTS_H

#include <stddef.h>
#include <stdint.h>

struct elf_file;

struct unwind_starts {
    uint32_t *items; /* owned; ascending; addresses less `base` */
    size_t count;
    uint64_t base;
};

/* Reads the table whose head lies at `address`. Returns 0; -ENOENT: there is none of the layout
 * that we know; -ENOBUFS: it has more than count_max rows; -EIO, -ENOMEM. */
int unwind_starts_read(const struct elf_file *file, uint64_t address, size_t count_max,
                       struct unwind_starts *ret);

/* Where the entry that holds the offset begins; 0 if there is none. */
uint64_t unwind_starts_find(const struct unwind_starts *starts, uint64_t offset);

void unwind_starts_done(struct unwind_starts *starts); /* accepts a zeroed struct */

#endif
