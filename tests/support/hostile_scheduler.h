/* SPDX-License-Identifier: Apache-2.0 */
/* hostile_scheduler.h: what may stand at a scheduler's address instead of a scheduler.
 *
 *     struct hostile_scheduler *hostile = hostile_scheduler_start(port, HOSTILE_ENDLESS_BODY);
 *     ... wait_until hostile_scheduler_count(hostile) == 8 ...
 *     hostile_scheduler_stop(hostile);         then a good one may take the port
 *
 * It reads each request and answers in its way, for as long as the other side stays.
 * Threads: its own, one per connection; all functions may be called from any. */
#ifndef STAKEOUT_TESTS_SUPPORT_HOSTILE_SCHEDULER_H
#define STAKEOUT_TESTS_SUPPORT_HOSTILE_SCHEDULER_H

#include <stdint.h>

enum hostile_way {
    HOSTILE_CLOSE,         /* closes at once, without a word */
    HOSTILE_GARBAGE,       /* bytes that are no HTTP */
    HOSTILE_ENDLESS_HEAD,  /* headers without an end */
    HOSTILE_ENDLESS_BODY,  /* a body without a length and without an end */
    HOSTILE_ENDLESS_CHUNK, /* chunks without a last one */
    HOSTILE_HUGE,          /* 20 MB, and it says so */
    HOSTILE_DRIP,          /* a head of one byte now and then */
    HOSTILE_REDIRECT,      /* 302, to itself */
    HOSTILE_PAGE,          /* 200 and a page for people */
    HOSTILE_DEEP,          /* msgpack: arrays within arrays, 100,000 deep */
    HOSTILE_WIDE,          /* msgpack: a map that says it has 4 billion entries */
    HOSTILE_WAY_COUNT,
};

struct hostile_scheduler;

struct hostile_scheduler *hostile_scheduler_start(uint16_t port, enum hostile_way way);
void hostile_scheduler_stop(struct hostile_scheduler *hostile);

/* How many requests it has begun to answer. */
uint32_t hostile_scheduler_count(struct hostile_scheduler *hostile);

#endif
