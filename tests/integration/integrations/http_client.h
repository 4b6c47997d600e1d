/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.h: asks a server on loopback, as slowly or as strangely as a test needs it.
 *
 *     struct http_reply reply;
 *     http_get(port, "/item/7", NULL, &reply);          reply.status, reply.body
 *
 *     int fd = http_connect(port);                      step by step: one connection, many requests
 *     http_send(fd, "GET / HTTP/1.1\r\n...");
 *     http_read_reply(fd, &reply);
 *
 * Whatever fails, fails the test. */
#ifndef STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_HTTP_CLIENT_H
#define STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_REPLY_SIZE_MAX = 65536 };

struct http_reply {
    int status;
    size_t size;      /* of the body */
    const char *body; /* within text */
    char text[HTTP_REPLY_SIZE_MAX];
};

int http_try_connect(uint16_t port); /* -errno if nobody listens */
int http_connect(uint16_t port);
void http_send(int fd, const char *text);

/* One response with a Content-Length. What comes behind it stays in the socket. */
void http_read_reply(int fd, struct http_reply *ret);

/* One request on a connection of its own; `headers`: whole lines, or NULL. */
void http_get(uint16_t port, const char *path, const char *headers, struct http_reply *ret);

/* Reads to the end of the connection and forgets it. Returns how many bytes came. */
size_t http_drain(int fd);

#endif
