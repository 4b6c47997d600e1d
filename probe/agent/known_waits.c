/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/known_waits.h"

static struct known_wait known_wait_of(const struct wait_view *wait, const struct walk *walk)
{
    return (struct known_wait){ .syscall = wait->syscall,
                                .frame_count = walk->count,
                                .sp = wait->sp,
                                .pc = wait->pc,
                                .last_pc = walk->frames[walk->count - 1].pc };
}

static bool is_same(const struct known_wait *left, const struct known_wait *right)
{
    return left->syscall == right->syscall && left->frame_count == right->frame_count &&
           left->sp == right->sp && left->pc == right->pc && left->last_pc == right->last_pc;
}

const struct known_wait *known_waits_find(const struct known_waits *waits,
                                          const struct wait_view *wait, const struct walk *walk)
{
    struct known_wait wanted = known_wait_of(wait, walk);

    for (uint32_t i = 0; i < KNOWN_WAITS && i < waits->count; i++) {
        if (is_same(&waits->places[i], &wanted)) return &waits->places[i];
    }
    return NULL;
}

void known_waits_add(struct known_waits *waits, const struct wait_view *wait,
                     const struct walk *walk)
{
    waits->places[waits->count++ % KNOWN_WAITS] = known_wait_of(wait, walk);
}

void known_waits_learn(struct known_waits *waits, uint64_t rbp)
{
    struct known_wait *latest = &waits->places[(waits->count - 1) % KNOWN_WAITS];

    latest->has_rbp = true;
    latest->rbp = rbp;
}
