/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_index.c: per module one sorted array of functions, one of objects, one of unwind entries.
 *
 *     index -> entry (most recently used first) -> entry -> ...
 *                |- functions: begin, size, name      from .symtab, else .dynsym
 *                |- objects:   begin, size, name      likewise, read when first asked for
 *                '- unwinds:   begin                  from .eh_frame_hdr, likewise
 *
 * Names are not kept: a lookup reads its name from the file, if that is still the same file. A
 * module that could not be read is remembered as such, so that it is not tried for each frame.
 *
 * Several symbols may begin at one address (aliases), and small ones may lie within a larger one
 * (local labels of assembly). Of those that cover the address, the innermost begin wins; of
 * aliases, the name that a programmer would have written: fewest leading underscores, then the
 * shortest. */
#include "probe/agent/symbol_index.h"

#include "common/base/own.h"
#include "probe/agent/elf_file.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

#define OWN_PROGRAM "/proc/self/exe"

enum {
    SYMBOLS_READ_COUNT = 512, /* symbols per read */
    ALIASES_MAX = 16,         /* at one address; and how far an enclosing symbol is looked for */
    ENTRIES_MAX = 4096,       /* modules remembered, readable or not */
    UNWINDS_MAX = 4 * 1024 * 1024,
};

struct range {
    uint64_t begin;
    uint32_t size; /* 0: until the next one begins */
    uint32_t name; /* into the string table */
};

struct ranges {
    struct range *items; /* sorted by begin */
    size_t count;
    bool is_read;
};

struct entry {
    struct entry *next;
    char *path;
    const char *opened; /* what is opened for it: the path, or OWN_PROGRAM */
    uint8_t build_id[BUILD_ID_SIZE_MAX];
    size_t build_id_size;
    int error; /* why it cannot be read; 0: it can */
    struct elf_identity identity;
    uint64_t names_offset, names_size; /* the string table in the file */
    uint64_t symbols_offset, symbols_size;
    struct ranges functions, objects;
    uint32_t *unwinds; /* sorted; addresses less unwinds_base */
    size_t unwind_count;
    uint64_t unwinds_base, unwinds_address;
    bool has_unwinds;
    size_t size; /* bytes held */
};

struct symbol_index {
    struct entry *entries;
    size_t entry_count, size, size_max;
};

/* ---- entries ---- */

static struct entry *entry_free(struct entry *entry)
{
    if (!entry) return NULL;
    free(entry->path);
    free(entry->functions.items);
    free(entry->objects.items);
    free(entry->unwinds);
    free(entry);
    return NULL;
}

struct symbol_index *symbol_index_new(size_t size_max)
{
    struct symbol_index *index = calloc(1, sizeof *index);

    if (index) index->size_max = size_max;
    return index;
}

struct symbol_index *symbol_index_free(struct symbol_index *index)
{
    if (!index) return NULL;
    for (struct entry *it = index->entries, *next; it; it = next) {
        next = it->next;
        entry_free(it);
    }
    free(index);
    return NULL;
}

size_t symbol_index_size(const struct symbol_index *index)
{
    return index->size;
}

/* Adds to what an entry holds, and forgets the entries at the end of the list until the whole is
 * within its bound. The entry itself stays, even if it alone is too large: see read_ranges(). */
static void account(struct symbol_index *index, struct entry *entry, size_t size)
{
    entry->size += size;
    index->size += size;
    while (index->size > index->size_max || index->entry_count > ENTRIES_MAX) {
        struct entry **last = &index->entries;

        while ((*last)->next) {
            last = &(*last)->next;
        }
        if (*last == entry) return;
        index->size -= (*last)->size;
        index->entry_count--;
        *last = entry_free(*last);
    }
}

static bool is_entry_of(const struct entry *entry, const struct symbol_module *module)
{
    struct text build_id = { (const char *)entry->build_id, entry->build_id_size };

    return text_is_equal(text_of(entry->path), module->path) &&
           text_is_equal(build_id, module->build_id);
}

/* Finds an entry and moves it to the front. */
static struct entry *entry_find(struct symbol_index *index, const struct symbol_module *module)
{
    for (struct entry **at = &index->entries; *at; at = &(*at)->next) {
        struct entry *entry = *at;

        if (!is_entry_of(entry, module)) continue;
        *at = entry->next;
        entry->next = index->entries;
        index->entries = entry;
        return entry;
    }
    return NULL;
}

