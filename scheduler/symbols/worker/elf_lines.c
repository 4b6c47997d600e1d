/* SPDX-License-Identifier: Apache-2.0 */
/* elf_lines.c: three indexes, so that an address of a 100 MB module costs microseconds:
 *
 *     units        address ranges of all compilation units, read once per module
 *     functions    of a unit, address ranges of its functions, read when first asked for
 *     symbols      of the symbol table, for what the debug information does not name
 *
 * libdw's own way (dwarf_getscopes) walks the whole unit for each address: 9 ms in the units of a
 * large C++ program, against some microseconds from the function's own entry down.
 *
 * What an address means: the unit's line table gives file and line of the innermost function.
 * Below the function's entry (DIE) are those inlined into it, each within its caller; an inlined
 * one says where it was called, which is the line of the next one out.
 *
 * Entries refer to each other, and a hostile file refers in circles: all depths are bounded here;
 * what loops inside libdw ends with the worker's deadline. */
#include "scheduler/symbols/worker/elf_lines.h"

#include "common/base/check.h"
#include "scheduler/symbols/symbol_wire.h"
#include "scheduler/symbols/worker/demangle.h"
#include "scheduler/symbols/worker/elf_module.h"
#include "scheduler/symbols/worker/ranges.h"
#include "scheduler/symbols/worker/source_path.h"
#include "scheduler/symbols/worker/split_unit.h"
#include "scheduler/symbols/worker/symbol_table.h"

#include <dwarf.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCOPES_DEPTH_MAX = 256, /* blocks within blocks of one function */
    ENTRIES_DEPTH_MAX = 32, /* namespaces and classes within each other */
};

struct unit {
    Dwarf_Die die; /* with the line table; of split DWARF: the skeleton */
    struct split_unit split;
    bool is_skeleton, is_indexed;
    struct range_list ranges; /* of functions */
    Dwarf_Die *functions;
    uint32_t function_count, function_capacity;
};

struct elf_lines {
    struct elf_module files;
    struct text path; /* a loan */
    bool reads_path;
    Dwarf *dwarf;             /* of one of the files, or NULL */
    struct range_list ranges; /* of units */
    struct unit *units;
    uint32_t unit_count, unit_capacity;
    struct symbol_table symbols;
    char *owned[2 * LOCATIONS_MAX]; /* names and files of the last answer that are not the file's */
    uint32_t owned_count;
};

/* Adds all ranges of an entry. Those at 0 are of code that the linker dropped. */
static bool ranges_of_entry(struct range_list *list, Dwarf_Die *die, uint32_t row)
{
    uint32_t before = list->count;
    Dwarf_Addr base, low, high;
    ptrdiff_t at = 0;

    while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0)
        if (low != 0) range_list_add(list, (struct range){ low, high, row });
    return list->count > before;
}

/* ---- indexes ---- */

static void unit_add(struct elf_lines *lines, const struct unit *unit)
{
    if (lines->unit_count == lines->unit_capacity) {
        lines->unit_capacity = lines->unit_capacity ? lines->unit_capacity * 2 : 64;
        lines->units = mem_grow(lines->units, lines->unit_capacity * sizeof *lines->units);
    }
    lines->units[lines->unit_count++] = *unit;
}

static void units_read(struct elf_lines *lines)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Half version;
    Dwarf_Die die;
    uint8_t type;

    while (dwarf_get_units(lines->dwarf, unit, &unit, &version, &type, &die, NULL) == 0) {
        if (type != DW_UT_compile && type != DW_UT_skeleton) continue;
        if (!ranges_of_entry(&lines->ranges, &die, lines->unit_count)) continue;
        unit_add(lines, &(struct unit){ .die = die, .is_skeleton = type == DW_UT_skeleton });
    }
    range_list_sort(&lines->ranges);
}

static void function_add(struct unit *unit, const Dwarf_Die *die)
{
    if (unit->function_count == unit->function_capacity) {
        unit->function_capacity = unit->function_capacity ? unit->function_capacity * 2 : 64;
        unit->functions =
            mem_grow(unit->functions, unit->function_capacity * sizeof *unit->functions);
    }
    unit->functions[unit->function_count++] = *die;
}

static bool may_hold_functions(int tag)
{
    return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
           tag == DW_TAG_class_type || tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
}

