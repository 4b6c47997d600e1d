/* SPDX-License-Identifier: Apache-2.0 */
/* modules.c: copies the loader's list, when the loader's own counters say that it changed.
 *
 * Within the callback of dl_iterate_phdr nothing can be unloaded, so that headers are read in place
 * there. Notes are copied by the kernel first: the host may have protected them. Nothing is parsed
 * beyond that, because the loader's lock is held. */
#include "probe/agent/unwind/modules.h"

#include "probe/agent/base/fork_gate.h"
#include "probe/agent/unwind/self_memory.h"

#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_SIZE_MAX = 4096,
    NOTES_SIZE_MAX = 1024, /* of a segment; the build-id is among the first */
    NOTE_ALIGNMENT = 4,
};

static void list_free(struct loaded_module *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(list[i].path);
    }
    free(list);
}

void modules_done(struct modules *modules)
{
    list_free(modules->list, modules->count);
    *modules = (struct modules){ 0 };
}

/* The counters come with every entry: one is enough. */
static int on_counters(struct dl_phdr_info *info, size_t size, void *context)
{
    struct modules *ret = context;

    (void)size;
    ret->loads = info->dlpi_adds;
    ret->unloads = info->dlpi_subs;
    return 1;
}

static char *module_path(const struct dl_phdr_info *info, bool is_first)
{
    char path[PATH_SIZE_MAX];
    ssize_t size;

    if (info->dlpi_name && strncmp(info->dlpi_name, "linux-vdso", 10) == 0) return strdup("[vdso]");
    if (info->dlpi_name && info->dlpi_name[0] != '\0') return strdup(info->dlpi_name);
    if (!is_first) return strdup("[unnamed]");
    size = readlink("/proc/thread-self/exe", path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    return strdup(path);
}

static void take_build_id(struct loaded_module *module, uint64_t address, uint64_t size)
{
    _Alignas(ElfW(Nhdr)) unsigned char notes[NOTES_SIZE_MAX];
    size_t got = self_read(address, notes, size < sizeof notes ? size : sizeof notes);
    const unsigned char *at = notes, *end = at + got;

    while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)(const void *)at;
        size_t name_size = (note->n_namesz + NOTE_ALIGNMENT - 1u) & ~(NOTE_ALIGNMENT - 1u);
        size_t data_size = (note->n_descsz + NOTE_ALIGNMENT - 1u) & ~(NOTE_ALIGNMENT - 1u);
        const unsigned char *name = at + sizeof *note, *data;

        if (name_size > (size_t)(end - name) || data_size > (size_t)(end - name) - name_size)
            return;
        data = name + name_size;
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0) {
            module->build_id_size =
                (uint8_t)(note->n_descsz < BUILD_ID_SIZE_MAX ? note->n_descsz : BUILD_ID_SIZE_MAX);
            memcpy(module->build_id, data, module->build_id_size);
            return;
        }
        at = data + data_size;
    }
}

static void take_segment(struct loaded_module *module, const ElfW(Phdr) * header)
{
    struct segment segment = {
        .low = module->bias + header->p_vaddr,
        .high = module->bias + header->p_vaddr + header->p_memsz,
        .is_code = (header->p_flags & PF_X) != 0,
    };

    if (module->segment_count == MODULE_SEGMENTS_MAX) return;
    module->segments[module->segment_count++] = segment;
    if (module->segment_count == 1 || segment.low < module->low) module->low = segment.low;
    if (segment.high > module->high) module->high = segment.high;
}

static void take_header(struct loaded_module *module, const ElfW(Phdr) * header)
{
    switch (header->p_type) {
    case PT_LOAD:
        take_segment(module, header);
        break;
    case PT_NOTE:
        if (module->build_id_size == 0)
            take_build_id(module, module->bias + header->p_vaddr, header->p_memsz);
        break;
    case PT_GNU_EH_FRAME:
        module->unwind_header = module->bias + header->p_vaddr;
        break;
    default:
        break;
    }
}

static int on_module(struct dl_phdr_info *info, size_t size, void *context)
{
    struct modules *modules = context;
    struct loaded_module *grown, module = { .bias = info->dlpi_addr };

    (void)size;
    modules->loads = info->dlpi_adds;
    modules->unloads = info->dlpi_subs;
    for (uint16_t i = 0; i < info->dlpi_phnum; i++) {
        take_header(&module, &info->dlpi_phdr[i]);
    }
    if (module.segment_count == 0) return 0;
    grown = realloc(modules->list, (modules->count + 1) * sizeof *grown);
    if (!grown) return 1;
    modules->list = grown;
    module.path = module_path(info, modules->count == 0);
    if (!module.path) return 1;
    modules->list[modules->count++] = module;
    return 0;
}

static int by_low(const void *left, const void *right)
{
    const struct loaded_module *a = left, *b = right;

    return a->low < b->low ? -1 : a->low > b->low;
}

bool modules_refresh(struct modules *modules)
{
    struct modules now = { 0 };
    bool has_changed;

    if (!fork_gate_enter()) return false;
    dl_iterate_phdr(on_counters, &now);
    has_changed =
        modules->generation == 0 || now.loads != modules->loads || now.unloads != modules->unloads;
    now = (struct modules){ .generation = modules->generation + 1 };
    if (has_changed) dl_iterate_phdr(on_module, &now);
    fork_gate_leave();
    if (!has_changed) return false;
    if (now.count > 1) qsort(now.list, now.count, sizeof *now.list, by_low);
    list_free(modules->list, modules->count);
    *modules = now;
    return true;
}

const struct loaded_module *modules_find(const struct modules *modules, uint64_t address)
{
    uint32_t low = 0, high = modules->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (modules->list[middle].low <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || address >= modules->list[low - 1].high) return NULL;
    return &modules->list[low - 1];
}

uint64_t module_segment_end(const struct loaded_module *module, uint64_t address)
{
    for (uint32_t i = 0; i < module->segment_count; i++) {
        if (address >= module->segments[i].low && address < module->segments[i].high)
            return module->segments[i].high;
    }
    return 0;
}

bool module_holds_code(const struct loaded_module *module, uint64_t address)
{
    for (uint32_t i = 0; i < module->segment_count; i++) {
        if (module->segments[i].is_code && address >= module->segments[i].low &&
            address < module->segments[i].high)
            return true;
    }
    return false;
}

uint64_t modules_size(const struct modules *modules)
{
    uint64_t size = modules->count * sizeof *modules->list;

    for (uint32_t i = 0; i < modules->count; i++) {
        size += strlen(modules->list[i].path) + 1;
    }
    return size;
}
