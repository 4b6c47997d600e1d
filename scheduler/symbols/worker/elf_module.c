/* SPDX-License-Identifier: Apache-2.0 */
/* elf_module.c: where debug information is looked for, in this order:
 *
 *     (1) the module's own path, if that may be read; what was unlinked or replaced since is not
 *         found there, or is another build
 *     (2) ROOT/.build-id/xx/yyyy.debug: DEBUG_ROOT, then the store: uploaded, fetched
 *     (3) what the module's .gnu_debuglink names: below DEBUG_ROOT in the module's own folder,
 *         then, if the path may be read, beside the module and in .debug there; its CRC must agree
 *     (4) what .gnu_debugaltlink of that names: by build-id below the roots, then by path below
 *         DEBUG_ROOT
 *
 * The first one with debug information ends the search; one that has only a symbol table is kept
 * until then. A module that has neither may carry a small symbol table, packed, within itself
 * (.gnu_debugdata, mini_debug.c).
 *
 * libdw would look for (4) by itself, and open what it finds without our checks. Where we do not
 * find it the debug information is therefore left alone: names then come from the symbol table. */
#include "scheduler/symbols/worker/elf_module.h"

#include "common/base/check.h"
#include "scheduler/symbols/worker/elf_file.h"
#include "scheduler/symbols/worker/mini_debug.h"

#include <elfutils/libdwelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUILD_ID_SIZE_LEAST = 2 };

static void source_close(struct elf_source *source)
{
    if (source->dwarf) dwarf_end(source->dwarf);
    if (source->elf) elf_end(source->elf);
    if (source->fd >= 0) close(source->fd);
    free(source->path);
    *source = (struct elf_source){ .fd = -1 };
}

/* Takes the place of what the source was. */
static bool source_adopt(struct elf_source *source, int fd, const char *path)
{
    if (fd < 0) return false;
    source_close(source);
    *source = (struct elf_source){ .fd = fd,
                                   .elf = elf_begin(fd, ELF_C_READ_MMAP, NULL),
                                   .path = mem_text(path, strlen(path)) };
    if (source->elf) source->dwarf = dwarf_begin_elf(source->elf, DWARF_C_READ, NULL);
    return true;
}

static bool source_open(struct elf_source *source, const char *path, struct text build_id)
{
    return source_adopt(source, elf_file_open(path, build_id), path);
}

static bool source_open_by_id(struct elf_source *source, const char *root, struct text build_id)
{
    char hex[2 * BUILD_ID_SIZE_MAX + 1], path[PATH_MAX];
    int size;

    if (build_id.size < BUILD_ID_SIZE_LEAST || build_id.size > BUILD_ID_SIZE_MAX) return false;
    text_to_hex(build_id.data, build_id.size, hex);
    size = snprintf(path, sizeof path, "%s/.build-id/%.2s/%s.debug", root, hex, hex + 2);
    return size < (int)sizeof path && source_open(source, path, build_id);
}

/* Below each root, until there is debug information. */
static void debug_open_by_id(struct elf_module *module, const struct elf_lines_options *options)
{
    for (size_t i = 0; i < options->debug_root_count && !module->debug.dwarf; i++)
        if (source_open_by_id(&module->debug, options->debug_roots[i], options->build_id))
            module->is_stored = i > 0;
}

static struct text folder_of(struct text path)
{
    while (path.size > 0 && path.data[path.size - 1] != '/')
        path.size--;
    return path;
}

struct debug_link {
    const char *name;
    GElf_Word crc;
};

/* `folder` with its last '/'. */
static bool debug_open_linked(struct elf_module *module, const struct elf_lines_options *options,
                              const char *root, const char *below, const struct debug_link *link)
{
    struct text folder = folder_of(options->path);
    char path[PATH_MAX];
    int size =
        snprintf(path, sizeof path, "%s%.*s%s%s", root, TEXT_ARGS(folder), below, link->name);

    if (size >= (int)sizeof path) return false;
    if (!source_adopt(&module->debug, elf_file_open_linked(path, options->build_id, link->crc),
                      path))
        return false;
    module->is_stored = false;
    return true;
}

static void debug_open_by_link(struct elf_module *module, const struct elf_lines_options *options)
{
    struct debug_link link;

    if (!module->main.elf || options->debug_root_count == 0) return;
    link.name = dwelf_elf_gnu_debuglink(module->main.elf, &link.crc);
    if (!link.name || strchr(link.name, '/') || strlen(link.name) > NAME_MAX) return;
    if (debug_open_linked(module, options, options->debug_roots[0], "", &link)) return;
    if (!options->reads_path || debug_open_linked(module, options, "", ".debug/", &link)) return;
    debug_open_linked(module, options, "", "", &link);
}

static bool alt_find(struct elf_module *module, struct text id, const char *name,
                     const struct elf_lines_options *options)
{
    const char *below = strstr(name, "/.dwz/");
    char path[PATH_MAX];

    for (size_t i = 0; i < options->debug_root_count; i++)
        if (source_open_by_id(&module->alt, options->debug_roots[i], id)) return true;
    if (!below || strstr(below, "..") || options->debug_root_count == 0) return false;
    if (snprintf(path, sizeof path, "%s%s", options->debug_roots[0], below) >= (int)sizeof path)
        return false;
    return source_open(&module->alt, path, id);
}

/* Debian's names are "../../.dwz/..." or "/usr/lib/debug/.dwz/...": what counts is from .dwz on. */
static void alt_open(struct elf_module *module, struct elf_source *source,
                     const struct elf_lines_options *options)
{
    const char *name = NULL;
    const void *id = NULL;
    ssize_t id_size = dwelf_dwarf_gnu_debugaltlink(source->dwarf, &name, &id);

    if (id_size <= 0) return;
    if (alt_find(module, (struct text){ id, (size_t)id_size }, name, options) &&
        module->alt.dwarf) {
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
    if (module->main.dwarf) alt_open(module, &module->main, options);
    if (module->main.dwarf) return;
    debug_open_by_id(module, options);
    if (!module->debug.dwarf) debug_open_by_link(module, options);
    if (module->debug.dwarf) alt_open(module, &module->debug, options);
    if (module->debug.fd < 0) mini_debug_open(module);
}

void elf_module_close(struct elf_module *module)
{
    if (module->mini) elf_end(module->mini);
    free(module->mini_data);
    source_close(&module->main);
    source_close(&module->debug);
    source_close(&module->alt);
    *module =
        (struct elf_module){ .main = { .fd = -1 }, .debug = { .fd = -1 }, .alt = { .fd = -1 } };
}
