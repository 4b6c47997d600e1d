/* SPDX-License-Identifier: Apache-2.0 */
/* agenda.c: the wheel.
 *
 * Slots are numbered by the time, and number n has the mark n % AGENDA_SLOTS + 1. Two of those that
 * hold records never share a mark, because `ahead` is less than a turn; but for slots that nobody
 * visited in time: then a record is visited early, which is no harm.
 *
 * When the sampler wakes up, what it needs is in no cache of its CPU: lists of records would be a
 * miss for each of them, and the records, in the order of their times, another one. So the records
 * of a slot are searched for among the marks of all, sixteen in two instructions, a tenth of a
 * microsecond per thousand; they come in the order of their lines, and are announced some at a
 * time. Where calls end in any order, that takes a third of what lists took.
 *
 * INVARIANTS
 *
 * (1) A record is in the slot of its due time or, if that has passed, in the first one; so whoever
 *     is in a later slot is due later.
 * (2) Nobody waits for longer than `ahead`. So where no call may take less than that, the due time
 *     of the call that a record holds by then is later than the one that brought it here. */
#include "probe/agent/engine/agenda.h"

#include <assert.h>
#include <emmintrin.h>
#include <string.h>

enum {
    CHUNK = 16,
    ANNOUNCED = 32,                 /* records, before the first of them is visited */
    SLOTS_AHEAD = AGENDA_SLOTS - 2, /* the first is begun, and the last not quite reached */
};

static_assert(RECORDS <= UINT16_MAX && RECORDS % CHUNK == 0, "whole chunks of marks");

void agenda_begin(struct agenda *agenda, uint64_t now, uint64_t ahead)
{
    memset(agenda, 0, sizeof *agenda);
    agenda->now = now;
    agenda->ahead = ahead;
    agenda->next_due = AGENDA_NEVER;
    while (ahead >> agenda->slot_shift > SLOTS_AHEAD) {
        agenda->slot_shift++;
    }
    agenda->first = now >> agenda->slot_shift;
}

static uint8_t slot_mark(uint64_t slot)
{
    return (uint8_t)(slot % AGENDA_SLOTS + 1);
}

/* Those with this mark in a chunk, a bit for each. */
static uint32_t chunk_find(const struct agenda *agenda, uint32_t chunk, uint8_t mark)
{
    const __m128i *marks = (const __m128i *)&agenda->marks[chunk];

    return (uint32_t)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_load_si128(marks), _mm_set1_epi8((char)mark)));
}

uint32_t agenda_gap(const struct agenda *agenda, uint32_t from, uint32_t to)
{
    while (from < to) {
        uint32_t found = chunk_find(agenda, from / CHUNK * CHUNK, 0) >> from % CHUNK;

        if (found != 0) {
            from += (uint32_t)__builtin_ctz(found);
            return from < to ? from : to;
        }
        from = (from / CHUNK + 1) * CHUNK;
    }
    return to;
}

void agenda_put(struct agenda *agenda, uint32_t record, uint64_t due)
{
    uint64_t slot = agenda->first;

    if (due > agenda->now) {
        if (due - agenda->now > agenda->ahead) return;
        slot = due >> agenda->slot_shift;
    }
    agenda->marks[record] = slot_mark(slot);
    agenda->counts[slot_mark(slot)]++;
    if (due < agenda->next_due) agenda->next_due = due;
}

static void visit_some(struct agenda *agenda, const uint16_t *records, uint32_t count,
                       const struct agenda_visitor *visitor)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *mark = &agenda->marks[records[i]];

        agenda->counts[*mark]--;
        *mark = 0;
        agenda_put(agenda, records[i], visitor->visit(visitor->context, records[i]));
    }
}

/* Who stays in the slot is behind us, and is not met again. */
static void visit_slot(struct agenda *agenda, uint64_t slot, const struct agenda_visitor *visitor)
{
    uint32_t left = agenda->counts[slot_mark(slot)], count = 0;
    uint16_t some[ANNOUNCED];

    for (uint32_t chunk = 0; left > 0 && chunk < RECORDS; chunk += CHUNK) {
        uint32_t found = chunk_find(agenda, chunk, slot_mark(slot));

        for (; found != 0; found &= found - 1, left--) {
            some[count] = (uint16_t)(chunk + (uint32_t)__builtin_ctz(found));
            visitor->expect(some[count++]);
            if (count < ANNOUNCED) continue;
            visit_some(agenda, some, count, visitor);
            count = 0;
        }
    }
    visit_some(agenda, some, count, visitor);
}

uint64_t agenda_visit(struct agenda *agenda, uint64_t now, const struct agenda_visitor *visitor)
{
    uint64_t slot = agenda->first, end;

    agenda->now = now;
    agenda->first = now >> agenda->slot_shift;
    agenda->next_due = AGENDA_NEVER;
    end = agenda->first + AGENDA_SLOTS;
    if (end - slot > 2 * AGENDA_SLOTS) slot = end - 2 * AGENDA_SLOTS;
    while (slot < end && slot <= agenda->next_due >> agenda->slot_shift) {
        visit_slot(agenda, slot++, visitor);
    }
    return agenda->next_due;
}
