/* SPDX-License-Identifier: Apache-2.0 */
/* resolver.h: which addresses a host has, without making the loop wait.
 *
 *     resolver = resolver_new(&(struct resolver_options){ .base = base, .host = "redis.example",
 *                                                         .on_resolved = ..., .context = ... });
 *     resolver_free(resolver);      at any time, also from on_resolved
 *
 * on_resolved comes once, later, unless it is freed before. The host is copied.
 *
 * One event-loop thread; a resolver has a thread of its own as long as the name is looked up. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_RESOLVER_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_RESOLVER_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>

struct event_base;
struct resolver;

enum { RESOLVED_MAX = 8, HOST_SIZE_MAX = 255 };

/* Ready for connect(2). */
struct resolved_address {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un local; /* never a resolver's */
    } as;
    socklen_t size;
};

/* What a host has, IPv4 first: "localhost" is ::1 before it is 127.0.0.1 on most machines, and a
 * Redis need not listen there. */
struct resolved {
    int rc; /* 0, or an EAI_ of getaddrinfo(3) */
    size_t count;
    struct resolved_address addresses[RESOLVED_MAX]; /* their ports are 0 */
};

typedef void (*resolved_fn)(void *context, const struct resolved *resolved);

struct resolver_options {
    struct event_base *base;
    const char *host;
    resolved_fn on_resolved;
    void *context;
};

/* A host that is a number needs nobody's help: fills *ret and returns 0; else returns -1. */
int resolve_number(const char *host, struct resolved *ret);

/* NULL: no thread could be started. */
struct resolver *resolver_new(const struct resolver_options *options);
struct resolver *resolver_free(struct resolver *resolver); /* accepts NULL */

#endif
