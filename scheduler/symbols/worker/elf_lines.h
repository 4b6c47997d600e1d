/* SPDX-License-Identifier: Apache-2.0 */
/* elf_lines.h: what the addresses of one module mean, from its debug information. elfutils' door.
 *
 *     struct elf_lines *lines = elf_lines_open(&(struct elf_lines_options){ ... });
 *     count = elf_lines_find(lines, offset, locations);
 *     elf_lines_close(lines);
 *
 * Runs in the worker process alone: the files may be hostile, and what they do to libelf and libdw
 * they do there. One thread. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_ELF_LINES_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_ELF_LINES_H

#include "scheduler/analysis/analysis.h"

struct elf_lines;

struct elf_lines_options {
    struct text path, build_id;
    /* Folders as "/usr/lib/debug", which is the first; the others are of the store. */
    const char *const *debug_roots;
    size_t debug_root_count;
    bool reads_path; /* may `path` be opened? Else the folders alone */
};

/* Never NULL: a module without any file answers nothing. */
struct elf_lines *elf_lines_open(const struct elf_lines_options *options);
struct elf_lines *elf_lines_close(struct elf_lines *lines);

/* Does it have debug information? And is that, or are its names, from a folder of the store? */
bool elf_lines_have_lines(const struct elf_lines *lines);
bool elf_lines_are_stored(const struct elf_lines *lines);

/* Fills ret[LOCATIONS_MAX], innermost first, and returns how many; 0 if nothing is known. Their
 * texts live until the next call. Offsets are addresses of the ELF file. */
uint8_t elf_lines_find(struct elf_lines *lines, uint64_t offset, struct source_location *ret);

#endif
