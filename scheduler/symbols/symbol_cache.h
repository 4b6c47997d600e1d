/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_cache.h: answers of the worker, by module (path and build-id), offset and the name that
 * the sample gave; the least recently used go when there are too many.
 *
 * One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_CACHE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_CACHE_H

#include "scheduler/analysis/analysis.h"

#include <sys/queue.h>

struct job;

struct cached_symbol {
    TAILQ_ENTRY(cached_symbol) used; /* the most recent last */
    LIST_ENTRY(cached_symbol) chain; /* of equal hashes */
    char *key;                       /* owned */
    size_t key_size;
    uint64_t hash;
    uint32_t references;  /* who holds it: it is not evicted then */
    struct job *job;      /* that will answer it; NULL: answered */
    bool is_stale;        /* to be asked again: the worker died over it */
    uint64_t answered_ns; /* when; monotonic */
    uint32_t generation;  /* of its build-id's files when that was */
    uint8_t count;
    struct source_location *locations; /* owned, with their texts behind them */
    size_t size;                       /* bytes, of everything */
};

struct symbol_cache;

struct symbol_key {
    struct text path, build_id, name;
    uint64_t offset;
};

struct symbol_cache *symbol_cache_new(size_t size_max);
struct symbol_cache *symbol_cache_free(struct symbol_cache *cache);

/* The entry, made if need be (*ret_is_new), with one reference more. */
struct cached_symbol *symbol_cache_ref(struct symbol_cache *cache, const struct symbol_key *key,
                                       bool *ret_is_new);
void symbol_cache_unref(struct symbol_cache *cache, struct cached_symbol *symbol);

/* Stores an answer: copies it. */
void symbol_cache_fill(struct symbol_cache *cache, struct cached_symbol *symbol,
                       const struct source_location *locations, uint8_t count);

#endif
