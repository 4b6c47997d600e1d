/* SPDX-License-Identifier: Apache-2.0 */
/* split_image.c: what of the split file and of the module goes into the image.
 *
 *     .dwo or .dwp           image in memory, one unit
 *     .debug_info.dwo    ->  .debug_info           that unit's part (a .dwp's index tells it)
 *     .debug_abbrev.dwo  ->  .debug_abbrev         likewise; so are .debug_rnglists, .debug_line
 *     .debug_str_offsets.dwo, .debug_str.dwo  ->   rewritten: only the strings of that unit
 *     the module's .debug_addr                ->   .debug_addr, from the skeleton's base on
 *     the module's .debug_ranges              ->   .debug_ranges, likewise (DWARF 4)
 *
 * A unit that has no base of its own is taken by libdw to begin where the section does, which
 * is what cutting the sections makes true. All offsets are a stranger's, and checked. */
#include "scheduler/symbols/worker/split_image.h"

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/own.h"

#include <gelf.h>
#include <string.h>

enum {
    PART_SIZE_MAX = 64 << 20,     /* of one unit's section */
    IMAGE_SIZE_MAX = 96 << 20,    /* of one unit */
    ADDRESSES_SIZE_MAX = 1 << 20, /* of DWARF 4, which does not say how many a unit has */
};

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
static void image_add_based(struct image *image, Elf *module, const char *name, Dwarf_Word base,
                            bool has_header)
{
    struct text section = elf_section_find(module, name);
    uint64_t size;

    if (section.size == 0 || base >= section.size) return;
    size = section.size - base;
    if (has_header && base >= 8 && u32_at(section, base - 8) > 4) {
        uint64_t said = u32_at(section, base - 8) - 4;

        if (said < size) size = said;
    } else if (size > ADDRESSES_SIZE_MAX) {
        size = ADDRESSES_SIZE_MAX;
    }
    if (text_cut(&section, base, size)) image_add(image, name, section);
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

char *split_image_make(Elf *module, const struct skeleton *skeleton, const struct split_file *file,
                       size_t *ret_size)
{
    struct image image = { .bytes = BUF_INIT(IMAGE_SIZE_MAX), .names = BUF_INIT(4096), .count = 1 };
    static const Elf64_Ehdr room = { .e_type = 0 };
    static const enum part plain[] = { PART_INFO, PART_ABBREV, PART_LINE, PART_RNGLISTS };
    char *bytes = NULL;

    buf_append(&image.bytes, &room, sizeof room);
    buf_append(&image.names, "", 1);
    for (size_t i = 0; i < ARRAY_COUNT(plain); i++)
        image_add(&image, split_parts[plain[i]].plain, file->parts[plain[i]]);
    image_add_strings(&image, file, skeleton->version);
    image_add_based(&image, module, ".debug_addr", skeleton->address_base, skeleton->version >= 5);
    if (skeleton->version < 5)
        image_add_based(&image, module, ".debug_ranges", skeleton->ranges_base, false);
    image_finish(&image);
    if (!image.bytes.failed && !image.names.failed) bytes = buf_take(&image.bytes, ret_size);
    buf_done(&image.bytes);
    buf_done(&image.names);
    return bytes;
}
