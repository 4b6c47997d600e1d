/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_files.h: how files come into the store: uploads, and what a debuginfod has.
 *
 *     files = symbol_files_new(&options, &problem);
 *     symbol_files_want(files, build_id);       nothing was found for it: fetch it, if that may be
 *     symbol_files_free(files);                 ends what is under way; uploads are told
 *
 * Uploads are symbols.h's. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_FILES_H
#define STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_FILES_H

#include "scheduler/symbols/symbol_store.h"

enum {
    FETCHES_AT_ONCE_MAX = 2,
    WANTED_MAX = 1024, /* build-ids that are to be fetched, or that nobody has */
};

struct symbol_files;

struct symbol_files_options {
    struct event_base *base;
    const struct symbols_options *symbols; /* copied, as is what it points to */
    /* A file of this build-id came or went. */
    void (*on_changed)(void *context, struct text build_id);
    void *context;
};

struct symbol_files *symbol_files_new(const struct symbol_files_options *options,
                                      struct problem *problem);
struct symbol_files *symbol_files_free(struct symbol_files *files);

struct symbol_store *symbol_files_store(const struct symbol_files *files);
void symbol_files_want(struct symbol_files *files, struct text build_id);

struct symbol_upload *symbol_files_upload(struct symbol_files *files, uint64_t size,
                                          struct problem *problem);
uint64_t symbol_files_upload_size_max(const struct symbol_files *files);
int symbol_files_remove(struct symbol_files *files, struct text build_id_hex);

/* Adds its own: uploads and fetches. */
void symbol_files_count(const struct symbol_files *files, struct symbols_counts *ret);

#endif
