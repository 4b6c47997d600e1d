/* SPDX-License-Identifier: Apache-2.0 */
/* redis_sentinel.h: which Redis is the master, as the Sentinels say.
 *
 *     sentinel = redis_sentinel_new(&(struct redis_sentinel_options){ .base = base, ... });
 *     redis_sentinel_ask(sentinel, &address);   on_master, or on_nobody, comes later
 *
 * The Sentinels are asked in turn, another one each time, until one knows a master. The one that
 * answered is listened to: on_master comes again, unasked, when it names another. Nobody is asked
 * before the first redis_sentinel_ask().
 *
 * One event-loop thread. The address is lent until the sentinel is freed, or asked for another. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_SENTINEL_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_SENTINEL_H

struct event_base;
struct redis_address;
struct redis_place;
struct redis_sentinel;

struct redis_sentinel_options {
    struct event_base *base;
    void (*on_master)(void *context, const struct redis_place *master);
    void (*on_nobody)(void *context, const char *why); /* all were asked */
    void *context;
};

struct redis_sentinel *redis_sentinel_new(const struct redis_sentinel_options *options);
struct redis_sentinel *redis_sentinel_free(struct redis_sentinel *sentinel); /* accepts NULL */

/* Begins anew if it is asking already. */
void redis_sentinel_ask(struct redis_sentinel *sentinel, const struct redis_address *address);

/* Neither asks nor listens until it is asked again. */
void redis_sentinel_stop(struct redis_sentinel *sentinel);

#endif
