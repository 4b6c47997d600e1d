/* SPDX-License-Identifier: Apache-2.0 */
/* dial.h: from an address to a connected socket.
 *
 *     dial = dial_new(&(struct dial_options){ .base = base, .on_connected = ..., ... });
 *     dial_start(dial, &address);
 *     dial_stop(dial);                  at any time; it may be started again
 *
 * One of the two callbacks comes once per start, later, never before dial_start() returned and not
 * after dial_stop(). All addresses that a host's name has are tried in their order, each for
 * DIAL_MS_MAX.
 *
 * One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_DIAL_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_DIAL_H

struct dial;
struct event_base;
struct redis_address;

enum {
    DIAL_MS_MAX = 2000,
    RESOLVE_MS_MAX = 12000, /* a resolver asks its second server after 5 s */
};

struct dial_options {
    struct event_base *base;
    void (*on_connected)(void *context, int fd); /* non-blocking, close-on-exec; now the caller's */
    void (*on_failed)(void *context, const char *why);
    void *context;
};

struct dial *dial_new(const struct dial_options *options);
struct dial *dial_free(struct dial *dial); /* accepts NULL */

/* The address is read at once, and not kept. */
void dial_start(struct dial *dial, const struct redis_address *address);
void dial_stop(struct dial *dial);

#endif
