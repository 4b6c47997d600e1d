/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.h: what the sampler hands out, kept until its lock is released.
 *
 * Threads: filled under the sampler's lock, emptied by the sampler's thread without it. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_OUTBOX_H
#define STAKEOUT_PROBE_AGENT_ENGINE_OUTBOX_H

#include "common/model/sample.h"

enum {
    OUTBOX_SAMPLES_MAX = SAMPLES_IN_FLIGHT_MAX, /* one round hands out each at most once */
    OUTBOX_EVENTS_MAX = 512,
    OUTBOX_SAYINGS_MAX = 16, /* one round's words that are no literals */
    OUTBOX_SAYING_SIZE = 96,
};

struct outbox_event {
    struct task_id task;
    uint32_t event;
    const char *detail; /* a literal, or one of the sayings */
    uint64_t count;
};

struct outbox {
    uint32_t sample_count, event_count, saying_count;
    struct sample *samples[OUTBOX_SAMPLES_MAX]; /* owned */
    struct outbox_event events[OUTBOX_EVENTS_MAX];
    char sayings[OUTBOX_SAYINGS_MAX][OUTBOX_SAYING_SIZE];
};

/* Returns false, and takes nothing, if it is full. */
static inline bool outbox_sample(struct outbox *outbox, struct sample *take_sample)
{
    if (outbox->sample_count == OUTBOX_SAMPLES_MAX) return false;
    outbox->samples[outbox->sample_count++] = take_sample;
    return true;
}

/* Events beyond the bound are left out: a task log is a service, the ledger is the truth. */
static inline void outbox_event(struct outbox *outbox, const struct task_id *task, uint32_t event,
                                const char *detail, uint64_t count)
{
    if (outbox->event_count == OUTBOX_EVENTS_MAX) return;
    outbox->events[outbox->event_count++] = (struct outbox_event){ *task, event, detail, count };
}

/* Room for the words of an event, which the outbox keeps until it was delivered; NULL: none. */
static inline char *outbox_saying(struct outbox *outbox)
{
    if (outbox->saying_count == OUTBOX_SAYINGS_MAX) return NULL;
    return outbox->sayings[outbox->saying_count++];
}

#endif
