/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/names/symbol_file.h"

#include "common/base/own.h"
#include "probe/agent/names/symbol_ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define OWN_PROGRAM "/proc/self/exe"

enum { SYMBOLS_READ_COUNT = 512 }; /* symbols per read */

static int module_open(const struct symbol_file *file, struct elf_file *ret)
{
    if (strcmp(file->opened, "[vdso]") == 0) {
        uint64_t address = getauxval(AT_SYSINFO_EHDR);

        return address ? elf_file_open_image(address, ret) : -ENOENT;
    }
    if (file->opened[0] != '/') return -ENOENT;
    return elf_file_open(file->opened, ret);
}

static void symbols_locate(const struct elf_file *elf, struct symbol_file *file)
{
    const Elf64_Shdr *symbols = elf_file_section(elf, SHT_SYMTAB), *names;

    if (!symbols) symbols = elf_file_section(elf, SHT_DYNSYM);
    if (!symbols || symbols->sh_entsize != sizeof(Elf64_Sym)) return;
    if (symbols->sh_link >= elf->section_count) return;
    names = &elf->sections[symbols->sh_link];
    file->symbols_offset = symbols->sh_offset;
    file->symbols_size = symbols->sh_size;
    file->names_offset = names->sh_offset;
    file->names_size = names->sh_size;
}

static int inspect(struct symbol_file *file)
{
    OWN(elf_file_close) struct elf_file elf = { .fd = -1 };
    uint8_t build_id[BUILD_ID_SIZE_MAX];
    const Elf64_Phdr *unwinds;
    int rc = module_open(file, &elf);

    if (rc < 0) return rc;
    if (elf_file_build_id(&elf, build_id) != file->build_id_size ||
        memcmp(build_id, file->build_id, file->build_id_size) != 0)
        return -ESTALE;
    file->identity = elf.identity;
    symbols_locate(&elf, file);
    unwinds = elf_file_segment(&elf, PT_GNU_EH_FRAME);
    if (unwinds) file->unwinds_address = unwinds->p_vaddr;
    return 0;
}

/* A program that was replaced on disk while it runs, by an upgrade, is still there in /proc. The
 * build-id says whether it is the module that is meant. */
static int inspect_anywhere(struct symbol_file *file)
{
    int rc = inspect(file);

    if (rc == 0 || file->build_id_size == 0) return rc;
    file->opened = OWN_PROGRAM;
    if (inspect(file) == 0) return 0;
    file->opened = file->path;
    return rc;
}

int symbol_file_init(struct symbol_file *file, const struct symbol_module *module)
{
    if (module->build_id.size > BUILD_ID_SIZE_MAX) return -EINVAL;
    *file = (struct symbol_file){ .build_id_size = module->build_id.size };
    file->path = strndup(module->path.data, module->path.size);
    if (!file->path) return -ENOMEM;
    if (module->build_id.size > 0)
        memcpy(file->build_id, module->build_id.data, module->build_id.size);
    file->opened = file->path;
    file->error = inspect_anywhere(file);
    return 0;
}

void symbol_file_done(struct symbol_file *file)
{
    free(file->path);
    *file = (struct symbol_file){ 0 };
}

bool symbol_file_is_of(const struct symbol_file *file, const struct symbol_module *module)
{
    struct text build_id = { (const char *)file->build_id, file->build_id_size };

    return text_is_equal(text_of(file->path), module->path) &&
           text_is_equal(build_id, module->build_id);
}

int symbol_file_open(const struct symbol_file *file, struct elf_file *ret)
{
    struct elf_file elf;
    int rc = module_open(file, &elf);

    if (rc < 0) return rc;
    if (!elf_identity_is_equal(&elf.identity, &file->identity)) {
        elf_file_close(&elf);
        return -ESTALE;
    }
    *ret = elf;
    return 0;
}

static bool is_of_kind(const Elf64_Sym *symbol, enum symbol_kind kind)
{
    int type = ELF64_ST_TYPE(symbol->st_info);

    if (symbol->st_shndx == SHN_UNDEF) return false;
    if (kind == SYMBOL_OBJECT) return type == STT_OBJECT;
    return type == STT_FUNC || type == STT_GNU_IFUNC;
}

static struct symbol_range range_of(const Elf64_Sym *symbol)
{
    return (struct symbol_range){
        .begin = symbol->st_value,
        .size = symbol->st_size > UINT32_MAX ? UINT32_MAX : (uint32_t)symbol->st_size,
        .name = symbol->st_name,
    };
}

/* Those of one read. */
static int symbols_add(const Elf64_Sym *symbols, size_t count, enum symbol_kind kind,
                       size_t count_max, struct symbol_ranges *ranges)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        struct symbol_range range = range_of(&symbols[i]);

        if (is_of_kind(&symbols[i], kind)) rc = symbol_ranges_add(ranges, &range, count_max);
    }
    return rc;
}

int symbol_file_collect(const struct symbol_file *file, const struct elf_file *elf,
                        enum symbol_kind kind, size_t count_max, struct symbol_ranges *ret)
{
    Elf64_Sym symbols[SYMBOLS_READ_COUNT];
    uint64_t left = file->symbols_size / sizeof *symbols, offset = file->symbols_offset;
    int rc = 0;

    while (left > 0 && rc == 0) {
        size_t count = left < SYMBOLS_READ_COUNT ? left : SYMBOLS_READ_COUNT;

        rc = elf_file_read(elf, offset, symbols, count * sizeof *symbols);
        if (rc == 0) rc = symbols_add(symbols, count, kind, count_max, ret);
        offset += count * sizeof *symbols;
        left -= count;
    }
    return rc;
}

void symbol_file_name(const struct symbol_file *file, const struct elf_file *elf, uint32_t name,
                      char ret[STRING_SIZE_MAX + 1])
{
    size_t size = STRING_SIZE_MAX;

    ret[0] = '\0';
    if (name == 0 || name >= file->names_size) return;
    if (size > file->names_size - name) size = (size_t)(file->names_size - name);
    if (elf_file_read(elf, file->names_offset + name, ret, size) < 0) size = 0;
    ret[size] = '\0';
    if (!text_is_printable(text_of(ret))) ret[0] = '\0';
}
