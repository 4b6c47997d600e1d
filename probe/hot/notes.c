/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/hot/notes.h"

#include "probe/hot/memory.h"

void note_count(enum hot_note note)
{
    atomic_fetch_add_explicit(&hot.notes[note], 1, memory_order_relaxed);
}
