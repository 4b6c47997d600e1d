/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_tables.c: places, which are the sampler's, and orders, which go to the builder and back.
 *
 *     place  EMPTY --met--> ORDERED --table--> READY --module gone, evicted--> EMPTY
 *                              '-----none----> FAILED --module gone, later---> EMPTY
 *     order  FREE --sampler--> WANTED --builder--> BUILT --sampler--> FREE
 *
 * INVARIANTS
 *
 * (1) Places and tables are touched by the sampler alone. What passes to the builder and back is an
 *     order, and whose it is says its state: stored with release, read with acquire.
 * (2) A table never changes once it is in a place, and a place names its table last, and forgets it
 *     before the table goes. So a fork at any moment leaves the child whole tables: it copies no
 *     later store of a thread without its earlier ones.
 * (3) The sampler only ever posts, never waits.
 * (4) An order whose module went away is marked unwanted; what it brings is freed. */
#include "probe/agent/unwind/unwind_tables.h"

#include "common/base/clock.h"
#include "common/model/limits.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/base/thread.h"
#include "probe/agent/unwind/modules.h"
#include "probe/agent/unwind/self_memory.h"
#include "probe/agent/unwind/unwind_build.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

enum {
    ORDERS_MAX = 16, /* under way at once; what finds none free is met again at the next walk */
    HEAD_SIZE = 64,  /* of .eh_frame_hdr, which names where the first functions begin */
};

enum place_state { PLACE_EMPTY, PLACE_ORDERED, PLACE_READY, PLACE_FAILED };
enum order_state { ORDER_FREE, ORDER_WANTED, ORDER_BUILT };

struct table_place {
    _Atomic(struct unwind_table *) table; /* NULL but in READY */
    _Atomic uint32_t state;
    uint32_t order; /* while ORDERED */
    uint64_t low, high;
    uint64_t identity; /* of the module */
    uint64_t used_ns;  /* when a walk met it last */
    uint64_t retry_ns; /* FAILED: when it may be tried again; UINT64_MAX: never */
};

struct table_order {
    _Atomic uint32_t state;
    _Atomic bool is_unwanted; /* the sampler's word to the builder */
    struct unwind_source source;
    uint32_t place;             /* the sampler's */
    int result;                 /* the builder's */
    struct unwind_table *table; /* the builder's, then the sampler's */
};

static struct {
    struct table_place places[UNWIND_TABLES_MAX]; /* outlive forks */
    uint16_t by_low[UNWIND_TABLES_MAX];           /* those not empty */
    uint32_t count;
    uint64_t now_ns;   /* at the latest refresh */
    uint64_t retry_ns; /* when the first of those that failed may be tried again */
    uint64_t size;     /* of the tables that are ready */
    uint64_t size_max; /* written before the thread starts */
    uint64_t built_count, freed_count;
    uint64_t cpu_before_ns; /* of threads that ended */
    struct table_order orders[ORDERS_MAX];
    sem_t wake;
    pthread_t thread;
    bool is_open;
    _Atomic bool is_stopping;
    _Atomic uint64_t cpu_ns;
} tables;

static enum place_state place_state(const struct table_place *place)
{
    return (enum place_state)atomic_load_explicit(&place->state, memory_order_relaxed);
}

static struct unwind_table *place_table(const struct table_place *place)
{
    return atomic_load_explicit(&place->table, memory_order_relaxed);
}

/* ---- the builder ---- */

static void build(struct table_order *order)
{
    order->table = NULL;
    order->result =
        unwind_build_module(&order->source, &order->is_unwanted, tables.size_max, &order->table);
    atomic_store_explicit(&tables.cpu_ns, clock_thread_cpu_ns(), memory_order_relaxed);
    atomic_store_explicit(&order->state, ORDER_BUILT, memory_order_release); /* see collect() */
}

static void *builder_main(void *context)
{
    (void)context;
    thread_name("stakeout-tables");
    thread_yield_to_host();
    for (;;) {
        sem_wait(&tables.wake);
        filters_heed(FILTERS_AGE_NS);
        for (uint32_t i = 0; i < ORDERS_MAX; i++) {
            struct table_order *order = &tables.orders[i];

            /* Pairs with the release in order_put(). */
            if (atomic_load_explicit(&order->state, memory_order_acquire) == ORDER_WANTED)
                build(order);
        }
        if (atomic_load_explicit(&tables.is_stopping, memory_order_relaxed)) return NULL;
    }
}

