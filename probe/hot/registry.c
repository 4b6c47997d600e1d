/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c: a hash table of names that only grows.
 *
 * Putting in a name: take an id, copy the name, then publish the id in the table by one
 * compare-and-exchange. Who loses that race against the same name leaves its id vacant and takes
 * the winner's. There is no lock, so a fork in the middle of it harms nobody. */
#include "probe/hot/registry.h"

#include "probe/hot/memory.h"

#include <stdatomic.h>
#include <string.h>

enum {
    TABLE_SIZE = 2 * INTERFACES_MAX, /* half empty at the fullest */
    TABLE_MASK = TABLE_SIZE - 1,
    NAMES_SIZE = 1024 * 1024, /* 256 bytes a name: half of the longest, ten times the usual */
    ENTRY_EMPTY = 0,
    ENTRY_READY = 1,
    ENTRY_VACANT = 2,
};

struct entry {
    _Atomic uint32_t status;
    uint32_t size;
    const char *name;
};

static struct entry entries[INTERFACES_MAX + 1]; /* by id */
static _Atomic uint16_t table[TABLE_SIZE];       /* ids; 0: empty */
static _Atomic uint32_t id_count;
static _Atomic uint32_t names_used;
static _Atomic bool other_is_used;
static char names[NAMES_SIZE];

static_assert(sizeof entries + sizeof table + sizeof names <= MEMORY_REGISTRY_MAX, "8 MB in all");

static bool name_is_acceptable(struct text name)
{
    if (name.size == 0 || name.size > INTERFACE_SIZE_MAX) return false;
    return text_is_printable(name) && !memchr(name.data, '*', name.size);
}

static bool entry_is(uint32_t id, struct text name)
{
    return entries[id].size == name.size && memcmp(entries[id].name, name.data, name.size) == 0;
}

/* Takes room for a name; NULL when there is no more. */
static char *name_room(size_t size)
{
    uint32_t used = atomic_load_explicit(&names_used, memory_order_relaxed);

    do {
        if (size > NAMES_SIZE - used) return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&names_used, &used, used + (uint32_t)size,
                                                    memory_order_relaxed, memory_order_relaxed));
    return names + used;
}

/* Takes an id and copies the name; 0 when there are no more ids, or no room. */
static uint32_t entry_make(struct text name)
{
    uint32_t count = atomic_load_explicit(&id_count, memory_order_relaxed);
    char *room = count < INTERFACES_MAX ? name_room(name.size) : NULL;

    if (!room) return 0;
    do {
        if (count >= INTERFACES_MAX) return 0;
    } while (!atomic_compare_exchange_weak_explicit(&id_count, &count, count + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    memcpy(room, name.data, name.size);
    entries[count + 1].name = room;
    entries[count + 1].size = (uint32_t)name.size;
    return count + 1;
}

static uint32_t registry_overflow(void)
{
    note_count(HOT_NOTE_NO_INTERFACE);
    atomic_store_explicit(&other_is_used, true, memory_order_release);
    return INTERFACE_OTHER;
}

uint32_t registry_add(struct text name)
{
    uint32_t place, mine = 0;

    if (!name_is_acceptable(name)) return 0;
    place = (uint32_t)text_hash(name) & TABLE_MASK;
    for (;;) {
        uint16_t id = atomic_load_explicit(&table[place], memory_order_acquire);

        if (id != 0 && entry_is(id, name)) {
            if (mine != 0)
                atomic_store_explicit(&entries[mine].status, ENTRY_VACANT, memory_order_release);
            return id;
        }
        if (id != 0) {
            place = (place + 1) & TABLE_MASK;
            continue;
        }
        if (mine == 0) mine = entry_make(name);
        if (mine == 0) return registry_overflow();
        if (!atomic_compare_exchange_strong_explicit(&table[place], &id, (uint16_t)mine,
                                                     memory_order_acq_rel, memory_order_acquire))
            continue; /* another thread took the place: look whose it is now */
        atomic_store_explicit(&entries[mine].status, ENTRY_READY, memory_order_release);
        return mine;
    }
}

struct text registry_name(uint32_t id)
{
    if (id == INTERFACE_OTHER && atomic_load_explicit(&other_is_used, memory_order_acquire))
        return TEXT("(other)");
    if (id == 0 || id > INTERFACES_MAX) return (struct text){ "", 0 };
    if (atomic_load_explicit(&entries[id].status, memory_order_acquire) != ENTRY_READY)
        return (struct text){ "", 0 };
    return (struct text){ entries[id].name, entries[id].size };
}

uint32_t registry_end(void)
{
    return atomic_load_explicit(&id_count, memory_order_acquire) + 1;
}

bool registry_is_vacant(uint32_t id)
{
    return id <= INTERFACES_MAX &&
           atomic_load_explicit(&entries[id].status, memory_order_acquire) == ENTRY_VACANT;
}

uint64_t registry_size(void)
{
    return sizeof entries + sizeof table + sizeof names;
}
