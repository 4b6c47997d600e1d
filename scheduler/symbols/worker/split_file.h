/* SPDX-License-Identifier: Apache-2.0 */
/* split_file.h: a .dwo or .dwp file, opened and cut to one compilation unit's parts.
 *
 *     if (split_file_open(&file, path, id)) ...
 *     split_file_close(&file);
 *
 * In the worker alone; all that is in it is a stranger's word, and checked. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SPLIT_FILE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SPLIT_FILE_H

#include "common/base/text.h"

#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum part { PART_INFO, PART_ABBREV, PART_LINE, PART_OFFSETS, PART_RNGLISTS, PART_STR, PARTS };

/* The sections of a part: in the split file, and as libdw wants them. */
struct split_part {
    const char *dwo, *plain;
    uint32_t column[2]; /* in a .dwp's index of version 2, 5; 0: it has none */
};

extern const struct split_part split_parts[PARTS];

/* What a file has, cut to one unit. */
struct split_file {
    int fd;
    Elf *elf;
    struct text parts[PARTS];
    struct text index; /* .debug_cu_index: it is a .dwp */
};

/* False if it cannot be had, or has no unit of this id: a .dwp says so by its index; of a .dwo the
 * caller finds out. */
bool split_file_open(struct split_file *file, const char *path, uint64_t id);
void split_file_close(struct split_file *file);

/* The content of the first section of this name, unpacked; empty if there is none. `elf` may be
 * NULL. */
struct text elf_section_find(Elf *elf, const char *name);

/* The number at an offset; 0 past the end. */
static inline uint32_t u32_at(struct text text, uint64_t offset)
{
    uint32_t value = 0;

    if (offset <= text.size && text.size - offset >= sizeof value)
        memcpy(&value, text.data + offset, sizeof value);
    return value;
}

static inline uint64_t u64_at(struct text text, uint64_t offset)
{
    uint64_t value = 0;

    if (offset <= text.size && text.size - offset >= sizeof value)
        memcpy(&value, text.data + offset, sizeof value);
    return value;
}

/* Makes the text a part of itself. False, and it is left alone, where it has no such part. */
static inline bool text_cut(struct text *text, uint64_t offset, uint64_t size)
{
    if (offset > text->size || size > text->size - offset) return false;
    if (size == 0)
        *text = (struct text){ NULL, 0 }; /* also of a section that is not there */
    else
        *text = (struct text){ text->data + offset, (size_t)size };
    return true;
}

#endif
