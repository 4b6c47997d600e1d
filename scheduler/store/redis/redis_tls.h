/* SPDX-License-Identifier: Apache-2.0 */
/* redis_tls.h: TLS to a Redis, which must prove who it is.
 *
 *     if (redis_tls_check(&address.tls, &problem) < 0) ...              at the start
 *     stream = redis_tls_stream(base, fd, &address, why, sizeof(why));  for each connection
 *
 * The files are read anew for each connection, so that a certificate that was renewed is shown
 * without a restart. The server's certificate must be signed by who may sign it, and be for the
 * host of the address; TLS is 1.2 or later.
 *
 * One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_TLS_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_TLS_H

#include <stddef.h>

struct bufferevent;
struct event_base;
struct problem;
struct redis_address;
struct redis_tls_files;

/* Can the files be used? 0, or -1 with *problem, a whole sentence. */
int redis_tls_check(const struct redis_tls_files *files, struct problem *problem);

/* Takes a connected socket: BEV_EVENT_CONNECTED comes when the server has proved who it is. NULL
 * with the reason; the socket is the caller's still. */
struct bufferevent *redis_tls_stream(struct event_base *base, int fd,
                                     const struct redis_address *address, char *ret_why,
                                     size_t why_size);

/* Why a stream failed, if that was TLS; else NULL. Good until the next call. */
const char *redis_tls_failure(struct bufferevent *stream);

#endif
