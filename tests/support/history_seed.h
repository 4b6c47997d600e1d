/* SPDX-License-Identifier: Apache-2.0 */
/* history_seed.h: a long history, made in Redis itself, in seconds.
 *
 *     scheduler_create_task("shop", "", template);       and whatever makes it one that is over
 *     history_seed(&(struct history_seed){ .redis = &redis, .application = "shop",
 *                                          .template = template, .count = 20000, ... });
 *
 * Task number N of place P was created `base_ms + N * step_ms + P`, on the interface "GET /(N%20)",
 * or "GET /rare" if N % 1000 = 7; it is EXPIRED, or FILLED if N % 1000 = 1, CANCELLED if 2. */
#ifndef STAKEOUT_TESTS_SUPPORT_HISTORY_SEED_H
#define STAKEOUT_TESTS_SUPPORT_HISTORY_SEED_H

#include "common/model/id.h"
#include "tests/support/redis_process.h"

#include <stddef.h>
#include <stdint.h>

struct history_seed {
    const struct redis_process *redis;
    const char *application;
    unsigned place;       /* of the application among all, up to 255: ids differ by it */
    const char *template; /* a task of it that is over, of which all are copies */
    size_t count;
    uint64_t base_ms, step_ms;
    unsigned events; /* in the log of each */
};
void history_seed(const struct history_seed *seed);

/* A cursor behind which lie the tasks with numbers below `number`. */
void history_seed_cursor(const struct history_seed *seed, size_t number,
                         char ret[TASK_ID_SIZE + 1]);

#endif
