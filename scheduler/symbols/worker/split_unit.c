/* SPDX-License-Identifier: Apache-2.0 */
/* split_unit.c: finds the split file of a skeleton, and has libdw read its unit.
 *
 * libdw 0.188 opens .dwo files by itself, wherever a stranger's file says that they are, and knows
 * no .dwp. So both are read here, through the door of elf_file.c, and one way serves both: the unit
 * is cut out (split_file.c) and made into a small file in memory (split_image.c). That it is the
 * skeleton's is told by their id of 64 bits. */
#include "scheduler/symbols/worker/split_unit.h"

#include "common/base/check.h"
#include "scheduler/symbols/worker/split_file.h"
#include "scheduler/symbols/worker/split_image.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

    split.image = split_image_make(dwarf_getelf(from->dwarf), skeleton, file, &size);
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
        if (split_file_open(file, path, id)) return true;
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
    if (size < (int)sizeof path && split_file_open(file, path, skeleton->id)) return true;
    base = strrchr(name, '/');
    while (folder.size > 0 && folder.data[folder.size - 1] != '/')
        folder.size--;
    size = snprintf(path, sizeof path, "%.*s%s", TEXT_ARGS(folder), base ? base + 1 : name);
    return size < (int)sizeof path && split_file_open(file, path, skeleton->id);
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
    split_file_close(&file);
    return rc;
}
