/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h: the server's half of TLS: its certificate, and what is different about a connection.
 *
 *     tls_new(&files, &tls, why, sizeof why);
 *     bev = tls_bufferevent_new(tls, base);            in place of bufferevent_socket_new()
 *     tls_reload(tls, why, sizeof why);                for connections from now on
 *
 * All questions about a connection take its bufferevent, and are fine with one that is plain. */
#ifndef STAKEOUT_SCHEDULER_HTTP_TLS_H
#define STAKEOUT_SCHEDULER_HTTP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct bufferevent;
struct event_base;
struct http_tls;
struct tls;

/* 0, or -EINVAL with a sentence that names the file. */
int tls_new(const struct http_tls *files, struct tls **ret, char *ret_why, size_t why_size);
struct tls *tls_free(struct tls *tls);

/* Reads the same files again. If they are not acceptable, all stays as it was. */
int tls_reload(struct tls *tls, char *ret_why, size_t why_size);

time_t tls_expires(const struct tls *tls);          /* the certificate that is shown now */
bool tls_wants_certificates(const struct tls *tls); /* of probes */

struct bufferevent *tls_bufferevent_new(struct tls *tls, struct event_base *base);

bool tls_is_shaking_hands(struct bufferevent *bev); /* not done yet, or it failed */
bool tls_has_certificate(struct bufferevent *bev);  /* the client's, which was verified */

/* Behind all answers: says that no more will come, so that an end is told from a cut. */
void tls_say_goodbye(struct bufferevent *bev);

/* To a client that speaks plain HTTP to this port, in the same. */
void tls_tell_plain_client(struct bufferevent *bev);

/* Beside the bufferevent's output, which must be empty. False: it did not go, or only in part. */
bool tls_send(struct bufferevent *bev, const void *data, size_t size);

#endif
