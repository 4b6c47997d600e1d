/* SPDX-License-Identifier: Apache-2.0 */
/* redis_request.h: a command on its way to Redis, and who is told of the answer.
 *
 * A request belongs to the caller and must live, with its command, until its callback. The caller
 * sets the first two fields; struct redis_queue and struct redis_link keep the rest. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_REQUEST_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_REQUEST_H

#include "scheduler/store/redis/redis_command.h"

struct redis_request;
struct redis_value;

/* An answer of Redis, or rc < 0 and no value: redis_conn.h says which. */
typedef void (*redis_answer_fn)(struct redis_request *request, const struct redis_value *value,
                                int rc);

struct redis_request {
    struct redis_command command;
    redis_answer_fn on_answer;
    struct redis_request *next; /* private, like the rest */
    uint64_t sent_ns;
    size_t size;
    int rc;
    struct redis_request *behind; /* the link's: what was sent after it */
    uint64_t ends;                /* the link's: what had been sent in all with its last byte */
};

#endif
