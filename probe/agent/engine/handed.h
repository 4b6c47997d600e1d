/* SPDX-License-Identifier: Apache-2.0 */
/* handed.h: the samples that were handed out and are not settled yet.
 *
 * Threads: one at a time (under the sampler's lock). */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_HANDED_H
#define STAKEOUT_PROBE_AGENT_ENGINE_HANDED_H

#include "common/model/id.h"

#include <string.h>

enum { HANDED_MAX = 1024 }; /* more small reports than the reporter's queue holds */

struct handed {
    struct sample_id id;     /* empty: a free place */
    uint16_t watch;          /* index of its task's watch */
    bool is_counted;         /* it is in `sampled`; else it is pending */
    uint32_t final_revision; /* 0: the call still runs */
};

struct handed_table {
    struct handed places[HANDED_MAX];
};

static inline struct handed *handed_find(struct handed_table *table, const struct sample_id *id)
{
    for (uint32_t i = 0; i < HANDED_MAX; i++) {
        if (strcmp(table->places[i].id.text, id->text) == 0) return &table->places[i];
    }
    return NULL;
}

/* Finds a sample, or makes a place for it; NULL if there is none. */
static inline struct handed *handed_put(struct handed_table *table, const struct sample_id *id,
                                        uint16_t watch)
{
    static const struct sample_id nobody;
    struct handed *place = handed_find(table, id);

    if (place) return place;
    place = handed_find(table, &nobody);
    if (place) *place = (struct handed){ .id = *id, .watch = watch };
    return place;
}

static inline void handed_remove(struct handed *place)
{
    *place = (struct handed){ .watch = 0 };
}

#endif
