/* SPDX-License-Identifier: Apache-2.0 */
/* split_unit.c: one split unit made into a small file in memory that libdw reads as any other.
 *
 * libdw 0.188 opens .dwo files by itself, wherever a stranger's file says that they are, and knows
 * no .dwp. So both are read here, through the door of elf_file.c, and one way serves both:
 *
 *     .dwo or .dwp           image in memory, one unit
 *     .debug_info.dwo    ->  .debug_info           that unit's part (a .dwp's index tells it)
 *     .debug_abbrev.dwo  ->  .debug_abbrev         likewise; so are .debug_rnglists, .debug_line
 *     .debug_str_offsets.dwo, .debug_str.dwo  ->   rewritten: only the strings of that unit
 *     the module's .debug_addr                ->   .debug_addr, from the skeleton's base on
 *     the module's .debug_ranges              ->   .debug_ranges, likewise (DWARF 4)
 *
 * A unit that has no base of its own is taken by libdw to begin where the section does, which
 * is what cutting the sections makes true. That the unit is the skeleton's is told by their id of
 * 64 bits. All offsets are a stranger's, and checked. */
#include "scheduler/symbols/split_unit.h"

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/own.h"
#include "scheduler/symbols/elf_file.h"

#include <dwarf.h>
#include <errno.h>
#include <gelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PART_SIZE_MAX = 64 << 20,     /* of one unit's section */
    IMAGE_SIZE_MAX = 96 << 20,    /* of one unit */
    ADDRESSES_SIZE_MAX = 1 << 20, /* of DWARF 4, which does not say how many a unit has */
    INDEX_COLUMNS_MAX = 16,
};

enum part { PART_INFO, PART_ABBREV, PART_LINE, PART_OFFSETS, PART_RNGLISTS, PART_STR, PARTS };

/* clang-format off */
static const struct {
    const char *dwo, *plain;
    uint32_t column[2]; /* in a .dwp's index of version 2, 5; 0: it has none */
} parts[PARTS] = {
    [PART_INFO]     = { ".debug_info.dwo",        ".debug_info",        { 1, 1 } },
    [PART_ABBREV]   = { ".debug_abbrev.dwo",      ".debug_abbrev",      { 3, 3 } },
    [PART_LINE]     = { ".debug_line.dwo",        ".debug_line",        { 4, 4 } },
    [PART_OFFSETS]  = { ".debug_str_offsets.dwo", ".debug_str_offsets", { 6, 6 } },
    [PART_RNGLISTS] = { ".debug_rnglists.dwo",    ".debug_rnglists",    { 0, 8 } },
    [PART_STR]      = { ".debug_str.dwo",         ".debug_str",         { 0, 0 } },
};
/* clang-format on */

struct skeleton {
    uint64_t id;
    Dwarf_Half version;
    const char *name, *folder; /* of the .dwo; may be NULL */
    Dwarf_Word address_base, ranges_base;
};

/* What a file has, cut to one unit. */
struct split_file {
    int fd;
    Elf *elf;
    struct text parts[PARTS];
    struct text index; /* .debug_cu_index: it is a .dwp */
};

static void file_close(struct split_file *file)
{
    if (file->elf) elf_end(file->elf);
    if (file->fd >= 0) close(file->fd);
    *file = (struct split_file){ .fd = -1 };
}

/* ---- sections ---- */

static struct text section_text(Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data;

    if ((header->sh_flags & SHF_COMPRESSED) && elf_compress(section, 0, 0) < 0)
        return (struct text){ NULL, 0 };
    data = elf_rawdata(section, NULL);
    return data && data->d_buf ? (struct text){ data->d_buf, data->d_size }
                               : (struct text){ NULL, 0 };
}

/* The content of the section of this name, the first one. */
static struct text section_find(Elf *elf, const char *wanted)
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

static bool cut(struct text *text, uint64_t offset, uint64_t size)
{
    if (offset > text->size || size > text->size - offset) return false;
    *text = (struct text){ text->data + offset, (size_t)size };
    return true;
}

