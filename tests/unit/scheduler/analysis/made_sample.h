/* SPDX-License-Identifier: Apache-2.0 */
/* made_sample.h: samples for tests of the analysis, in a line each.
 *
 *     made_sample(1000, 100, (struct look[]){
 *         { .for_ms = 300, .cpu_ms = 300, .stack = "a < main" },
 *         { .for_ms = 600, .wait = WAIT_LOCK, .stack = "futex_wait@/lib/libc.so.6 < b < main" },
 *     }, 2);
 *
 * A stack is its functions, innermost first; a function is NAME or NAME@MODULE, or "(detached)".
 * Without one the module is "/srv/shop".
 * What the looks leave over of the listened time belongs to the last one. */
#ifndef STAKEOUT_TESTS_UNIT_SCHEDULER_ANALYSIS_MADE_SAMPLE_H
#define STAKEOUT_TESTS_UNIT_SCHEDULER_ANALYSIS_MADE_SAMPLE_H

#include "common/model/sample.h"

struct look {
    uint64_t for_ms, cpu_ms, queue_ms;
    enum wait_kind wait;
    const char *waiting_for; /* may be NULL */
    const char *stack;
};

/* Owned by the caller: sample_free(). All times in ms; `listened` is elapsed less head. */
struct sample *made_sample(uint64_t elapsed_ms, uint64_t head_ms, const struct look *looks,
                           uint32_t count);

/* Says who held the lock for which a snapshot waited; `stack` may be NULL. */
void made_owner(struct sample *sample, uint32_t snapshot, const char *thread, const char *stack);

/* Adds one frame of a native function to the tables; returns its index. */
uint32_t made_frame(struct sample *sample, struct text function, const char *module,
                    uint64_t offset);

#endif
