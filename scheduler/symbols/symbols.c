/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.c: the house: cache, jobs (jobs.c), resolves (resolves.c), worker, and the store's door.
 *
 * Files of the store are symbol_files.c's. What they have to do with answers is a number: each
 * build-id has a generation, which grows when a file of it comes or goes. So older samples gain
 * names when symbols arrive later. */
#include "scheduler/symbols/symbols_private.h"

#include "common/base/check.h"
#include "scheduler/symbols/symbol_files.h"
#include "scheduler/symbols/worker_process.h"

#include <stdlib.h>

enum { CACHE_SIZE_MAX = 64 << 20 /* bytes */ };

uint32_t *symbols_generation(struct symbols *symbols, struct text build_id)
{
    return &symbols->generations[text_hash(build_id) % GENERATIONS];
}

/* A file of this build-id came or went. */
static void on_file_changed(void *context, struct text build_id)
{
    struct symbols *symbols = context;

    ++*symbols_generation(symbols, build_id);
}

static struct worker_process *worker_make(struct symbols *symbols,
                                          const struct symbols_options *options)
{
    struct worker_process_options worker = {
        .base = symbols->base,
        .program = options->program,
        .debug_roots = { options->debug_root ? options->debug_root : "/usr/lib/debug" },
        .debug_root_count = 1,
        .read_module_paths = options->read_module_paths,
        .context = symbols,
        .on_answer = jobs_on_answer,
        .on_lost = jobs_on_lost,
    };

    if (symbols->files) {
        const struct symbol_store *store = symbol_files_store(symbols->files);

        worker.debug_roots[1] = symbol_store_root(store, SYMBOL_UPLOADED);
        worker.debug_roots[2] = symbol_store_root(store, SYMBOL_FETCHED);
        worker.debug_root_count = 3;
    }
    return worker_process_new(&worker);
}

struct symbols *symbols_new(struct event_base *base, const struct symbols_options *options,
                            struct problem *problem)
{
    struct symbols *symbols = mem_zalloc(1, sizeof *symbols);

    symbols->base = base;
    symbols->cache = symbol_cache_new(CACHE_SIZE_MAX);
    TAILQ_INIT(&symbols->jobs);
    TAILQ_INIT(&symbols->resolves);
    if (options->store_folder) {
        symbols->files =
            symbol_files_new(&(struct symbol_files_options){ .base = base,
                                                             .symbols = options,
                                                             .on_changed = on_file_changed,
                                                             .context = symbols },
                             problem);
        if (!symbols->files) return symbols_free(symbols);
    }
    symbols->worker = worker_make(symbols, options);
    return symbols;
}

struct symbols *symbols_free(struct symbols *symbols)
{
    if (!symbols) return NULL;
    symbols->files = symbol_files_free(symbols->files);
    symbols->worker = worker_process_free(symbols->worker);
    while (!TAILQ_EMPTY(&symbols->resolves))
        resolve_end(TAILQ_FIRST(&symbols->resolves));
    jobs_give_up(symbols);
    symbol_cache_free(symbols->cache);
    free(symbols);
    return NULL;
}

int symbols_worker_pid(const struct symbols *symbols)
{
    return worker_process_pid(symbols->worker);
}

/* ---- the store ---- */

struct symbol_upload *symbols_upload_begin(struct symbols *symbols, uint64_t size,
                                           struct problem *problem)
{
    CHECK(symbols->files);
    return symbol_files_upload(symbols->files, size, problem);
}

const struct symbol_file *symbols_file_at(const struct symbols *symbols, size_t index)
{
    return symbol_store_at(symbol_files_store(symbols->files), index);
}

const struct symbol_file *symbols_file_find(const struct symbols *symbols, struct text build_id_hex)
{
    return symbol_store_find(symbol_files_store(symbols->files), build_id_hex);
}

int symbols_file_remove(struct symbols *symbols, struct text build_id_hex)
{
    return symbol_files_remove(symbols->files, build_id_hex);
}

uint64_t symbols_upload_size_max(const struct symbols *symbols)
{
    return symbol_files_upload_size_max(symbols->files);
}

struct symbols_counts symbols_counts(const struct symbols *symbols)
{
    struct symbols_counts counts = {
        .hits = symbols->hits,
        .misses = symbols->misses,
        .worker_starts = worker_process_start_count(symbols->worker),
        .worker_losses = worker_process_loss_count(symbols->worker),
    };

    if (symbols->files) symbol_files_count(symbols->files, &counts);
    return counts;
}
