/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_cache.c: chained hashing with a fixed number of chains, and a list by use. */
#include "scheduler/symbols/symbol_cache.h"

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/model/limits.h"

#include <stdlib.h>
#include <string.h>

enum { CHAINS = 1 << 16 };

TAILQ_HEAD(symbol_list, cached_symbol);
LIST_HEAD(symbol_chain, cached_symbol);

struct symbol_cache {
    struct symbol_list used;
    struct symbol_chain chains[CHAINS];
    size_t size, size_max;
};

struct symbol_cache *symbol_cache_new(size_t size_max)
{
    struct symbol_cache *cache = mem_zalloc(1, sizeof *cache);

    TAILQ_INIT(&cache->used);
    cache->size_max = size_max;
    return cache;
}

static void symbol_remove(struct symbol_cache *cache, struct cached_symbol *symbol)
{
    TAILQ_REMOVE(&cache->used, symbol, used);
    LIST_REMOVE(symbol, chain);
    cache->size -= symbol->size;
    free(symbol->locations);
    free(symbol->key);
    free(symbol);
}

struct symbol_cache *symbol_cache_free(struct symbol_cache *cache)
{
    if (!cache) return NULL;
    while (!TAILQ_EMPTY(&cache->used))
        symbol_remove(cache, TAILQ_FIRST(&cache->used));
    free(cache);
    return NULL;
}

/* What is held or awaited stays; the bound is exceeded by that much at most. */
static void evict(struct symbol_cache *cache)
{
    struct cached_symbol *symbol = TAILQ_FIRST(&cache->used);

    while (symbol && cache->size > cache->size_max) {
        struct cached_symbol *next = TAILQ_NEXT(symbol, used);

        if (symbol->references == 0 && !symbol->job) symbol_remove(cache, symbol);
        symbol = next;
    }
}

static void key_write(const struct symbol_key *key, struct buf *to)
{
    uint32_t sizes[2] = { (uint32_t)key->path.size, (uint32_t)key->build_id.size };

    buf_append(to, sizes, sizeof sizes);
    buf_append(to, &key->offset, sizeof key->offset);
    buf_text(to, key->path);
    buf_text(to, key->build_id);
    buf_text(to, key->name);
}

static struct cached_symbol *symbol_new(struct symbol_cache *cache, struct buf *key, uint64_t hash)
{
    struct cached_symbol *symbol = mem_zalloc(1, sizeof *symbol);

    symbol->hash = hash;
    symbol->key = buf_take(key, &symbol->key_size);
    symbol->size = sizeof *symbol + symbol->key_size;
    cache->size += symbol->size;
    LIST_INSERT_HEAD(&cache->chains[hash % CHAINS], symbol, chain);
    TAILQ_INSERT_TAIL(&cache->used, symbol, used);
    return symbol;
}

struct cached_symbol *symbol_cache_ref(struct symbol_cache *cache, const struct symbol_key *key,
                                       bool *ret_is_new)
{
    OWN(buf_done) struct buf bytes = BUF_INIT(4 * STRING_SIZE_MAX);
    struct cached_symbol *symbol;
    uint64_t hash;

    key_write(key, &bytes);
    CHECK(!bytes.failed);
    hash = text_hash(buf_peek(&bytes));
    LIST_FOREACH(symbol, &cache->chains[hash % CHAINS], chain)
    if (symbol->hash == hash && symbol->key_size == bytes.size &&
        memcmp(symbol->key, bytes.data, bytes.size) == 0)
        break;
    *ret_is_new = symbol == NULL;
    if (!symbol) symbol = symbol_new(cache, &bytes, hash);
    symbol->references++;
    TAILQ_REMOVE(&cache->used, symbol, used);
    TAILQ_INSERT_TAIL(&cache->used, symbol, used);
    return symbol;
}

void symbol_cache_unref(struct symbol_cache *cache, struct cached_symbol *symbol)
{
    CHECK(symbol->references > 0);
    if (--symbol->references == 0) evict(cache);
}

static struct text text_store(char **room, struct text text)
{
    struct text stored = { *room, text.size };

    if (text.size > 0) memcpy(*room, text.data, text.size);
    *room += text.size;
    return stored;
}

void symbol_cache_fill(struct symbol_cache *cache, struct cached_symbol *symbol,
                       const struct source_location *locations, uint8_t count)
{
    size_t size = count * sizeof *locations;
    char *room;

    for (uint8_t i = 0; i < count; i++)
        size += locations[i].function.size + locations[i].file.size;
    cache->size -= symbol->size;
    symbol->size = sizeof *symbol + symbol->key_size + size;
    cache->size += symbol->size;
    free(symbol->locations);
    symbol->locations = mem_alloc(size + 1);
    symbol->count = count;
    room = (char *)(symbol->locations + count);
    for (uint8_t i = 0; i < count; i++) {
        symbol->locations[i] = locations[i];
        symbol->locations[i].function = text_store(&room, locations[i].function);
        symbol->locations[i].file = text_store(&room, locations[i].file);
    }
}