/* ---- places ---- */

/* How many places of the index begin at or below an address. */
static uint32_t index_until(uint64_t address)
{
    uint32_t low = 0, high = tables.count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (tables.places[tables.by_low[middle]].low <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint32_t place_find(uint64_t address)
{
    uint32_t until = index_until(address), number;

    if (until == 0) return TABLE_NONE;
    number = tables.by_low[until - 1];
    return address < tables.places[number].high ? number : TABLE_NONE;
}

static void index_add(uint32_t number)
{
    uint32_t at = index_until(tables.places[number].low);

    memmove(&tables.by_low[at + 1], &tables.by_low[at],
            (tables.count - at) * sizeof *tables.by_low);
    tables.by_low[at] = (uint16_t)number;
    tables.count++;
}

static void index_remove(uint32_t at)
{
    tables.count--;
    memmove(&tables.by_low[at], &tables.by_low[at + 1],
            (tables.count - at) * sizeof *tables.by_low);
}

/* Empties the place that the index has at `at`. */
static void place_empty(uint32_t at)
{
    struct table_place *place = &tables.places[tables.by_low[at]];
    struct unwind_table *table = place_table(place);

    if (place_state(place) == PLACE_ORDERED)
        atomic_store_explicit(&tables.orders[place->order].is_unwanted, true, memory_order_relaxed);
    atomic_store_explicit(&place->state, PLACE_EMPTY, memory_order_release); /* invariant (2) */
    atomic_store_explicit(&place->table, NULL, memory_order_release);
    if (table) {
        tables.size -= table->size;
        tables.freed_count++;
    }
    unwind_table_free(table);
    index_remove(at);
}

/* The table that was not met for longest, of those that may go. Its place in the index, or -1. */
static int64_t oldest(void)
{
    int64_t found = -1;

    for (uint32_t i = 0; i < tables.count; i++) {
        const struct table_place *place = &tables.places[tables.by_low[i]];

        if (place_state(place) == PLACE_ORDERED || place->used_ns + TABLE_KEPT_NS > tables.now_ns)
            continue;
        if (found < 0 || place->used_ns < tables.places[tables.by_low[found]].used_ns) found = i;
    }
    return found;
}

static bool make_room(uint64_t size)
{
    while (tables.size + size > tables.size_max) {
        int64_t at = oldest();

        if (at < 0) return false;
        place_empty((uint32_t)at);
    }
    return true;
}

/* An empty place, or TABLE_NONE. */
static uint32_t place_take(void)
{
    int64_t at;

    if (tables.count == UNWIND_TABLES_MAX) {
        at = oldest();
        if (at < 0) return TABLE_NONE;
        place_empty((uint32_t)at);
    }
    for (uint32_t i = 0; i < UNWIND_TABLES_MAX; i++) {
        if (place_state(&tables.places[i]) == PLACE_EMPTY) return i;
    }
    return TABLE_NONE;
}

/* ---- modules and orders ---- */

static uint64_t hash_add(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    }
    return hash;
}

/* The same for the same module at the same place. A file that was replaced, and has no build-id,
 * still has another head. */
static uint64_t module_identity(const struct loaded_module *module)
{
    uint64_t places[] = { module->bias, module->low, module->high, module->unwind_header };
    unsigned char head[HEAD_SIZE];
    size_t got = self_read(module->unwind_header, head, sizeof head);
    uint64_t hash = hash_add(UINT64_C(0xcbf29ce484222325), module->path, strlen(module->path));

    hash = hash_add(hash, module->build_id, module->build_id_size);
    hash = hash_add(hash, places, sizeof places);
    return hash_add(hash, head, got);
}

static void order_put(const struct loaded_module *module)
{
    struct table_order *order;
    struct table_place *place;
    uint32_t number, at = 0;

    while (at < ORDERS_MAX &&
           atomic_load_explicit(&tables.orders[at].state, memory_order_relaxed) != ORDER_FREE) {
        at++;
    }
    if (at == ORDERS_MAX) return;
    number = place_take();
    if (number == TABLE_NONE) return;
    order = &tables.orders[at];
    place = &tables.places[number];
    place->order = at;
    place->low = module->low;
    place->high = module->high;
    place->identity = module_identity(module);
    place->used_ns = tables.now_ns;
    atomic_store_explicit(&place->state, PLACE_ORDERED, memory_order_relaxed);
    index_add(number);
    order->place = number;
    unwind_source_init(&order->source, module);
    atomic_store_explicit(&order->is_unwanted, false, memory_order_relaxed);
    atomic_store_explicit(&order->state, ORDER_WANTED, memory_order_release); /* builder_main() */
    sem_post(&tables.wake);
}

static void place_fail(struct table_place *place, bool may_pass)
{
    place->retry_ns = may_pass ? tables.now_ns + TABLE_RETRY_NS : UINT64_MAX;
    if (place->retry_ns < tables.retry_ns) tables.retry_ns = place->retry_ns;
    atomic_store_explicit(&place->state, PLACE_FAILED, memory_order_relaxed);
}

/* Takes what the builder brought. */
static void collect(struct table_order *order)
{
    struct table_place *place = &tables.places[order->place];
    struct unwind_table *table = order->table;
    int result = order->result;

    order->table = NULL;
    if (atomic_load_explicit(&order->is_unwanted, memory_order_relaxed)) {
        unwind_table_free(table);
    } else if (result < 0) {
        place_fail(place, result == -ENOMEM || result == -EFAULT);
    } else if (!make_room(table->size)) {
        unwind_table_free(table);
        place_fail(place, true);
    } else {
        tables.size += table->size;
        tables.built_count++;
        atomic_store_explicit(&place->table, table, memory_order_release); /* invariant (2) */
        atomic_store_explicit(&place->state, PLACE_READY, memory_order_release);
    }
    atomic_store_explicit(&order->state, ORDER_FREE, memory_order_relaxed);
}

static bool collect_all(void)
{
    bool is_any = false;

    for (uint32_t i = 0; i < ORDERS_MAX; i++) {
        struct table_order *order = &tables.orders[i];

        /* Pairs with the release in build(). */
        if (atomic_load_explicit(&order->state, memory_order_acquire) != ORDER_BUILT) continue;
        collect(order);
        is_any = true;
    }
    return is_any;
}

/* Is the module that the place is about still the one that lies there? */
static bool is_current(const struct table_place *place, const struct modules *modules)
{
    const struct loaded_module *module = modules_find(modules, place->low);

    if (!module || module->low != place->low || module->high != place->high) return false;
    if (place_state(place) == PLACE_FAILED && place->retry_ns <= tables.now_ns) return false;
    return module_identity(module) == place->identity;
}

static void drop_gone(const struct modules *modules)
{
    for (uint32_t i = tables.count; i-- > 0;) {
        if (!is_current(&tables.places[tables.by_low[i]], modules)) place_empty(i);
    }
}

/* Those that failed long enough ago may be met, and so ordered, again. */
static bool drop_failed(void)
{
    uint64_t next_ns = UINT64_MAX;
    bool is_any = false;

    if (tables.now_ns < tables.retry_ns) return false;
    for (uint32_t i = tables.count; i-- > 0;) {
        const struct table_place *place = &tables.places[tables.by_low[i]];

        if (place_state(place) != PLACE_FAILED) continue;
        if (place->retry_ns <= tables.now_ns) {
            place_empty(i);
            is_any = true;
        } else if (place->retry_ns < next_ns) {
            next_ns = place->retry_ns;
        }
    }
    tables.retry_ns = next_ns;
    return is_any;
}

bool unwind_tables_refresh(const struct modules *modules, bool modules_changed, uint64_t now_ns)
{
    bool has_changed;

    if (!tables.is_open) return modules_changed;
    tables.now_ns = now_ns;
    has_changed = collect_all();
    if (modules_changed) {
        drop_gone(modules);
    } else {
        has_changed |= drop_failed();
    }
    return has_changed || modules_changed;
}

uint32_t unwind_tables_find(const struct modules *modules, uint64_t pc, struct unwind_found *ret)
{
    uint32_t number = tables.is_open ? place_find(pc) : TABLE_NONE;
    const struct loaded_module *module;

    if (number != TABLE_NONE && place_state(&tables.places[number]) == PLACE_READY) {
        unwind_table_find(place_table(&tables.places[number]), pc, ret);
        unwind_tables_meet(number);
        return number;
    }
    module = modules_find(modules, pc);
    *ret = (struct unwind_found){ row_rule(ROW_NONE, 0, 0), 0 };
    if (!module || module->unwind_header == 0 || !module_holds_code(module, pc)) return TABLE_NONE;
    ret->rule = row_rule(ROW_OTHER, 0, 0);
    if (tables.is_open && number == TABLE_NONE) order_put(module);
    return TABLE_NONE;
}

void unwind_tables_meet(uint32_t number)
{
    tables.places[number].used_ns = tables.now_ns;
}

const struct unwind_table *unwind_tables_peek(uint64_t pc)
{
    uint32_t number = place_find(pc);

    return number == TABLE_NONE ? NULL : place_table(&tables.places[number]);
}

void unwind_tables_count(struct unwind_tables_counts *ret)
{
    *ret = (struct unwind_tables_counts){ .size = sizeof tables + tables.size,
                                          .built_count = tables.built_count,
                                          .freed_count = tables.freed_count };
    for (uint32_t i = 0; i < tables.count; i++) {
        const struct table_place *place = &tables.places[tables.by_low[i]];
        const struct unwind_table *table = place_table(place);

        ret->ordered += place_state(place) == PLACE_ORDERED;
        ret->failed += place_state(place) == PLACE_FAILED;
        if (!table) continue;
        ret->ready++;
        ret->rows += table->row_count;
        ret->entries += table->entry_count;
        ret->others += table->other_count;
    }
}

uint64_t unwind_tables_cpu_ns(void)
{
    return tables.cpu_before_ns + atomic_load_explicit(&tables.cpu_ns, memory_order_relaxed);
}

/* ---- life ---- */

/* Puts the index together from what a fork left: whole tables stay, all else goes. */
static void adopt(void)
{
    tables.count = 0;
    tables.size = 0;
    for (uint32_t i = 0; i < UNWIND_TABLES_MAX; i++) {
        struct table_place *place = &tables.places[i];

        if (place_state(place) != PLACE_READY || !place_table(place)) {
            atomic_store_explicit(&place->table, NULL, memory_order_relaxed);
            atomic_store_explicit(&place->state, PLACE_EMPTY, memory_order_relaxed);
            continue;
        }
        tables.size += place_table(place)->size;
        index_add(i);
    }
}

int unwind_tables_open(size_t size_max)
{
    int rc;

    if (tables.is_open) return -EALREADY;
    sem_init(&tables.wake, 0, 0);
    atomic_store_explicit(&tables.is_stopping, false, memory_order_relaxed);
    tables.size_max = size_max;
    tables.retry_ns = UINT64_MAX;
    tables.built_count = tables.freed_count = 0;
    adopt();
    rc = thread_start(&tables.thread, builder_main, NULL);
    if (rc < 0) return rc;
    tables.is_open = true;
    return 0;
}

static void orders_clear(void)
{
    for (uint32_t i = 0; i < ORDERS_MAX; i++) {
        struct table_order *order = &tables.orders[i];

        if (atomic_load_explicit(&order->state, memory_order_acquire) == ORDER_BUILT)
            unwind_table_free(order->table);
        order->table = NULL;
        atomic_store_explicit(&order->state, ORDER_FREE, memory_order_relaxed);
    }
}

void unwind_tables_close(void)
{
    if (!tables.is_open) return;
    atomic_store_explicit(&tables.is_stopping, true, memory_order_relaxed);
    for (uint32_t i = 0; i < ORDERS_MAX; i++) {
        atomic_store_explicit(&tables.orders[i].is_unwanted, true, memory_order_relaxed);
    }
    sem_post(&tables.wake);
    pthread_join(tables.thread, NULL);
    tables.cpu_before_ns += atomic_exchange_explicit(&tables.cpu_ns, 0, memory_order_relaxed);
    orders_clear();
    while (tables.count > 0) {
        place_empty(tables.count - 1);
    }
    sem_destroy(&tables.wake);
    tables.is_open = false;
}

/* What the builder was at stays as it is, unused: pages that the child shares with its parent. */
void unwind_tables_forget(void)
{
    orders_clear();
    atomic_store_explicit(&tables.cpu_ns, 0, memory_order_relaxed);
    tables.cpu_before_ns = 0;
    tables.is_open = false;
}
