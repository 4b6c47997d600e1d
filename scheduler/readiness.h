/* SPDX-License-Identifier: Apache-2.0 */
/* readiness.h: how it stands with Redis, with who may come in, and with the event loop: said in the
 * log when it changes, and by /healthz and /readyz when they are asked.
 *
 *     readiness_init(&readiness, store, access, loop_lag);
 *     readiness_look(&readiness);              each second, and when the store is up
 *
 * One event-loop thread. Nothing to free. */
#ifndef STAKEOUT_SCHEDULER_READINESS_H
#define STAKEOUT_SCHEDULER_READINESS_H

#include "scheduler/store/store.h"

struct access;
struct api_health;
struct loop_lag;

enum doors { DOORS_UNKNOWN, DOORS_OPEN, DOORS_CLOSED }; /* to those who have no token */

struct readiness {
    struct store *store;
    struct access *access;
    const struct loop_lag *loop_lag;
    struct store_health health, told; /* as it is now; as it was when the log last spoke of it */
    enum doors doors;                 /* as the log last said */
    uint64_t late_told_ns;            /* which late turn of the loop it last spoke of */
    char store_says[sizeof(struct store_health)];
};

void readiness_init(struct readiness *readiness, struct store *store, struct access *access,
                    const struct loop_lag *loop_lag);

/* Reads `health` anew, and says in the log what has changed. */
void readiness_look(struct readiness *readiness);

/* For api_options.health; `context` is the readiness. */
void readiness_tell(void *context, struct api_health *ret);

#endif
