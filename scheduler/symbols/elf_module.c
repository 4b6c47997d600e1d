/* SPDX-License-Identifier: Apache-2.0 */
/* elf_module.c: where debug information is looked for, in this order:
 *
 *     (1) the module's own path, if that may be read
 *     (2) DEBUG_ROOT/.build-id/xx/yyyy.debug
 *     (3) what the module's .gnu_debuglink names: below DEBUG_ROOT in the module's own folder,
 *         then, if the path may be read, beside the module and in .debug there
 *     (4) what .gnu_debugaltlink of that names: by build-id below DEBUG_ROOT, then by path there
 *
 * libdw would look for (4) by itself, and open what it finds without our checks. Where we do not
 * find it the debug information is therefore left alone: names then come from the symbol table. */
#include "scheduler/symbols/elf_module.h"

#include "common/base/own.h"
#include "scheduler/symbols/elf_file.h"

#include <elfutils/libdwelf.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { BUILD_ID_SIZE_LEAST = 2, BUILD_ID_SIZE_MOST = 32 };

static bool source_open(struct elf_source *source, const char *path, struct text build_id)
{
    int fd = elf_file_open(path, build_id);

    if (fd < 0) return false;
    *source = (struct elf_source){ .fd = fd, .elf = elf_begin(fd, ELF_C_READ_MMAP, NULL) };
    if (source->elf) source->dwarf = dwarf_begin_elf(source->elf, DWARF_C_READ, NULL);
    return true;
}

static void source_close(struct elf_source *source)
{
    if (source->dwarf) dwarf_end(source->dwarf);
    if (source->elf) elf_end(source->elf);
    if (source->fd >= 0) close(source->fd);
    *source = (struct elf_source){ .fd = -1 };
}

static bool source_open_by_id(struct elf_source *source, const char *debug_root,
                              struct text build_id)
{
    char hex[2 * BUILD_ID_SIZE_MOST + 1], path[PATH_MAX];
    int size;

    if (build_id.size < BUILD_ID_SIZE_LEAST || build_id.size > BUILD_ID_SIZE_MOST) return false;
    text_to_hex(build_id.data, build_id.size, hex);
    size = snprintf(path, sizeof path, "%s/.build-id/%.2s/%s.debug", debug_root, hex, hex + 2);
    return size < (int)sizeof path && source_open(source, path, build_id);
}

/* `folder` with its last '/'. */
static bool source_open_in(struct elf_source *source, struct text build_id, const char *root,
                           struct text folder, const char *name)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s%.*s%s", root, TEXT_ARGS(folder), name);

    return size < (int)sizeof path && source_open(source, path, build_id);
}

static struct text folder_of(struct text path)
{
    while (path.size > 0 && path.data[path.size - 1] != '/')
        path.size--;
    return path;
}

static bool source_open_by_link(struct elf_source *source, const struct elf_module *module,
                                const struct elf_lines_options *options)
{
    struct text folder = folder_of(options->path);
    char beside[NAME_MAX + sizeof ".debug/"];
    const char *name;
    GElf_Word crc;

    if (!module->main.elf) return false;
    name = dwelf_elf_gnu_debuglink(module->main.elf, &crc);
    if (!name || strchr(name, '/') || strlen(name) > NAME_MAX) return false;
    snprintf(beside, sizeof beside, ".debug/%s", name);
    if (source_open_in(source, options->build_id, options->debug_root, folder, name)) return true;
    return options->reads_path && (source_open_in(source, options->build_id, "", folder, beside) ||
                                   source_open_in(source, options->build_id, "", folder, name));
}

/* Debian's names are "../../.dwz/..." or "/usr/lib/debug/.dwz/...": what counts is from .dwz on. */
static void alt_open(struct elf_module *module, struct elf_source *source, const char *debug_root)
{
    const char *name = NULL, *below;
    const void *id = NULL;
    ssize_t id_size = dwelf_dwarf_gnu_debugaltlink(source->dwarf, &name, &id);
    bool is_open;

    if (id_size <= 0) return;
    is_open = source_open_by_id(&module->alt, debug_root, (struct text){ id, (size_t)id_size });
    below = strstr(name, "/.dwz/");
    if (!is_open && below && !strstr(below, ".."))
        is_open = source_open_in(&module->alt, (struct text){ id, (size_t)id_size }, debug_root,
                                 text_of(below), "");
    if (is_open && module->alt.dwarf) {
        dwarf_setalt(source->dwarf, module->alt.dwarf);
        return;
    }
    dwarf_end(source->dwarf);
    source->dwarf = NULL;
}

void elf_module_open(struct elf_module *module, const struct elf_lines_options *options)
{
    char path[PATH_MAX];

    *module =
        (struct elf_module){ .main = { .fd = -1 }, .debug = { .fd = -1 }, .alt = { .fd = -1 } };
    if (options->build_id.size == 0) return;
    if (options->reads_path && options->path.size < sizeof path) {
        snprintf(path, sizeof path, "%.*s", TEXT_ARGS(options->path));
        source_open(&module->main, path, options->build_id);
    }
    if (module->main.dwarf) alt_open(module, &module->main, options->debug_root);
    if (module->main.dwarf) return;
    if (source_open_by_id(&module->debug, options->debug_root, options->build_id) ||
        source_open_by_link(&module->debug, module, options))
        if (module->debug.dwarf) alt_open(module, &module->debug, options->debug_root);
}

void elf_module_close(struct elf_module *module)
{
    source_close(&module->main);
    source_close(&module->debug);
    source_close(&module->alt);
}
