/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_file.h: a module's file: is it the module that is meant, and where its symbols lie in it.
 *
 *     rc = symbol_file_init(&file, &module);          found, inspected and closed again
 *     rc = symbol_file_open(&file, &elf);             -ESTALE: another file lies there now
 *     rc = symbol_file_collect(&file, &elf, SYMBOL_FUNCTION, count_max, &ranges);
 *     symbol_file_name(&file, &elf, range->name, name);
 *     elf_file_close(&elf);
 *     symbol_file_done(&file);
 *
 * INVARIANT: the offsets are believed only in the file that symbol_file_init() saw.
 *
 * Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_NAMES_SYMBOL_FILE_H
#define STAKEOUT_PROBE_AGENT_NAMES_SYMBOL_FILE_H

#include "probe/agent/names/symbol_index.h"
#include "probe/agent/unwind/elf_file.h"

struct symbol_ranges;

enum symbol_kind { SYMBOL_FUNCTION, SYMBOL_OBJECT, SYMBOL_KINDS };

struct symbol_file {
    char *path;         /* owned: the module's */
    const char *opened; /* what is opened for it: the path, or the program in /proc */
    uint8_t build_id[BUILD_ID_SIZE_MAX];
    size_t build_id_size;
    int error; /* why it cannot be read; 0: it can */
    struct elf_identity identity;
    uint64_t names_offset, names_size; /* the string table in the file */
    uint64_t symbols_offset, symbols_size;
    uint64_t unwinds_address; /* of .eh_frame_hdr, in the module's own addresses; 0: none */
};

/* Takes the module's name, and looks at its file. Whether that can be read is in `error`. Returns
 * 0; -EINVAL: no module has such a build-id; -ENOMEM. */
int symbol_file_init(struct symbol_file *file, const struct symbol_module *module);
void symbol_file_done(struct symbol_file *file); /* accepts a zeroed struct */

bool symbol_file_is_of(const struct symbol_file *file, const struct symbol_module *module);

/* Opens the same file as before, for reading. Returns 0, -ESTALE, or as elf_file_open(). */
int symbol_file_open(const struct symbol_file *file, struct elf_file *ret);

/* Adds the symbols of a kind, in the file's order. Returns 0, or -errno: then `ret` lacks some. */
int symbol_file_collect(const struct symbol_file *file, const struct elf_file *elf,
                        enum symbol_kind kind, size_t count_max, struct symbol_ranges *ret);

/* Reads a name of the string table; "" if there is none, or it is not printable. */
void symbol_file_name(const struct symbol_file *file, const struct elf_file *elf, uint32_t name,
                      char ret[STRING_SIZE_MAX + 1]);

#endif
