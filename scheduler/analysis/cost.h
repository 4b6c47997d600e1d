/* SPDX-License-Identifier: Apache-2.0 */
/* cost.h: nanoseconds by what the thread did in them. The parts of a cost add up to it. */
#ifndef STAKEOUT_SCHEDULER_ANALYSIS_COST_H
#define STAKEOUT_SCHEDULER_ANALYSIS_COST_H

#include "common/model/sample.h"

enum cost_part {
    COST_CPU,
    COST_QUEUE,
    COST_WAIT, /* the first of the kinds of waiting, in the order of enum wait_kind */
    COST_LOCK = COST_WAIT,
    COST_NETWORK,
    COST_DISK,
    COST_SLEEP,
    COST_OTHER,
    COST_PART_COUNT
};

struct cost {
    uint64_t ns[COST_PART_COUNT];
};

/* Waiting at a snapshot that saw none, or a kind that we do not know, is of unknown cause. */
static inline struct cost cost_of_weight(struct weight weight, enum wait_kind wait)
{
    struct cost cost = { .ns = { [COST_CPU] = weight.cpu_ns, [COST_QUEUE] = weight.queue_ns } };
    bool is_known = wait > WAIT_NONE && wait < WAIT_OTHER;

    cost.ns[is_known ? COST_WAIT + (int)wait - 1 : COST_OTHER] = weight.wait_ns;
    return cost;
}

static inline void cost_add(struct cost *to, const struct cost *from)
{
    for (int i = 0; i < COST_PART_COUNT; i++)
        to->ns[i] += from->ns[i];
}

static inline uint64_t cost_wait(const struct cost *cost)
{
    uint64_t sum = 0;

    for (int i = COST_WAIT; i < COST_PART_COUNT; i++)
        sum += cost->ns[i];
    return sum;
}

static inline uint64_t cost_total(const struct cost *cost)
{
    return cost->ns[COST_CPU] + cost->ns[COST_QUEUE] + cost_wait(cost);
}

/* The part that most of it was; of equals, the first. */
static inline enum cost_part cost_heaviest(const struct cost *cost)
{
    int heaviest = 0;

    for (int i = 1; i < COST_PART_COUNT; i++)
        if (cost->ns[i] > cost->ns[heaviest]) heaviest = i;
    return (enum cost_part)heaviest;
}

/* "running", "queued", "lock", "network", "disk", "sleep", "other" */
const char *cost_part_name(enum cost_part part);

#endif
