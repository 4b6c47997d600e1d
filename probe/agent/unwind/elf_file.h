/* SPDX-License-Identifier: Apache-2.0 */
/* elf_file.h: the parts of an ELF file that naming needs, read with bounds, never mapped.
 *
 *     struct elf_file file;
 *     rc = elf_file_open("/usr/lib/libfoo.so", &file);          or elf_file_open_image(address)
 *     const Elf64_Shdr *symbols = elf_file_section(&file, SHT_SYMTAB);
 *     rc = elf_file_read(&file, symbols->sh_offset, bytes, size);
 *     elf_file_close(&file);
 *
 * A file that shrinks while it is mapped kills the process that reads it (SIGBUS), and the
 * process is our host: so everything here is pread(2), or process_vm_readv(2) for an image in
 * memory (the vdso). Nothing in the file is believed beyond what the bounds allow.
 *
 * Threads: any, one at a time per file. Limits: ELF_SEGMENTS_MAX, ELF_SECTIONS_MAX. Only regular
 * files, 64 bit, little endian. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_ELF_FILE_H
#define STAKEOUT_PROBE_AGENT_UNWIND_ELF_FILE_H

#include "common/base/text.h"
#include "common/model/call_stack.h"

#include <elf.h>
#include <sys/types.h>

enum {
    ELF_SEGMENTS_MAX = 64,   /* libLLVM has 11 */
    ELF_SECTIONS_MAX = 4096, /* -ffunction-sections leaves many in an object, few in a library */
};

/* Which file it is, to notice that a path names another one now. */
struct elf_identity {
    dev_t device;
    ino_t inode;
    off_t size;
    int64_t changed_ns;
};

struct elf_file {
    int fd;         /* -1: an image in memory */
    uint64_t image; /* its address */
    struct elf_identity identity;
    uint32_t segment_count, section_count;
    Elf64_Phdr *segments; /* owned */
    Elf64_Shdr *sections; /* owned; none if they were stripped */
};

/* Each returns 0, -errno of open(2), -ENOEXEC for what is not such a file, -ENOMEM. */
int elf_file_open(const char *path, struct elf_file *ret);
int elf_file_open_image(uint64_t address, struct elf_file *ret);
void elf_file_close(struct elf_file *file);

/* Reads exactly `size` bytes at an offset, or returns -EIO. */
int elf_file_read(const struct elf_file *file, uint64_t offset, void *ret, size_t size);

/* The same at one of the file's own addresses, which a PT_LOAD segment must hold. */
int elf_file_read_address(const struct elf_file *file, uint64_t address, void *ret, size_t size);

/* The first segment or section of a type; NULL if there is none. */
const Elf64_Phdr *elf_file_segment(const struct elf_file *file, uint32_t type);
const Elf64_Shdr *elf_file_section(const struct elf_file *file, uint32_t type);

/* The GNU build-id; returns its size, 0 if there is none. */
size_t elf_file_build_id(const struct elf_file *file, uint8_t ret[BUILD_ID_SIZE_MAX]);

bool elf_identity_is_equal(const struct elf_identity *left, const struct elf_identity *right);

#endif