static uint32_t u32_at(struct text text, uint64_t offset)
{
    uint32_t value = 0;

    if (offset <= text.size && text.size - offset >= sizeof value)
        memcpy(&value, text.data + offset, sizeof value);
    return value;
}

static uint64_t u64_at(struct text text, uint64_t offset)
{
    uint64_t value = 0;

    if (offset <= text.size && text.size - offset >= sizeof value)
        memcpy(&value, text.data + offset, sizeof value);
    return value;
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
        return cut(part, u32_at(index->bytes, index->offsets_at + cell),
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
        uint32_t column = parts[i].column[index.version == 5];

        if (column > 0 && !part_cut(&index, row, column, &file->parts[i])) return false;
    }
    return true;
}

static bool file_open(struct split_file *file, const char *path, uint64_t id)
{
    *file = (struct split_file){ .fd = elf_file_open_any(path) };
    if (file->fd < 0) return false;
    file->elf = elf_begin(file->fd, ELF_C_READ_MMAP, NULL);
    for (int i = 0; i < PARTS; i++)
        file->parts[i] = section_find(file->elf, parts[i].dwo);
    file->index = section_find(file->elf, ".debug_cu_index");
    if (file_cut(file, id) && file->parts[PART_INFO].size > 0 && file->parts[PART_ABBREV].size > 0)
        return true;
    file_close(file);
    return false;
}

/* ---- the image ---- */

struct image {
    struct buf bytes; /* the header, then the sections, then their names */
    struct buf names;
    Elf64_Shdr sections[PARTS + 4];
    unsigned count; /* the first one is empty, as always */
};

static void image_add(struct image *image, const char *name, struct text content)
{
    Elf64_Shdr *section = &image->sections[image->count];

    if (content.size == 0) return;
    *section = (Elf64_Shdr){ .sh_type = SHT_PROGBITS,
                             .sh_name = (Elf64_Word)image->names.size,
                             .sh_offset = image->bytes.size,
                             .sh_size = content.size,
                             .sh_addralign = 1 };
    image->count++;
    buf_append(&image->names, name, strlen(name) + 1);
    buf_text(&image->bytes, content);
}

/* The unit's strings alone: those of a whole program would be copied for each of its units. */
static void image_add_strings(struct image *image, const struct split_file *file,
                              Dwarf_Half version)
{
    struct text offsets = file->parts[PART_OFFSETS], strings = file->parts[PART_STR];
    OWN(buf_done) struct buf kept = BUF_INIT(PART_SIZE_MAX);
    OWN(buf_done) struct buf moved = BUF_INIT(PART_SIZE_MAX);
    size_t head = version >= 5 ? 8 : 0; /* size and version, before the first offset */

    if (offsets.size < head || strings.size == 0 || strings.data[strings.size - 1] != '\0') return;
    buf_append(&moved, offsets.data, head);
    buf_append(&kept, "", 1); /* for what lies outside */
    for (size_t at = head; at + 4 <= offsets.size; at += 4) {
        uint32_t from = u32_at(offsets, at), to = 0;

        if (from < strings.size) {
            to = (uint32_t)kept.size;
            buf_append(&kept, strings.data + from, strlen(strings.data + from) + 1);
        }
        buf_append(&moved, &to, sizeof to);
    }
    if (kept.failed || moved.failed) return;
    image_add(image, ".debug_str_offsets", buf_peek(&moved));
    image_add(image, ".debug_str", buf_peek(&kept));
}

/* From a base in a section of the module: as long as its header says, or a good while. */
static void image_add_based(struct image *image, const struct split_source *from, const char *name,
                            Dwarf_Word base, bool has_header)
{
    struct text section = section_find(dwarf_getelf(from->dwarf), name);
    uint64_t size;

    if (section.size == 0 || base >= section.size) return;
    size = section.size - base;
    if (has_header && base >= 8 && u32_at(section, base - 8) > 4) {
        uint64_t said = u32_at(section, base - 8) - 4;

        if (said < size) size = said;
    } else if (size > ADDRESSES_SIZE_MAX) {
        size = ADDRESSES_SIZE_MAX;
    }
    if (cut(&section, base, size)) image_add(image, name, section);
}

