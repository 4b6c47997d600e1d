/* SPDX-License-Identifier: Apache-2.0 */
/* elf_file.h: opens files that a stranger named, and only those that are what they should be. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_ELF_FILE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_ELF_FILE_H

#include "common/base/text.h"
#include "common/model/call_stack.h"

/* Opens a regular file of at most 4 GB, a 64-bit ELF file of this byte order, whose build-id is
 * this one. Nothing is read before that but its ELF header, its program or section headers and its
 * notes, each bounded. Never blocks on a FIFO or a device. The descriptor, or -errno: -EINVAL if it
 * is no such file, -ENOKEY if it is another build. */
int elf_file_open(const char *path, struct text build_id);

/* Likewise, for what .gnu_debuglink names: the whole file must have this CRC-32. Its build-id must
 * be this one if it has any; a debug file of an old toolchain has none. -EBADMSG: another CRC. */
int elf_file_open_linked(const char *path, struct text build_id, uint32_t crc);

/* Likewise, for files that have no build-id (.dwo, .dwp): what they are for is told by the ids of
 * their units, which the caller compares. */
int elf_file_open_any(const char *path);

/* What a file that was sent in is, by its headers alone. */
struct elf_facts {
    uint8_t build_id[BUILD_ID_SIZE_MAX];
    size_t build_id_size;
    bool has_lines; /* debug information: .debug_info, compressed or not */
    bool has_names; /* a symbol table, or .gnu_debugdata */
};

/* Reads the facts of an open file; its offset is left alone. 0, or -errno: -ENOEXEC if it is no
 * 64-bit ELF file for x86-64 whose headers lie within it, -ENOKEY without a build-id, -ENODATA if
 * it has neither lines nor names. */
int elf_file_identify(int fd, struct elf_facts *ret);

#endif