static void functions_read(struct unit *unit, Dwarf_Die *parent, int depth)
{
    Dwarf_Die die;

    if (depth == ENTRIES_DEPTH_MAX || dwarf_child(parent, &die) != 0) return;
    do {
        int tag = dwarf_tag(&die);

        if (may_hold_functions(tag)) functions_read(unit, &die, depth + 1);
        if (tag != DW_TAG_subprogram) continue;
        if (!ranges_of_entry(&unit->ranges, &die, unit->function_count)) continue;
        function_add(unit, &die);
    } while (dwarf_siblingof(&die, &die) == 0);
}

static void unit_index(struct elf_lines *lines, struct unit *unit)
{
    struct split_source from = { .dwarf = lines->dwarf,
                                 .path = lines->path,
                                 .beside = { lines->files.main.path, lines->files.debug.path } };

    if (unit->is_indexed) return;
    unit->is_indexed = true;
    if (lines->reads_path && unit->is_skeleton) split_unit_open(&from, &unit->die, &unit->split);
    functions_read(unit, unit->split.dwarf ? &unit->split.die : &unit->die, 0);
    range_list_sort(&unit->ranges);
}

static void symbols_read(struct elf_lines *lines)
{
    const struct elf_module *files = &lines->files;
    struct symbol_table *symbols = &lines->symbols;

    if (!symbol_table_read(symbols, files->main.elf, SHT_SYMTAB) &&
        !symbol_table_read(symbols, files->debug.elf, SHT_SYMTAB)) {
        symbol_table_read(symbols, files->mini, SHT_SYMTAB); /* without what is in .dynsym */
        symbol_table_read(symbols, files->main.elf, SHT_DYNSYM);
    }
    symbol_table_sort(symbols);
}

struct elf_lines *elf_lines_open(const struct elf_lines_options *options)
{
    struct elf_lines *lines = mem_zalloc(1, sizeof *lines);

    elf_version(EV_CURRENT);
    lines->path = options->path;
    lines->reads_path = options->reads_path;
    elf_module_open(&lines->files, options);
    lines->dwarf = lines->files.main.dwarf ? lines->files.main.dwarf : lines->files.debug.dwarf;
    if (lines->dwarf) units_read(lines);
    symbols_read(lines);
    return lines;
}

static void owned_free(struct elf_lines *lines)
{
    while (lines->owned_count > 0)
        free(lines->owned[--lines->owned_count]);
}

struct elf_lines *elf_lines_close(struct elf_lines *lines)
{
    if (!lines) return NULL;
    owned_free(lines);
    for (uint32_t i = 0; i < lines->unit_count; i++) {
        split_unit_close(&lines->units[i].split);
        range_list_done(&lines->units[i].ranges);
        free(lines->units[i].functions);
    }
    free(lines->units);
    range_list_done(&lines->ranges);
    symbol_table_done(&lines->symbols);
    elf_module_close(&lines->files);
    free(lines);
    return NULL;
}

bool elf_lines_have_lines(const struct elf_lines *lines)
{
    return lines->dwarf != NULL;
}

bool elf_lines_are_stored(const struct elf_lines *lines)
{
    return lines->files.is_stored;
}

/* ---- look-ups ---- */

/* Keeps a text for as long as the answer. There are two at most for each location. */
static struct text own(struct elf_lines *lines, char *text)
{
    CHECK(lines->owned_count < ARRAY_COUNT(lines->owned));
    lines->owned[lines->owned_count++] = text;
    return text_of(text);
}

/* Demangled if it is mangled. */
static struct text show_name(struct elf_lines *lines, const char *name)
{
    char *demangled = name ? name_demangle(name) : NULL;

    return demangled ? own(lines, demangled) : text_of(name);
}

/* A relative name is relative to the folder in which the unit was compiled. */
static struct text show_file(struct elf_lines *lines, struct unit *unit, const char *name)
{
    Dwarf_Attribute attribute;
    const char *folder = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &attribute));
    char *path;

    if (!name) return text_of(name);
    if (name[0] == '/' || !folder)
        path = strdup(name);
    else if (asprintf(&path, "%s/%s", folder, name) < 0)
        path = NULL;
    if (!path) return text_of(name);
    source_path_tidy(path);
    return own(lines, path);
}

static const char *linkage_name(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));

    if (name) return name;
    return dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute));
}

