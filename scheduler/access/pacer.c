/* SPDX-License-Identifier: Apache-2.0 */
/* pacer.c: the generic cell rate algorithm: of each key only one number is kept, the time at which
 * it would be even again (`even_ns`). Each event moves that on by the interval; one that would move
 * it further than a burst from now is refused, and moves nothing.
 *
 * A key has PACER_WAYS places, found by a hash that nobody outside can foretell. When others have
 * all of them, it takes the place of the one that is even soonest: that has lost the least. */
#include "scheduler/access/pacer.h"

#include "common/base/check.h"
#include "common/base/random.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct place {
    struct pacer_key key;
    uint64_t even_ns; /* past: as if it were not known */
};

struct pacer {
    uint64_t seed[2];
    struct place places[PACER_PLACES];
};

static_assert(PACER_PLACES % PACER_WAYS == 0, "every key has all its ways");

struct pacer *pacer_new(void)
{
    struct pacer *pacer = mem_zalloc(1, sizeof *pacer);

    pacer->seed[0] = random_u64();
    pacer->seed[1] = random_u64() | 1;
    return pacer;
}

struct pacer *pacer_free(struct pacer *pacer)
{
    free(pacer);
    return NULL;
}

static size_t hash(const struct pacer *pacer, const struct pacer_key *key)
{
    uint64_t halves[2], mixed;

    memcpy(halves, key->bytes, sizeof halves);
    mixed = (halves[0] ^ pacer->seed[0]) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 29 ^ halves[1]) * pacer->seed[1];
    return (mixed ^ mixed >> 32) % (PACER_PLACES / PACER_WAYS) * PACER_WAYS;
}

static struct place *place_of(struct pacer *pacer, const struct pacer_key *key)
{
    struct place *ways = &pacer->places[hash(pacer, key)], *soonest = ways;

    for (size_t i = 0; i < PACER_WAYS; i++) {
        if (memcmp(&ways[i].key, key, sizeof *key) == 0) return &ways[i];
        if (ways[i].even_ns < soonest->even_ns) soonest = &ways[i];
    }
    *soonest = (struct place){ .key = *key };
    return soonest;
}

uint64_t pacer_take(struct pacer *pacer, const struct pacer_key *key, const struct pace *pace,
                    uint64_t now_ns)
{
    struct place *place = place_of(pacer, key);
    uint64_t even_ns = place->even_ns > now_ns ? place->even_ns : now_ns;
    uint64_t room_ns = pace->interval_ns * (pace->burst - 1);

    if (even_ns - now_ns > room_ns) return even_ns - now_ns - room_ns;
    place->even_ns = even_ns + pace->interval_ns;
    return 0;
}
