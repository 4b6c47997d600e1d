/* SPDX-License-Identifier: Apache-2.0 */
/* agenda.h: which calls in flight turn slow before all are looked through again, and when.
 *
 *     agenda_begin(&agenda, from, to)            empty, for the time [from, to)
 *     agenda_put(&agenda, record, due)           from a look through all records
 *     first = agenda_visit(&agenda, visit, context)    due ones, and who ended
 *
 * Most calls end before they are due, and nobody tells the agenda. So those at its head are visited
 * until one is found that is in flight: the first due time that is worth to be woken for. Each is
 * visited once, and a few times in the end.
 *
 * A wheel of slots; within a slot there is no order, so that to put one in costs a store or two,
 * and memory is a link for each record. Values only: no clocks, no threads; times are ticks. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_AGENDA_H
#define STAKEOUT_PROBE_AGENT_ENGINE_AGENDA_H

#include "probe/hot/memory.h"

#include <stdint.h>

enum { AGENDA_SLOTS = 256 };

#define AGENDA_NEVER UINT64_MAX

struct agenda {
    uint64_t from, to, slot_ticks;
    uint32_t first; /* slots before it are empty */
    uint16_t heads[AGENDA_SLOTS];
    uint16_t next[RECORDS];
};

/* Looks at a record: does what is due, and returns when it is due next, which is in the future; or
 * AGENDA_NEVER: it is to be forgotten. */
typedef uint64_t (*agenda_visit_fn)(void *context, uint32_t record);

void agenda_begin(struct agenda *agenda, uint64_t from, uint64_t to);

/* A record is put in once. What is due at the end or later is left out; what was due before the
 * begin is due at once. */
void agenda_put(struct agenda *agenda, uint32_t record, uint64_t due);

/* Visits those at the head, up to the first slot in which one stays. Returns when the first of
 * those is due, or AGENDA_NEVER. */
uint64_t agenda_visit(struct agenda *agenda, agenda_visit_fn visit, void *context);

#endif
