/* SPDX-License-Identifier: Apache-2.0 */
/* agenda.c: a wheel that turns once.
 *
 * INVARIANT: a record is in the slot of its due time, of which all are before `to`; so whatever is
 * in a later slot is due later. */
#include "probe/agent/engine/agenda.h"

#include <assert.h>

#define NOBODY UINT16_MAX

static_assert(RECORDS <= NOBODY, "a link holds each of them, or nobody");

void agenda_begin(struct agenda *agenda, uint64_t from, uint64_t to)
{
    agenda->from = from;
    agenda->to = to;
    agenda->slot_ticks = (to - from) / AGENDA_SLOTS + 1;
    agenda->first = 0;
    for (uint32_t i = 0; i < AGENDA_SLOTS; i++) {
        agenda->heads[i] = NOBODY;
    }
}

static uint32_t slot_of(const struct agenda *agenda, uint64_t due)
{
    return due > agenda->from ? (uint32_t)((due - agenda->from) / agenda->slot_ticks) : 0;
}

void agenda_put(struct agenda *agenda, uint32_t record, uint64_t due)
{
    uint32_t slot;

    if (due >= agenda->to) return;
    slot = slot_of(agenda, due);
    agenda->next[record] = agenda->heads[slot];
    agenda->heads[slot] = (uint16_t)record;
    if (slot < agenda->first) agenda->first = slot;
}

/* Returns the first due time of those that stay in the slot. */
static uint64_t visit_slot(struct agenda *agenda, uint32_t slot, agenda_visit_fn visit,
                           void *context)
{
    uint16_t record = agenda->heads[slot];
    uint64_t first = AGENDA_NEVER;

    agenda->heads[slot] = NOBODY; /* who stays is put in again */
    while (record != NOBODY) {
        uint16_t next = agenda->next[record];
        uint64_t due = visit(context, record);

        agenda_put(agenda, record, due);
        if (due < agenda->to && slot_of(agenda, due) == slot && due < first) first = due;
        record = next;
    }
    return first;
}

uint64_t agenda_visit(struct agenda *agenda, agenda_visit_fn visit, void *context)
{
    while (agenda->first < AGENDA_SLOTS) {
        uint32_t slot = agenda->first;
        uint64_t first = visit_slot(agenda, slot, visit, context);

        if (first != AGENDA_NEVER) return first;
        if (agenda->first == slot) agenda->first++; /* else somebody went to an earlier one */
    }
    return AGENDA_NEVER;
}
