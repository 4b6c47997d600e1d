/* SPDX-License-Identifier: Apache-2.0 */
/* agenda.h: which calls in flight turn slow in the next while, and when.
 *
 *     agenda_begin(&agenda, now, ahead)          empty; what is due within `ahead` has a place
 *     agenda_put(&agenda, record, due)           from a look at a record that is not on it
 *     first = agenda_visit(&agenda, now, &visitor)     due ones, and who ended
 *
 * Most calls end before they are due, and nobody tells the agenda. So those at its head are visited
 * until one is found that is in flight: the first due time that is worth to be woken for. A record
 * that by then holds another call goes on with that one's due time: so a record that is always in
 * use is looked at once in the time that a call may take, however many calls it held.
 *
 * A wheel of slots that turns. Of each record it is known in which slot it is, so memory is a byte
 * for each; within a slot they are visited in the order of their lines in memory. Values only: no
 * clocks, no threads; times are ticks. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_AGENDA_H
#define STAKEOUT_PROBE_AGENT_ENGINE_AGENDA_H

#include "probe/hot/memory.h"

#include <stdint.h>

enum { AGENDA_SLOTS = 64 };

#define AGENDA_NEVER UINT64_MAX

struct agenda {
    uint64_t now, ahead;
    uint32_t slot_shift;                 /* a slot is of 2^slot_shift ticks */
    uint64_t first;                      /* the slot of `now`: no record is in one before it */
    uint64_t next_due;                   /* nobody on it is known to be due earlier */
    uint16_t counts[AGENDA_SLOTS + 1];   /* of records with that mark, */
    _Alignas(16) uint8_t marks[RECORDS]; /* which is of its slot; 0: it is in none */
};

struct agenda_visitor {
    /* Looks at a record: does what is due, and returns when it is due next, which is in the future;
     * or AGENDA_NEVER: it is to be forgotten. */
    uint64_t (*visit)(void *context, uint32_t record);
    /* It will be visited in a moment. */
    void (*expect)(uint32_t record);
    void *context;
};

void agenda_begin(struct agenda *agenda, uint64_t now, uint64_t ahead);

/* The first record from `from` on, and before `to`, that is not on the agenda; or `to`. */
uint32_t agenda_gap(const struct agenda *agenda, uint32_t from, uint32_t to);

/* Of a record that is not on the agenda. What is due later than `ahead` from the latest visit on is
 * left out; what was due before that is due at once. */
void agenda_put(struct agenda *agenda, uint32_t record, uint64_t due);

/* Visits those that are due, and behind them those up to the first slot in which one stays. Returns
 * when the first of those is due, or AGENDA_NEVER. Time does not go back. */
uint64_t agenda_visit(struct agenda *agenda, uint64_t now, const struct agenda_visitor *visitor);

#endif