static void image_finish(struct image *image)
{
    Elf64_Ehdr header = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_REL,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_ehsize = sizeof header,
        .e_shentsize = sizeof(Elf64_Shdr),
    };
    Elf64_Shdr *names = &image->sections[image->count];
    static const char padding[8] = "";

    *names = (Elf64_Shdr){ .sh_type = SHT_STRTAB,
                           .sh_name = (Elf64_Word)image->names.size,
                           .sh_offset = image->bytes.size,
                           .sh_addralign = 1 };
    buf_append(&image->names, ".shstrtab", sizeof ".shstrtab");
    names->sh_size = image->names.size;
    buf_text(&image->bytes, buf_peek(&image->names));
    buf_append(&image->bytes, padding, -image->bytes.size & 7);
    header.e_shstrndx = (Elf64_Half)image->count++;
    header.e_shoff = image->bytes.size;
    header.e_shnum = (Elf64_Half)image->count;
    buf_append(&image->bytes, image->sections, image->count * sizeof(Elf64_Shdr));
    if (!image->bytes.failed) memcpy(image->bytes.data, &header, sizeof header);
}

/* The bytes of the image, owned by the caller; NULL if it would be too large. */
static char *image_make(const struct split_source *from, const struct skeleton *skeleton,
                        const struct split_file *file, size_t *ret_size)
{
    struct image image = { .bytes = BUF_INIT(IMAGE_SIZE_MAX), .names = BUF_INIT(4096), .count = 1 };
    static const Elf64_Ehdr room = { .e_type = 0 };
    static const enum part plain[] = { PART_INFO, PART_ABBREV, PART_LINE, PART_RNGLISTS };
    char *bytes = NULL;

    buf_append(&image.bytes, &room, sizeof room);
    buf_append(&image.names, "", 1);
    for (size_t i = 0; i < ARRAY_COUNT(plain); i++)
        image_add(&image, parts[plain[i]].plain, file->parts[plain[i]]);
    image_add_strings(&image, file, skeleton->version);
    image_add_based(&image, from, ".debug_addr", skeleton->address_base, skeleton->version >= 5);
    if (skeleton->version < 5)
        image_add_based(&image, from, ".debug_ranges", skeleton->ranges_base, false);
    image_finish(&image);
    if (!image.bytes.failed && !image.names.failed) bytes = buf_take(&image.bytes, ret_size);
    buf_done(&image.bytes);
    buf_done(&image.names);
    return bytes;
}

/* Finds the unit of this id among those of the image. */
static int unit_find(struct split_unit *split, uint64_t wanted)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die die;

    while (dwarf_get_units(split->dwarf, unit, &unit, &version, &type, &die, NULL) == 0) {
        uint64_t id = 0;

        if (type != DW_UT_split_compile) continue;
        if (dwarf_cu_info(unit, NULL, NULL, NULL, NULL, &id, NULL, NULL) < 0 || id != wanted)
            continue;
        split->die = die;
        return 0;
    }
    return -EBADMSG;
}

static int unit_open(const struct split_source *from, const struct skeleton *skeleton,
                     const struct split_file *file, struct split_unit *ret)
{
    struct split_unit split = { .image = NULL };
    size_t size = 0;
    int rc = -EBADMSG;

    split.image = image_make(from, skeleton, file, &size);
    if (split.image) split.elf = elf_memory(split.image, size);
    if (split.elf) split.dwarf = dwarf_begin_elf(split.elf, DWARF_C_READ, NULL);
    if (split.dwarf) rc = unit_find(&split, skeleton->id);
    if (rc < 0) {
        split_unit_close(&split);
        return rc;
    }
    *ret = split;
    return 0;
}