static int open_module(const struct entry *entry, struct elf_file *ret)
{
    if (strcmp(entry->opened, "[vdso]") == 0) {
        uint64_t address = getauxval(AT_SYSINFO_EHDR);

        return address ? elf_file_open_image(address, ret) : -ENOENT;
    }
    if (entry->opened[0] != '/') return -ENOENT;
    return elf_file_open(entry->opened, ret);
}

/* The same file as when the entry was made? Only then do its offsets mean anything. */
static int reopen_module(const struct entry *entry, struct elf_file *ret)
{
    struct elf_file file;
    int rc = open_module(entry, &file);

    if (rc < 0) return rc;
    if (!elf_identity_is_equal(&file.identity, &entry->identity)) {
        elf_file_close(&file);
        return -ESTALE;
    }
    *ret = file;
    return 0;
}

static void locate_symbols(const struct elf_file *file, struct entry *entry)
{
    const Elf64_Shdr *symbols = elf_file_section(file, SHT_SYMTAB), *names;

    if (!symbols) symbols = elf_file_section(file, SHT_DYNSYM);
    if (!symbols || symbols->sh_entsize != sizeof(Elf64_Sym)) return;
    if (symbols->sh_link >= file->section_count) return;
    names = &file->sections[symbols->sh_link];
    entry->symbols_offset = symbols->sh_offset;
    entry->symbols_size = symbols->sh_size;
    entry->names_offset = names->sh_offset;
    entry->names_size = names->sh_size;
}

static int inspect(struct entry *entry)
{
    OWN(elf_file_close) struct elf_file file = { .fd = -1 };
    uint8_t build_id[BUILD_ID_SIZE_MAX];
    const Elf64_Phdr *unwinds;
    int rc = open_module(entry, &file);

    if (rc < 0) return rc;
    if (elf_file_build_id(&file, build_id) != entry->build_id_size ||
        memcmp(build_id, entry->build_id, entry->build_id_size) != 0)
        return -ESTALE;
    entry->identity = file.identity;
    locate_symbols(&file, entry);
    unwinds = elf_file_segment(&file, PT_GNU_EH_FRAME);
    if (unwinds) entry->unwinds_address = unwinds->p_vaddr;
    return 0;
}

/* A program that was replaced on disk while it runs, by an upgrade, is still there in /proc. The
 * build-id says whether it is the module that is meant. */
static int inspect_anywhere(struct entry *entry)
{
    int rc = inspect(entry);

    if (rc == 0 || entry->build_id_size == 0) return rc;
    entry->opened = OWN_PROGRAM;
    if (inspect(entry) == 0) return 0;
    entry->opened = entry->path;
    return rc;
}

static struct entry *entry_add(struct symbol_index *index, const struct symbol_module *module)
{
    struct entry *entry = calloc(1, sizeof *entry);

    if (!entry || module->build_id.size > BUILD_ID_SIZE_MAX) return entry_free(entry);
    entry->path = strndup(module->path.data, module->path.size);
    if (!entry->path) return entry_free(entry);
    if (module->build_id.size > 0)
        memcpy(entry->build_id, module->build_id.data, module->build_id.size);
    entry->build_id_size = module->build_id.size;
    entry->opened = entry->path;
    entry->error = inspect_anywhere(entry);
    entry->next = index->entries;
    index->entries = entry;
    index->entry_count++;
    account(index, entry, sizeof *entry + module->path.size + 1);
    return entry;
}

static int entry_get(struct symbol_index *index, const struct symbol_module *module,
                     struct entry **ret)
{
    struct entry *entry = entry_find(index, module);

    if (!entry) entry = entry_add(index, module);
    if (!entry) return -ENOMEM;
    if (entry->error < 0) return entry->error;
    *ret = entry;
    return 0;
}

/* ---- ranges ---- */

static bool is_function(const Elf64_Sym *symbol)
{
    int type = ELF64_ST_TYPE(symbol->st_info);

    return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF;
}

static bool is_object(const Elf64_Sym *symbol)
{
    return ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT && symbol->st_shndx != SHN_UNDEF;
}

