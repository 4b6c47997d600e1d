/* SPDX-License-Identifier: Apache-2.0 */
/* redis_link.h: one connection to Redis, from its address to its loss. With redis_value, the only
 * door to hiredis.
 *
 *     link = redis_link_new(&(struct redis_link_options){ .base = base, .on_up = ..., ... });
 *     redis_link_open(link, &address);
 *     redis_link_send(link, bytes, request);               from on_up on
 *     redis_link_close(link);                              it may be opened again
 *
 * It is up after AUTH, SELECT, ROLE if only a master will do, and a PONG that is not LOADING. Once
 * connected it has no patience of its own: who opened it closes it if no answer comes
 * (redis_link_since_ns()).
 *
 * One event-loop thread. The address is lent until the link is closed. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_LINK_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_LINK_H

#include "common/base/text.h"

struct event_base;
struct redis_address;
struct redis_link;
struct redis_request;
struct redis_value;

enum redis_link_state { LINK_CLOSED, LINK_DIALING, LINK_GREETING, LINK_UP };

struct redis_link_options {
    struct event_base *base;
    void (*on_up)(void *context);
    void (*on_lost)(void *context, const char *why); /* not after redis_link_close() */

    /* Exactly once for each that was sent, in their order: with Redis' answer, or with NULL where
     * the link was lost or is being closed. */
    void (*on_answer)(void *context, struct redis_request *request,
                      const struct redis_value *value);
    void (*on_read)(void *context); /* after the answers of one read(2); may be NULL */
    /* What Redis says unasked on a connection that has subscribed; NULL: it says nothing. */
    void (*on_message)(void *context, const struct redis_value *message);
    void *context;
};

struct redis_link *redis_link_new(const struct redis_link_options *options);
struct redis_link *redis_link_free(struct redis_link *link); /* closes it; accepts NULL */

/* Begins to connect; on_up or on_lost comes later. */
void redis_link_open(struct redis_link *link, const struct redis_address *address);

/* What was sent is answered before this returns. */
void redis_link_close(struct redis_link *link);

enum redis_link_state redis_link_state(const struct redis_link *link);

/* Since when its state lasts; while Redis loads its data, when that was last said. */
uint64_t redis_link_since_ns(const struct redis_link *link);

/* `bytes` are lent, with the request, until on_answer. */
void redis_link_send(struct redis_link *link, struct text bytes, struct redis_request *request);

#endif