void split_unit_close(struct split_unit *split)
{
    if (split->dwarf) dwarf_end(split->dwarf);
    if (split->elf) elf_end(split->elf);
    free(split->image);
    *split = (struct split_unit){ .image = NULL };
}

/* ---- where it is ---- */

static const char *string_of(Dwarf_Die *die, unsigned name, unsigned gnu_name)
{
    Dwarf_Attribute attribute;
    const char *text = dwarf_formstring(dwarf_attr(die, name, &attribute));

    if (text || gnu_name == 0) return text;
    return dwarf_formstring(dwarf_attr(die, gnu_name, &attribute));
}

static Dwarf_Word number_of(Dwarf_Die *die, unsigned name, unsigned gnu_name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;

    if (!dwarf_attr(die, name, &attribute)) dwarf_attr(die, gnu_name, &attribute);
    return dwarf_formudata(&attribute, &value) == 0 ? value : 0;
}

static int skeleton_read(Dwarf_Die *die, struct skeleton *ret)
{
    struct skeleton skeleton = { .id = 0 };
    uint8_t type;

    if (dwarf_cu_info(die->cu, &skeleton.version, &type, NULL, NULL, &skeleton.id, NULL, NULL) < 0)
        return -EBADMSG;
    if (type != DW_UT_skeleton) return -ENOENT;
    skeleton.name = string_of(die, DW_AT_dwo_name, DW_AT_GNU_dwo_name);
    skeleton.folder = string_of(die, DW_AT_comp_dir, 0);
    if (dwarf_hasattr(die, DW_AT_addr_base) || dwarf_hasattr(die, DW_AT_GNU_addr_base))
        skeleton.address_base = number_of(die, DW_AT_addr_base, DW_AT_GNU_addr_base);
    if (dwarf_hasattr(die, DW_AT_GNU_ranges_base))
        skeleton.ranges_base = number_of(die, DW_AT_GNU_ranges_base, DW_AT_GNU_ranges_base);
    *ret = skeleton;
    return 0;
}

static bool try_dwp(const struct split_source *from, uint64_t id, struct split_file *file)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < ARRAY_COUNT(from->beside); i++) {
        if (!from->beside[i]) continue;
        if (snprintf(path, sizeof path, "%s.dwp", from->beside[i]) >= (int)sizeof path) continue;
        if (file_open(file, path, id)) return true;
    }
    return false;
}

/* Where it was compiled, then beside the module: builds are moved. */
static bool try_dwo(const struct split_source *from, const struct skeleton *skeleton,
                    struct split_file *file)
{
    const char *name = skeleton->name, *base;
    struct text folder = from->path;
    char path[PATH_MAX];
    int size;

    if (!name) return false;
    size = name[0] == '/' || !skeleton->folder
               ? snprintf(path, sizeof path, "%s", name)
               : snprintf(path, sizeof path, "%s/%s", skeleton->folder, name);
    if (size < (int)sizeof path && file_open(file, path, skeleton->id)) return true;
    base = strrchr(name, '/');
    while (folder.size > 0 && folder.data[folder.size - 1] != '/')
        folder.size--;
    size = snprintf(path, sizeof path, "%.*s%s", TEXT_ARGS(folder), base ? base + 1 : name);
    return size < (int)sizeof path && file_open(file, path, skeleton->id);
}

int split_unit_open(const struct split_source *from, Dwarf_Die *skeleton_die,
                    struct split_unit *ret)
{
    struct skeleton skeleton;
    struct split_file file = { .fd = -1 };
    int rc = skeleton_read(skeleton_die, &skeleton);

    if (rc < 0) return rc;
    if (!try_dwp(from, skeleton.id, &file) && !try_dwo(from, &skeleton, &file)) return -ENOENT;
    rc = unit_open(from, &skeleton, &file, ret);
    file_close(&file);
    return rc;
}