static int range_compare(const void *left, const void *right)
{
    const struct range *a = left, *b = right;

    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

static int ranges_add(struct ranges *ranges, size_t *capacity, size_t count_max,
                      const Elf64_Sym *symbol)
{
    uint64_t size = symbol->st_size;

    if (ranges->count == count_max) return -ENOBUFS;
    if (ranges->count == *capacity) {
        size_t larger = *capacity ? *capacity * 2 : 256;
        struct range *items = realloc(ranges->items, larger * sizeof *items);

        if (!items) return -ENOMEM;
        ranges->items = items;
        *capacity = larger;
    }
    ranges->items[ranges->count++] = (struct range){
        .begin = symbol->st_value,
        .size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size,
        .name = symbol->st_name,
    };
    return 0;
}

static int collect(const struct elf_file *file, const struct entry *entry, struct ranges *ranges,
                   size_t count_max, bool (*is_wanted)(const Elf64_Sym *))
{
    Elf64_Sym symbols[SYMBOLS_READ_COUNT];
    uint64_t left = entry->symbols_size / sizeof *symbols, offset = entry->symbols_offset;
    size_t capacity = 0;
    int rc = 0;

    while (left > 0 && rc == 0) {
        size_t count = left < SYMBOLS_READ_COUNT ? left : SYMBOLS_READ_COUNT;

        rc = elf_file_read(file, offset, symbols, count * sizeof *symbols);
        for (size_t i = 0; i < count && rc == 0; i++) {
            if (is_wanted(&symbols[i])) rc = ranges_add(ranges, &capacity, count_max, &symbols[i]);
        }
        offset += count * sizeof *symbols;
        left -= count;
    }
    return rc;
}

/* Fills `ranges`, once. A table that alone would pass the bound is left out whole. */
static void read_ranges(struct symbol_index *index, struct entry *entry, struct ranges *ranges,
                        bool (*is_wanted)(const Elf64_Sym *))
{
    OWN(elf_file_close) struct elf_file file = { .fd = -1 };
    size_t count_max = index->size_max / 2 / sizeof *ranges->items;
    struct range *fitted;

    if (ranges->is_read) return;
    ranges->is_read = true;
    if (reopen_module(entry, &file) < 0) return;
    if (collect(&file, entry, ranges, count_max, is_wanted) < 0 || ranges->count == 0) {
        free(ranges->items);
        ranges->items = NULL;
        ranges->count = 0;
        return;
    }
    qsort(ranges->items, ranges->count, sizeof *ranges->items, range_compare);
    fitted = realloc(ranges->items, ranges->count * sizeof *fitted);
    if (fitted) ranges->items = fitted;
    account(index, entry, ranges->count * sizeof *fitted);
}

/* How many ranges begin at or before the offset. */
static size_t ranges_until(const struct ranges *ranges, uint64_t offset)
{
    size_t low = 0, high = ranges->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ranges->items[middle].begin <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool covers(const struct ranges *ranges, size_t at, size_t until, uint64_t offset)
{
    const struct range *range = &ranges->items[at];

    if (range->size > 0) return offset - range->begin < range->size;
    return at + 1 == until || ranges->items[at + 1].begin == range->begin;
}

/* The innermost range that covers the offset. */
static const struct range *ranges_find(const struct ranges *ranges, uint64_t offset)
{
    size_t until = ranges_until(ranges, offset);

    for (size_t back = 1; back <= ALIASES_MAX && back <= until; back++) {
        if (covers(ranges, until - back, until, offset)) return &ranges->items[until - back];
    }
    return NULL;
}

/* ---- names ---- */

static void read_name(const struct elf_file *file, const struct entry *entry, uint32_t name,
                      char ret[STRING_SIZE_MAX + 1])
{
    size_t size = STRING_SIZE_MAX;

    ret[0] = '\0';
    if (name == 0 || name >= entry->names_size) return;
    if (size > entry->names_size - name) size = (size_t)(entry->names_size - name);
    if (elf_file_read(file, entry->names_offset + name, ret, size) < 0) size = 0;
    ret[size] = '\0';
    if (!text_is_printable(text_of(ret))) ret[0] = '\0';
}

static bool is_better_name(const char *name, const char *than)
{
    size_t bars = strspn(name, "_"), than_bars = strspn(than, "_");

    if (name[0] == '\0') return false;
    if (than[0] == '\0') return true;
    if (bars != than_bars) return bars < than_bars;
    return strlen(name) < strlen(than);
}

/* Fills *ret with the best name among those that begin where `range` does. */
static int name_range(const struct entry *entry, const struct ranges *ranges,
                      const struct range *range, struct symbol *ret)
{
    OWN(elf_file_close) struct elf_file file = { .fd = -1 };
    const struct range *end = ranges->items + ranges->count, *it = range;
    char name[STRING_SIZE_MAX + 1];
    int rc = reopen_module(entry, &file);

    if (rc < 0) return rc;
    while (it > ranges->items && it[-1].begin == range->begin) {
        it--;
    }
    ret->name[0] = '\0';
    for (size_t i = 0; i < ALIASES_MAX && it < end && it->begin == range->begin; i++, it++) {
        read_name(&file, entry, it->name, name);
        if (is_better_name(name, ret->name)) memcpy(ret->name, name, strlen(name) + 1);
    }
    if (ret->name[0] == '\0') return -ENOENT;
    ret->begin = range->begin;
    ret->size = range->size;
    return 0;
}

/* ---- unwind entries ---- */

/* What .eh_frame_hdr begins with, in the one encoding that linkers write. */
struct unwind_head {
    uint8_t version, frame_encoding, count_encoding, table_encoding;
    int32_t frame;
    uint32_t count;
};

struct unwind_row {
    int32_t begin, entry; /* relative to the head */
};

enum { PE_UDATA4 = 0x03, PE_DATAREL_SDATA4 = 0x3b, PE_PCREL_SDATA4 = 0x1b };

static int read_unwind_rows(const struct elf_file *file, uint64_t address, uint32_t count,
                            uint32_t *ret)
{
    struct unwind_row rows[SYMBOLS_READ_COUNT];

    for (uint32_t at = 0; at < count;) {
        uint32_t some = count - at < SYMBOLS_READ_COUNT ? count - at : SYMBOLS_READ_COUNT;
        int rc =
            elf_file_read_address(file, address + at * sizeof *rows, rows, some * sizeof *rows);

        if (rc < 0) return rc;
        for (uint32_t i = 0; i < some; i++) {
            ret[at++] = (uint32_t)rows[i].begin;
        }
    }
    return 0;
}

/* Keeps the begins, in the file's order, which is ascending by the signed difference; adding 2^31
 * makes that an order of unsigned numbers. */
static void read_unwinds(struct symbol_index *index, struct entry *entry)
{
    OWN(elf_file_close) struct elf_file file = { .fd = -1 };
    struct unwind_head head;
    uint32_t *unwinds;

    if (entry->has_unwinds) return;
    entry->has_unwinds = true;
    if (entry->unwinds_address == 0 || reopen_module(entry, &file) < 0) return;
    if (elf_file_read_address(&file, entry->unwinds_address, &head, sizeof head) < 0) return;
    if (head.version != 1 || head.frame_encoding != PE_PCREL_SDATA4 ||
        head.count_encoding != PE_UDATA4 || head.table_encoding != PE_DATAREL_SDATA4)
        return;
    if (head.count == 0 || head.count > UNWINDS_MAX ||
        head.count > index->size_max / 2 / sizeof *unwinds)
        return;
    unwinds = malloc(head.count * sizeof *unwinds);
    if (!unwinds ||
        read_unwind_rows(&file, entry->unwinds_address + sizeof head, head.count, unwinds) < 0) {
        free(unwinds);
        return;
    }
    for (uint32_t i = 0; i < head.count; i++) {
        unwinds[i] ^= UINT32_C(1) << 31;
    }
    entry->unwinds = unwinds;
    entry->unwind_count = head.count;
    entry->unwinds_base = entry->unwinds_address - (UINT64_C(1) << 31);
    account(index, entry, head.count * sizeof *unwinds);
}

/* Where the unwind entry that holds the offset begins; 0 if there is none. */
static uint64_t unwind_begin(const struct entry *entry, uint64_t offset)
{
    uint64_t sought = offset - entry->unwinds_base;
    size_t low = 0, high = entry->unwind_count;

    if (entry->unwind_count == 0 || sought > UINT32_MAX) return 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (entry->unwinds[middle] <= sought) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? entry->unwinds_base + entry->unwinds[low - 1] : 0;
}

/* ---- look-ups ---- */

int symbol_index_function(struct symbol_index *index, const struct symbol_module *module,
                          uint64_t offset, struct symbol *ret)
{
    const struct range *range;
    struct entry *entry;
    uint64_t begin;
    int rc = entry_get(index, module, &entry);

    if (rc < 0) return rc;
    read_ranges(index, entry, &entry->functions, is_function);
    range = ranges_find(&entry->functions, offset);
    if (range && name_range(entry, &entry->functions, range, ret) == 0) return 0;
    read_unwinds(index, entry);
    begin = unwind_begin(entry, offset);
    if (begin == 0) return -ENOENT;
    ret->name[0] = '\0';
    ret->begin = begin;
    ret->size = 0;
    return 0;
}

int symbol_index_object(struct symbol_index *index, const struct symbol_module *module,
                        uint64_t offset, struct symbol *ret)
{
    const struct range *range;
    struct entry *entry;
    int rc = entry_get(index, module, &entry);

    if (rc < 0) return rc;
    read_ranges(index, entry, &entry->objects, is_object);
    range = ranges_find(&entry->objects, offset);
    if (!range || range->size == 0) return -ENOENT;
    return name_range(entry, &entry->objects, range, ret);
}
