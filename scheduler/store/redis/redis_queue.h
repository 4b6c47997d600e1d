/* SPDX-License-Identifier: Apache-2.0 */
/* redis_queue.h: where the requests of a connection are.
 *
 *     redis_queue_put() --> WAITING --redis_queue_fly()--> FLYING --redis_queue_land()--> caller
 *                              |                              |
 *                              +----- redis_queue_fail() -----+--> FAILED --take_failed()--> caller
 *
 * INVARIANT: a request is in exactly one of the three lists until it is given back, and each list
 * is in the order in which its requests came. Requests are lent, never copied.
 *
 * Limits: what waits, by WAITING_SIZE_MAX and WAITING_COUNT_MAX; what flies, by FLYING_SIZE_MAX
 * or one request if that is larger. Knows nothing of sockets, clocks and hiredis. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_QUEUE_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct redis_request;

enum {
    FLYING_SIZE_MAX = 1024 * 1024,       /* bytes: what a lost connection leaves in doubt */
    WAITING_SIZE_MAX = 64 * 1024 * 1024, /* bytes: a minute of reports that nobody answers */
    WAITING_COUNT_MAX = 200000,
};

struct request_list {
    struct redis_request *first, **last;
    size_t count, size; /* size in bytes */
};

/* Zeroed, it is empty. Read `count` and `size`; change it by the functions alone. */
struct redis_queue {
    struct request_list waiting, flying, failed;
};

/* Returns 0, or -ENOBUFS if too much waits: then it is in no list. */
int redis_queue_put(struct redis_queue *queue, struct redis_request *request);

/* The next, if it may fly: NULL if none waits or too much flies. Then it flies. */
struct redis_request *redis_queue_next(struct redis_queue *queue);
void redis_queue_fly(struct redis_queue *queue);

/* The oldest that flies, which must be this one: answers come in the order of the requests. */
void redis_queue_land(struct redis_queue *queue, struct redis_request *request);

/* One that is in no list fails, or all that wait do. */
void redis_queue_fail(struct redis_queue *queue, struct redis_request *request, int rc);
void redis_queue_fail_waiting(struct redis_queue *queue, int rc);

/* Gives all back that have failed, oldest first, chained by `next`; NULL if none has. */
struct redis_request *redis_queue_take_failed(struct redis_queue *queue);

#endif