static bool is_scope(int tag)
{
    return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
           tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/* Steps from a scope into the one within it that has the address. */
static bool scope_enter(Dwarf_Die *scope, uint64_t offset)
{
    Dwarf_Die die;

    if (dwarf_child(scope, &die) != 0) return false;
    do {
        if (!is_scope(dwarf_tag(&die)) || dwarf_haspc(&die, offset) <= 0) continue;
        *scope = die;
        return true;
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
}

/* The function and what is inlined in it at the address, outermost first. */
static uint8_t chain_find(struct elf_lines *lines, struct unit *unit, uint64_t offset,
                          Dwarf_Die *ret)
{
    const struct range *range;
    uint8_t count = 0;
    Dwarf_Die scope;

    unit_index(lines, unit);
    range = range_list_find(&unit->ranges, offset);
    if (!range) return 0;
    scope = unit->functions[range->row];
    ret[count++] = scope;
    for (int depth = 0; depth < SCOPES_DEPTH_MAX && scope_enter(&scope, offset); depth++)
        if (dwarf_tag(&scope) == DW_TAG_inlined_subroutine && count < LOCATIONS_MAX)
            ret[count++] = scope;
    return count;
}

static uint32_t attribute_number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;

    if (dwarf_formudata(dwarf_attr(die, name, &attribute), &value) != 0) return 0;
    return value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* The files that a unit's entries speak of: a split one may have a table of its own. */
static bool unit_files(struct unit *unit, Dwarf_Files **ret, size_t *ret_count)
{
    if (unit->split.dwarf && dwarf_getsrcfiles(&unit->split.die, ret, ret_count) == 0) return true;
    return dwarf_getsrcfiles(&unit->die, ret, ret_count) == 0;
}

/* Where an inlined function was called. */
static void call_place(struct elf_lines *lines, struct unit *unit, Dwarf_Die *inlined,
                       struct source_location *ret)
{
    uint32_t file = attribute_number(inlined, DW_AT_call_file);
    Dwarf_Files *files;
    size_t count;

    ret->line = attribute_number(inlined, DW_AT_call_line);
    if (!unit_files(unit, &files, &count) || file >= count) return;
    ret->file = show_file(lines, unit, dwarf_filesrc(files, file, NULL, NULL));
}

static void line_place(struct elf_lines *lines, struct unit *unit, uint64_t offset,
                       struct source_location *ret)
{
    Dwarf_Line *line = dwarf_getsrc_die(&unit->die, offset);
    int number = 0;

    if (!line) return;
    ret->file = show_file(lines, unit, dwarf_linesrc(line, NULL, NULL));
    if (dwarf_lineno(line, &number) == 0 && number > 0) ret->line = (uint32_t)number;
}

/* The symbol table knows the arguments of a C++ function whose entry has its bare name only. */
static struct text entry_name(struct elf_lines *lines, Dwarf_Die *die, const char *symbol)
{
    const char *name = linkage_name(die);

    if (!name && symbol && strncmp(symbol, "_Z", 2) == 0) name = symbol;
    if (!name) name = dwarf_diename(die);
    return show_name(lines, name ? name : symbol);
}

uint8_t elf_lines_find(struct elf_lines *lines, uint64_t offset, struct source_location *ret)
{
    const struct range *range = range_list_find(&lines->ranges, offset);
    struct unit *unit = range ? &lines->units[range->row] : NULL;
    const char *symbol = symbol_table_find(&lines->symbols, offset);
    Dwarf_Die chain[LOCATIONS_MAX];
    uint8_t count = unit ? chain_find(lines, unit, offset, chain) : 0;

    owned_free(lines);
    memset(ret, 0, sizeof *ret * (count > 0 ? count : 1u));
    for (uint8_t i = 0; i < count; i++) {
        uint8_t at = (uint8_t)(count - 1 - i); /* ret is innermost first */

        ret[at].function = entry_name(lines, &chain[i], i == 0 ? symbol : NULL);
        ret[at].is_inlined = i > 0;
        if (i + 1 < count) call_place(lines, unit, &chain[i + 1], &ret[at]);
    }
    if (count == 0) ret[0].function = show_name(lines, symbol);
    if (unit) line_place(lines, unit, offset, &ret[0]);
    if (count == 0) count = ret[0].function.size > 0 || ret[0].line > 0;
    return count;
}
