/* SPDX-License-Identifier: Apache-2.0 */
/* split_file.c: sections by their names; of a .dwp, the unit's part of each, by the index that the
 * file begins with: a hash table of ids whose rows say where each section's part lies. The table is
 * walked, not hashed: what a stranger wrote need not be in its place. */
#include "scheduler/symbols/worker/split_file.h"

#include "scheduler/symbols/worker/elf_file.h"

#include <gelf.h>
#include <unistd.h>

enum { INDEX_COLUMNS_MAX = 16 };

/* clang-format off */
const struct split_part split_parts[PARTS] = {
    [PART_INFO]     = { ".debug_info.dwo",        ".debug_info",        { 1, 1 } },
    [PART_ABBREV]   = { ".debug_abbrev.dwo",      ".debug_abbrev",      { 3, 3 } },
    [PART_LINE]     = { ".debug_line.dwo",        ".debug_line",        { 4, 4 } },
    [PART_OFFSETS]  = { ".debug_str_offsets.dwo", ".debug_str_offsets", { 6, 6 } },
    [PART_RNGLISTS] = { ".debug_rnglists.dwo",    ".debug_rnglists",    { 0, 8 } },
    [PART_STR]      = { ".debug_str.dwo",         ".debug_str",         { 0, 0 } },
};
/* clang-format on */

void split_file_close(struct split_file *file)
{
    if (file->elf) elf_end(file->elf);
    if (file->fd >= 0) close(file->fd);
    *file = (struct split_file){ .fd = -1 };
}

static struct text section_text(Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data;

    if ((header->sh_flags & SHF_COMPRESSED) && elf_compress(section, 0, 0) < 0)
        return (struct text){ NULL, 0 };
    data = elf_rawdata(section, NULL);
    return data && data->d_buf ? (struct text){ data->d_buf, data->d_size }
                               : (struct text){ NULL, 0 };
}

struct text elf_section_find(Elf *elf, const char *wanted)
{
    Elf_Scn *section = NULL;
    size_t names;

    if (!elf || elf_getshdrstrndx(elf, &names) < 0) return (struct text){ NULL, 0 };
    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;
        const char *name;

        if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS) continue;
        name = elf_strptr(elf, names, header.sh_name);
        if (name && strcmp(name, wanted) == 0) return section_text(section, &header);
    }
    return (struct text){ NULL, 0 };
}

/* ---- a .dwp's index ---- */

struct unit_index {
    struct text bytes;
    uint32_t version, columns, units, slots;
    uint64_t rows_at, ids_at, offsets_at, sizes_at;
};

static bool index_read(struct text bytes, struct unit_index *ret)
{
    struct unit_index index = {
        .bytes = bytes,
        .version = u32_at(bytes, 0) & 0xffff, /* of version 5 the upper half is padding */
        .columns = u32_at(bytes, 4),
        .units = u32_at(bytes, 8),
        .slots = u32_at(bytes, 12),
    };

    if (index.version != 2 && index.version != 5) return false;
    if (index.columns == 0 || index.columns > INDEX_COLUMNS_MAX) return false;
    index.rows_at = 16 + (uint64_t)index.slots * 8;
    index.ids_at = index.rows_at + (uint64_t)index.slots * 4;
    index.offsets_at = index.ids_at + (uint64_t)index.columns * 4;
    index.sizes_at = index.offsets_at + (uint64_t)index.units * index.columns * 4;
    *ret = index;
    return index.sizes_at + (uint64_t)index.units * index.columns * 4 <= bytes.size;
}

/* The unit's row, from 1; 0: it is not here. */
static uint32_t index_find(const struct unit_index *index, uint64_t id)
{
    for (uint32_t i = 0; i < index->slots; i++) {
        uint32_t row = u32_at(index->bytes, index->rows_at + (uint64_t)i * 4);

        if (row > 0 && row <= index->units && u64_at(index->bytes, 16 + (uint64_t)i * 8) == id)
            return row;
    }
    return 0;
}

static bool part_cut(const struct unit_index *index, uint32_t row, uint32_t wanted,
                     struct text *part)
{
    for (uint32_t i = 0; i < index->columns; i++) {
        uint64_t cell = ((uint64_t)(row - 1) * index->columns + i) * 4;

        if (u32_at(index->bytes, index->ids_at + (uint64_t)i * 4) != wanted) continue;
        return text_cut(part, u32_at(index->bytes, index->offsets_at + cell),
                        u32_at(index->bytes, index->sizes_at + cell));
    }
    *part = (struct text){ NULL, 0 };
    return true;
}

/* Cuts all parts to the unit. */
static bool file_cut(struct split_file *file, uint64_t id)
{
    struct unit_index index;
    uint32_t row;

    if (file->index.size == 0) return true;
    if (!index_read(file->index, &index)) return false;
    row = index_find(&index, id);
    if (row == 0) return false;
    for (int i = 0; i < PARTS; i++) {
        uint32_t column = split_parts[i].column[index.version == 5];

        if (column > 0 && !part_cut(&index, row, column, &file->parts[i])) return false;
    }
    return true;
}

bool split_file_open(struct split_file *file, const char *path, uint64_t id)
{
    *file = (struct split_file){ .fd = elf_file_open_any(path) };
    if (file->fd < 0) return false;
    file->elf = elf_begin(file->fd, ELF_C_READ_MMAP, NULL);
    for (int i = 0; i < PARTS; i++)
        file->parts[i] = elf_section_find(file->elf, split_parts[i].dwo);
    file->index = elf_section_find(file->elf, ".debug_cu_index");
    if (file_cut(file, id) && file->parts[PART_INFO].size > 0 && file->parts[PART_ABBREV].size > 0)
        return true;
    split_file_close(file);
    return false;
}
