/* SPDX-License-Identifier: Apache-2.0 */
/* redis_double.h: in the place of a Redis, or of a Sentinel, one that answers what a harness says.
 *
 *     struct redis_double *it = redis_double_new(base, bytes);     "+PONG\r\n" 0xff "..." 0xff
 *     ... connect to it->port or it->path ...
 *     redis_double_run(it);            until nothing moves any more, or it has no more to say
 *     redis_double_free(it);
 *
 * Whatever it is asked, its answer is the next part of the bytes, which end with 0xff; who has no
 * more to say closes. The bytes are lent. */
#ifndef STAKEOUT_TESTS_FUZZ_REDIS_DOUBLE_H
#define STAKEOUT_TESTS_FUZZ_REDIS_DOUBLE_H

#include "common/base/text.h"

struct event_base;
struct evconnlistener;

enum { DOUBLE_CONNECTIONS_MAX = 8 };

struct redis_double {
    uint16_t port;
    char path[64];

    struct event_base *base;
    struct evconnlistener *listeners[2]; /* TCP, Unix */
    struct bufferevent *connections[DOUBLE_CONNECTIONS_MAX];
    size_t connection_count;
    struct text rest;
    unsigned moves; /* connections and questions since the start */
};

struct redis_double *redis_double_new(struct event_base *base, struct text bytes);
void redis_double_run(struct redis_double *it);
void redis_double_free(struct redis_double *it);

#endif
