/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.h: what was seen of a task, and why each call was or was not sampled.
 *
 *     seen = below + triggered          triggered = sampled + over_cap + drops + pending
 *
 * holds at every reading: ledger_is_sound() says whether it does. */
#ifndef STAKEOUT_COMMON_MODEL_LEDGER_H
#define STAKEOUT_COMMON_MODEL_LEDGER_H

#include "common/base/text.h"

enum call_drop {
#define CALL_DROP(name, slug, says) CALL_DROP_##name,
#define SNAPSHOT_DROP(name, slug, says)
#define NOTE(name, slug, says)
#include "common/model/drops.def"
#undef CALL_DROP
#undef SNAPSHOT_DROP
#undef NOTE
    CALL_DROP_COUNT
};

enum snapshot_drop {
#define CALL_DROP(name, slug, says)
#define SNAPSHOT_DROP(name, slug, says) SNAPSHOT_DROP_##name,
#define NOTE(name, slug, says)
#include "common/model/drops.def"
#undef CALL_DROP
#undef SNAPSHOT_DROP
#undef NOTE
    SNAPSHOT_DROP_COUNT
};

enum note {
#define CALL_DROP(name, slug, says)
#define SNAPSHOT_DROP(name, slug, says)
#define NOTE(name, slug, says) NOTE_##name,
#include "common/model/drops.def"
#undef CALL_DROP
#undef SNAPSHOT_DROP
#undef NOTE
    NOTE_COUNT
};

struct ledger {
    uint64_t seen, below, triggered, sampled, over_cap, pending;
    uint64_t drops[CALL_DROP_COUNT];
    uint64_t snapshots;
    uint64_t signals;     /* of the snapshots: copied by their thread, at our signal; */
    uint64_t perf;        /* brought by a perf event; */
    uint64_t reads;       /* read from a thread that slept; */
    uint64_t repeats;     /* known to be as the one before */
    uint64_t interrupted; /* system calls that may have seen our signal: EINTR, a short transfer */
    uint64_t snapshot_drops[SNAPSHOT_DROP_COUNT];
    uint64_t slowest_below_ns; /* the slowest call that stayed below the threshold */
    uint64_t stretched_ns;     /* the longest interval that the budget made; 0: it made none */
    uint64_t late_ns_max;      /* the latest trigger: first snapshot less due time */
    uint64_t pause_ns_p50;     /* a running thread's pause per snapshot, in our handler */
    uint64_t pause_ns_p99;
    uint64_t cpu_ns;   /* the probe's own CPU time while the task was armed */
    uint64_t armed_ns; /* for how long it was armed */
};

bool ledger_is_sound(const struct ledger *ledger); /* both sums hold */

/* Counts and times add up, maxima and pauses keep the greater. A sum of sound ones is sound. */
void ledger_add(struct ledger *to, const struct ledger *from);

/* Slugs of drops.def, as on the wire, in the API and in the metrics. */
const char *call_drop_slug(enum call_drop drop);
const char *call_drop_says(enum call_drop drop);
const char *snapshot_drop_slug(enum snapshot_drop drop);
const char *snapshot_drop_says(enum snapshot_drop drop);
const char *note_slug(enum note note);
const char *note_says(enum note note);
int call_drop_parse(struct text slug, enum call_drop *ret); /* 0 or -EINVAL */
int snapshot_drop_parse(struct text slug, enum snapshot_drop *ret);
int note_parse(struct text slug, enum note *ret);

#endif
