/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_index.h: names of functions and of data, from the symbol tables of the modules.
 *
 *     struct symbol_index *index = symbol_index_new(SYMBOL_INDEX_SIZE_MAX);
 *     struct symbol_module module = { path, build_id };
 *     rc = symbol_index_function(index, &module, offset, &symbol);
 *     ... symbol.name ("" if unknown) and symbol.begin ...
 *     symbol_index_free(index);
 *
 * dladdr() would hold the loader's lock for 0.4 ms in a large library, per address; here a module
 * is read once (16 bytes per function) and looked up in well under a microsecond, plus one read
 * of the name. Names stay mangled: the scheduler writes them for people.
 *
 * A module is opened by its path and believed only if its build-id is the one that was asked for;
 * "[vdso]" is read from memory, and a program that was replaced on disk, from /proc. A library
 * that was replaced since it was loaded has no names here.
 *
 * Threads: one at a time; the reporter's. Memory: at most what symbol_index_new() was told;
 * the modules that were asked for longest ago go first. */
#ifndef STAKEOUT_PROBE_AGENT_NAMES_SYMBOL_INDEX_H
#define STAKEOUT_PROBE_AGENT_NAMES_SYMBOL_INDEX_H

#include "common/base/text.h"
#include "common/model/limits.h"

enum { SYMBOL_INDEX_SIZE_MAX = MODULES_SIZE_MAX - UNWIND_TABLES_SIZE_MAX };

struct symbol_index;

struct symbol_module {
    struct text path;
    struct text build_id; /* size 0: it has none */
};

struct symbol {
    char name[STRING_SIZE_MAX + 1]; /* "": unknown */
    uint64_t begin;                 /* in the module's own addresses; 0: unknown */
    uint64_t size;                  /* bytes; 0: unknown */
};

struct symbol_index *symbol_index_new(size_t size_max); /* NULL without memory */
struct symbol_index *symbol_index_free(struct symbol_index *index);

/* What function holds this address of a module. Without a symbol, `begin` is that of its unwind
 * entry, and the name is empty. Returns 0; or -ENOENT if neither is known, -errno if the module
 * cannot be read. */
int symbol_index_function(struct symbol_index *index, const struct symbol_module *module,
                          uint64_t offset, struct symbol *ret);

/* What variable holds it: to name a lock. Returns 0 or -ENOENT, -errno. */
int symbol_index_object(struct symbol_index *index, const struct symbol_module *module,
                        uint64_t offset, struct symbol *ret);

size_t symbol_index_size(const struct symbol_index *index); /* bytes held */

#endif
