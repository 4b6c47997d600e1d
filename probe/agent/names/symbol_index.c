/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_index.c: the modules that were asked for, and what of each is kept, within a bound.
 *
 *     index -> entry (most recently used first) -> entry -> ...
 *                |- file:      is it still the same, where its tables lie     symbol_file.c
 *                |- tables:    functions and objects: begin, size, name       symbol_ranges.c
 *                '- unwinds:   begin                  from .eh_frame_hdr      unwind_starts.c
 *
 * Each table is read when it is first needed. Names are not kept: a lookup reads its name from the
 * file, if that is still the same file. A module that could not be read is remembered as such, so
 * that it is not tried for each frame.
 *
 * Of the aliases of one address the name wins that a programmer would have written: fewest leading
 * underscores, then the shortest.
 *
 * INVARIANT: index->size is what the entries' `size` add up to, and is within size_max, but where a
 * single entry is larger: no table that takes more than half of size_max is read. */
#include "probe/agent/names/symbol_index.h"

#include "common/base/own.h"
#include "probe/agent/names/symbol_file.h"
#include "probe/agent/names/symbol_ranges.h"
#include "probe/agent/unwind/unwind_starts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 4096 }; /* modules remembered, readable or not */

struct entry {
    struct entry *next;
    struct symbol_file file;
    struct symbol_ranges tables[SYMBOL_KINDS];
    bool is_read[SYMBOL_KINDS]; /* or was tried */
    struct unwind_starts unwinds;
    bool has_unwinds; /* likewise */
    size_t size;      /* bytes held */
};

struct symbol_index {
    struct entry *entries;
    size_t entry_count, size, size_max;
};

/* ---- entries ---- */

static struct entry *entry_free(struct entry *entry)
{
    if (!entry) return NULL;
    symbol_file_done(&entry->file);
    for (int kind = 0; kind < SYMBOL_KINDS; kind++) {
        symbol_ranges_done(&entry->tables[kind]);
    }
    unwind_starts_done(&entry->unwinds);
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
 * within its bound. The entry itself stays, even if it alone is too large. */
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

/* Finds an entry and moves it to the front. */
static struct entry *entry_find(struct symbol_index *index, const struct symbol_module *module)
{
    for (struct entry **at = &index->entries; *at; at = &(*at)->next) {
        struct entry *entry = *at;

        if (!symbol_file_is_of(&entry->file, module)) continue;
        *at = entry->next;
        entry->next = index->entries;
        index->entries = entry;
        return entry;
    }
    return NULL;
}

static int entry_add(struct symbol_index *index, const struct symbol_module *module,
                     struct entry **ret)
{
    struct entry *entry = calloc(1, sizeof *entry);
    int rc = entry ? symbol_file_init(&entry->file, module) : -ENOMEM;

    if (rc < 0) {
        entry_free(entry);
        return rc;
    }
    entry->next = index->entries;
    index->entries = entry;
    index->entry_count++;
    account(index, entry, sizeof *entry + module->path.size + 1);
    *ret = entry;
    return 0;
}

static int entry_get(struct symbol_index *index, const struct symbol_module *module,
                     struct entry **ret)
{
    struct entry *entry = entry_find(index, module);
    int rc = entry ? 0 : entry_add(index, module, &entry);

    if (rc < 0) return rc;
    if (entry->file.error < 0) return entry->file.error;
    *ret = entry;
    return 0;
}

/* ---- tables ---- */

/* Reads a table, once. One that alone would pass the bound is left out whole. */
static void table_read(struct symbol_index *index, struct entry *entry, enum symbol_kind kind)
{
    OWN(elf_file_close) struct elf_file elf = { .fd = -1 };
    struct symbol_ranges *ranges = &entry->tables[kind];
    size_t count_max = index->size_max / 2 / sizeof *ranges->items;

    if (entry->is_read[kind]) return;
    entry->is_read[kind] = true;
    if (symbol_file_open(&entry->file, &elf) < 0) return;
    if (symbol_file_collect(&entry->file, &elf, kind, count_max, ranges) < 0) {
        symbol_ranges_done(ranges);
        return;
    }
    symbol_ranges_sort(ranges);
    account(index, entry, ranges->count * sizeof *ranges->items);
}

static void unwinds_read(struct symbol_index *index, struct entry *entry)
{
    OWN(elf_file_close) struct elf_file elf = { .fd = -1 };
    size_t count_max = index->size_max / 2 / sizeof *entry->unwinds.items;
    uint64_t address = entry->file.unwinds_address;

    if (entry->has_unwinds) return;
    entry->has_unwinds = true;
    if (address == 0 || symbol_file_open(&entry->file, &elf) < 0) return;
    if (unwind_starts_read(&elf, address, count_max, &entry->unwinds) < 0) return;
    account(index, entry, entry->unwinds.count * sizeof *entry->unwinds.items);
}

/* ---- names ---- */

static bool is_better_name(const char *name, const char *than)
{
    size_t bars = strspn(name, "_"), than_bars = strspn(than, "_");

    if (name[0] == '\0') return false;
    if (than[0] == '\0') return true;
    if (bars != than_bars) return bars < than_bars;
    return strlen(name) < strlen(than);
}

/* Fills *ret with the best name among those that begin where `range` does. */
static int range_name(const struct entry *entry, enum symbol_kind kind,
                      const struct symbol_range *range, struct symbol *ret)
{
    OWN(elf_file_close) struct elf_file elf = { .fd = -1 };
    const struct symbol_ranges *ranges = &entry->tables[kind];
    const struct symbol_range *end = ranges->items + ranges->count;
    const struct symbol_range *it = symbol_ranges_first_alias(ranges, range);
    char name[STRING_SIZE_MAX + 1];
    int rc = symbol_file_open(&entry->file, &elf);

    if (rc < 0) return rc;
    ret->name[0] = '\0';
    for (int i = 0; i < SYMBOL_ALIASES_MAX && it < end && it->begin == range->begin; i++, it++) {
        symbol_file_name(&entry->file, &elf, it->name, name);
        if (is_better_name(name, ret->name)) memcpy(ret->name, name, strlen(name) + 1);
    }
    if (ret->name[0] == '\0') return -ENOENT;
    ret->begin = range->begin;
    ret->size = range->size;
    return 0;
}

/* ---- look-ups ---- */

int symbol_index_function(struct symbol_index *index, const struct symbol_module *module,
                          uint64_t offset, struct symbol *ret)
{
    const struct symbol_range *range;
    struct entry *entry;
    uint64_t begin;
    int rc = entry_get(index, module, &entry);

    if (rc < 0) return rc;
    table_read(index, entry, SYMBOL_FUNCTION);
    range = symbol_ranges_find(&entry->tables[SYMBOL_FUNCTION], offset);
    if (range && range_name(entry, SYMBOL_FUNCTION, range, ret) == 0) return 0;
    unwinds_read(index, entry);
    begin = unwind_starts_find(&entry->unwinds, offset);
    if (begin == 0) return -ENOENT;
    ret->name[0] = '\0';
    ret->begin = begin;
    ret->size = 0;
    return 0;
}

int symbol_index_object(struct symbol_index *index, const struct symbol_module *module,
                        uint64_t offset, struct symbol *ret)
{
    const struct symbol_range *range;
    struct entry *entry;
    int rc = entry_get(index, module, &entry);

    if (rc < 0) return rc;
    table_read(index, entry, SYMBOL_OBJECT);
    range = symbol_ranges_find(&entry->tables[SYMBOL_OBJECT], offset);
    if (!range || range->size == 0) return -ENOENT;
    return range_name(entry, SYMBOL_OBJECT, range, ret);
}
