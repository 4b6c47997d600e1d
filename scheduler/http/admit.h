/* SPDX-License-Identifier: Apache-2.0 */
/* admit.h: may this request come in? Host, Origin, route, method, token, size: asked once the
 * head is there, before a byte of the body is.
 *
 * Host must name this machine's loopback or the address that we listen on, so that a page of
 * another site cannot reach us under a name of its own (DNS rebinding). A request that changes
 * something, and says that a browser sent it from another origin, is refused as well. */
#ifndef STAKEOUT_SCHEDULER_HTTP_ADMIT_H
#define STAKEOUT_SCHEDULER_HTTP_ADMIT_H

#include "scheduler/http/head.h"
#include "scheduler/http/http.h"
#include "scheduler/http/route.h"

/* A refusal, or status 0. Slugs and titles are those of common/model/problem.def. */
struct verdict {
    int status;
    const char *slug;
    const char *title;
    char *detail;                   /* owned; NULL with status 0 */
    unsigned allow;                 /* with 405, and for OPTIONS: the methods, as bits */
    uint64_t retry_after_s;         /* 0: not said */
    const struct http_route *route; /* the one that matched, also with a refusal; may be NULL */
    void *context;                  /* the route's */
    struct pieces pieces;           /* of the path and the query */
    struct http_identity identity;
};

void verdict_done(struct verdict *verdict); /* accepts a zeroed struct */

/* Fills *verdict and returns verdict->status. */
int verdict_refuse(struct verdict *verdict, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct http;
struct text;

/* Fills *ret, which verdict_done() ends, and returns ret->status. */
int admit(const struct http *http, const struct head *head, int fd, struct verdict *ret);

/* The single questions. `listen` is the numeric address that we listen on; of all addresses
 * (0.0.0.0 or ::) any number is ours, because no name that leads to us is one. `names` are more,
 * separated by spaces. */
bool host_is_ours(struct text host, const char *listen, const char *names);
bool origin_is_ours(struct text origin, struct text host);
bool role_may(enum http_role have, enum http_role need);

/* "Bearer TOKEN" to the token's SHA-256. Returns 0, or -EINVAL: another scheme, or no token. */
int bearer_digest(struct text authorization, unsigned char ret[32]);

/* "GET, HEAD, OPTIONS" */
void methods_format(unsigned methods, char *ret, size_t size);

#endif
