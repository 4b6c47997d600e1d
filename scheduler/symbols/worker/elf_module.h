/* SPDX-License-Identifier: Apache-2.0 */
/* elf_module.h: the files of one module: itself, its separate debug information, and what dwz took
 * out of that. Every one is opened by elf_file_open(), with the build-id that it must have. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_ELF_MODULE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_ELF_MODULE_H

#include "scheduler/symbols/worker/elf_lines.h"

#include <elfutils/libdw.h>
#include <libelf.h>

struct elf_source {
    int fd; /* -1: there is none; so are the pointers NULL */
    Elf *elf;
    Dwarf *dwarf; /* NULL: it has no debug information, or none that can be used */
    char *path;   /* owned: where it was found */
};

struct elf_module {
    struct elf_source main, debug, alt;
    Elf *mini;       /* .gnu_debugdata, unpacked, where there is no other symbol table; or NULL */
    char *mini_data; /* owned: its bytes */
    bool is_stored;  /* `debug` is from the store */
};

void elf_module_open(struct elf_module *module, const struct elf_lines_options *options);
void elf_module_close(struct elf_module *module);

#endif
