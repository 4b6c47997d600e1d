/* SPDX-License-Identifier: Apache-2.0 */
/* notes.h: what was lost or misused on the host's threads, counted by reason (drops.def).
 *
 * Async-signal-safe. */
#ifndef STAKEOUT_PROBE_HOT_NOTES_H
#define STAKEOUT_PROBE_HOT_NOTES_H

/* The same numbers as in common/model/ledger.h; repeated here, because that header is not for
 * signal handlers. A test compares the two. */
enum hot_note {
#define CALL_DROP(name, slug, says)
#define SNAPSHOT_DROP(name, slug, says)
#define NOTE(name, slug, says) HOT_NOTE_##name,
#include "common/model/drops.def"
#undef CALL_DROP
#undef SNAPSHOT_DROP
#undef NOTE
    HOT_NOTE_COUNT
};

void note_count(enum hot_note note);

#endif
