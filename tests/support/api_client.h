/* SPDX-License-Identifier: Apache-2.0 */
/* api_client.h: asks a scheduler on loopback something, and waits for the answer.
 *
 *     struct api_answer answer;
 *     api_ask(&(struct api_call){ .port = port, .path = "/api/v1/tasks" }, &answer);
 *     ... answer.status, answer.json ...
 *     api_answer_done(&answer);
 *
 * Blocking, one connection per call; fails the test where there is no answer within 30 s,
 * which is more than the scheduler takes for anything. */
#ifndef STAKEOUT_TESTS_SUPPORT_API_CLIENT_H
#define STAKEOUT_TESTS_SUPPORT_API_CLIENT_H

#include "common/base/buf.h"

#include <jansson.h>

struct api_call {
    uint16_t port;
    const char *method; /* NULL: GET, or POST with a body */
    const char *path;
    const char *content_type; /* NULL: application/json; "": none is sent */
    const char *token;        /* NULL: none */
    const char *host;         /* NULL: 127.0.0.1 and the port */
    const char *headers;      /* more of them, each with its "\r\n"; NULL: none */
    struct text body;         /* data NULL: none */
};

struct api_answer {
    int status;
    char *head; /* status line and headers */
    struct buf body;
    json_t *json; /* NULL if the body is no JSON */
};

void api_ask(const struct api_call *call, struct api_answer *ret);

/* The same where the scheduler may be away: -errno where there is no whole answer. Any thread. */
int api_try(const struct api_call *call, struct api_answer *ret);
void api_answer_done(struct api_answer *answer);

/* Sends and does not wait. Returns the connection, for the caller to close, or to receive from. */
int api_send(const struct api_call *call);

/* Waits for the answer on such a connection, and closes it. */
void api_receive(int fd, struct api_answer *ret);

/* The value of a header of the answer; empty: it is not there. Lives until the next call. */
const char *api_header(const struct api_answer *answer, const char *name);

/* The value of a series of /metrics ("stakeout_http_connections", labels and all); it must be
 * there. */
double api_metric(uint16_t port, const char *series);

/* Server-sent events: opens a stream, and waits until what came has this in it. */
struct api_stream {
    int fd;
    struct buf text; /* everything that came, head included */
};
void api_stream_open(struct api_stream *stream, uint16_t port, const char *path);
bool api_stream_wait(struct api_stream *stream, const char *needle);
void api_stream_close(struct api_stream *stream);

#endif
