/* SPDX-License-Identifier: Apache-2.0 */
/* sample_builder.h: puts looks together to a sample whose times add up.
 *
 *     builder_init(&builder, sample, began_ns)
 *     builder_add(&builder, &(struct look){ ... })          as often as the call is looked at
 *     copy = builder_report(&builder, now_ns)               the call goes on
 *     sample = builder_end(&builder, &(struct call_end){ ... })
 *
 * Values only: no clocks, no threads. Times are CLOCK_MONOTONIC in ns. */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_SAMPLE_BUILDER_H
#define STAKEOUT_PROBE_AGENT_ENGINE_SAMPLE_BUILDER_H

#include "common/model/sample.h"
#include "probe/agent/unwind/unwinder.h"

struct modules;

struct sample_builder {
    struct sample *sample; /* owned */
    uint64_t began_ns;
    uint64_t cpu_ns;      /* the call's CPU time at the last look */
    uint64_t interval_ns; /* as ordered, doubled with each thinning */
    uint32_t capacity;    /* of sample->snapshots */
    uint32_t thinned_count;
};

/* One look at the call. */
struct look {
    uint64_t at_ns;
    uint64_t cpu_ns;   /* the call's CPU time since it triggered */
    uint64_t queue_ns; /* its time runnable without a CPU, since the look before */
    uint32_t stack;
    int32_t syscall;
    enum wait_kind wait;
    uint32_t waiting_for;
};

/* Takes the sample over. */
void builder_init(struct sample_builder *builder, struct sample *take_sample, uint64_t began_ns);
void builder_done(struct sample_builder *builder); /* accepts a zeroed struct */

/* Adds a snapshot. When there are SNAPSHOTS_MAX, every other one is merged first, which doubles
 * the intervals. Returns 0; -EALREADY: not later than the one before; or -ENOMEM. */
int builder_add(struct sample_builder *builder, const struct look *look);

/* Looks were as far apart as this: the longest interval is the sample's. */
static inline void builder_stretch(struct sample_builder *builder, uint64_t interval_ns)
{
    if (interval_ns > builder->sample->interval_ns) builder->sample->interval_ns = interval_ns;
}

/* Time in the queue that came to light after the looks that it belongs to: it is put where there is
 * room for it, latest first, because a thread that was queued was so in one piece. */
void builder_add_queue(struct sample_builder *builder, uint64_t queue_ns);

/* The stack of a walk: with its middle left out where it is deeper than STACK_FRAMES_MAX, and cut
 * where the walk ended early. Returns 0, -ENOMEM or -ENOBUFS. */
int builder_stack(struct sample_builder *builder, const struct walk *walk,
                  const struct modules *modules, uint32_t *ret);

/* The stack of a call that is on no thread. */
int builder_detached_stack(struct sample_builder *builder, uint32_t *ret);

/* A copy of the sample as it stands, of a call that goes on; NULL without memory. Owned. */
struct sample *builder_report(struct sample_builder *builder, uint64_t now_ns, uint64_t cpu_ns);

struct call_end {
    uint64_t ended_ns;
    uint64_t cpu_ns;   /* the call's, since it triggered */
    uint64_t queue_ns; /* since the last look */
    int32_t response_code;
};

/* Ends the sample and hands it out. NULL, and nothing is handed out, if it has no snapshot. */
struct sample *builder_end(struct sample_builder *builder, const struct call_end *end);

uint64_t builder_size(const struct sample_builder *builder); /* bytes, about */

#endif
