/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_store.h: debug files by build-id, in the state directory.
 *
 *     STATE/symbols/uploaded/.build-id/ab/cdef.debug     sent in by operators
 *     STATE/symbols/fetched/.build-id/ab/cdef.debug      from a debuginfod
 *     STATE/symbols/incoming/NUMBER                      being written; thrown away at a start
 *
 * Both are folders as gdb's debug-file-directory: the symbol worker looks through them as through
 * /usr/lib/debug, and so may anybody else. A file appears under its name whole and on disk, or not
 * at all. When all are larger than the budget, the ones that were used longest ago go; when they
 * were used is their access time, so that it survives a restart.
 *
 * Nothing here reads a file's content. One event-loop thread; each call is a few system calls. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_STORE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_STORE_H

#include "common/model/call_stack.h"
#include "common/model/problem.h"
#include "scheduler/symbols/symbols.h"

struct symbol_store;

struct symbol_store_options {
    const char *folder; /* made if need be */
    uint64_t size_max;  /* bytes of all files */
};

/* Reads what is there. NULL with *problem if the folder cannot be had. */
struct symbol_store *symbol_store_new(const struct symbol_store_options *options,
                                      struct problem *problem);
struct symbol_store *symbol_store_free(struct symbol_store *store);

/* The folder of a source, for the worker. Lives as long as the store. */
const char *symbol_store_root(const struct symbol_store *store, enum symbol_source source);
int symbol_store_build_id_folder(const struct symbol_store *store, enum symbol_source source);

/* An empty file under a temporary name: its descriptor, or -errno. `ret_path`: PATH_MAX bytes. */
int symbol_store_begin(struct symbol_store *store, char *ret_path);

/* Gives it its name, in the place of an older one, and makes room. 0 or -errno: the file is still
 * under its temporary name then. */
int symbol_store_keep(struct symbol_store *store, const char *path, struct text build_id,
                      enum symbol_source source, const struct symbol_file **ret);

const struct symbol_file *symbol_store_find(const struct symbol_store *store,
                                            struct text build_id_hex);
int symbol_store_remove(struct symbol_store *store, struct text build_id_hex); /* 0 or -ENOENT */
void symbol_store_touch(struct symbol_store *store, struct text build_id);     /* it was used */

/* The index-th file, the most recently used first; NULL past the end. */
const struct symbol_file *symbol_store_at(const struct symbol_store *store, size_t index);

/* What changed by itself: called for each build-id whose file was evicted. May be NULL. */
typedef void (*symbol_gone_fn)(void *context, struct text build_id);
void symbol_store_on_gone(struct symbol_store *store, symbol_gone_fn on_gone, void *context);

struct symbol_store_counts {
    uint64_t size, size_max, file_count, evicted;
};
struct symbol_store_counts symbol_store_counts(const struct symbol_store *store);

#endif
