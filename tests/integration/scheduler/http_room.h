/* SPDX-License-Identifier: Apache-2.0 */
/* http_room.h: a server and its raw clients in one thread: the loop is turned by hand. There is
 * one room at a time.
 *
 *     room_open(&(struct http_limits){ .request_ms = 50 });
 *     int fd = room_connect();
 *     room_send(fd, ROOM_GET("/hello"));
 *     room_expect(fd, "200 OK");      turns the loop until it came; fails after 10 s
 *     room_expect_close(fd);
 *
 * Routes: GET /hello, GET /large (large_size bytes), GET /park (answered by room_wake()), POST
 * /echo (1 MB), POST /small (16 bytes), GET /stream (fed by room_publish()), GET /probe and
 * POST /sink (to a pipe; role operator), GET /n/{number} (role probe; the latter says its
 * number). */
#ifndef STAKEOUT_TESTS_INTEGRATION_SCHEDULER_HTTP_ROOM_H
#define STAKEOUT_TESTS_INTEGRATION_SCHEDULER_HTTP_ROOM_H

#include "common/base/buf.h"
#include "scheduler/http/http.h"

struct event_base;

enum { ROOM_CLIENTS_MAX = 2048, ROOM_SINK_SIZE_MAX = 16 * 1024 * 1024 };

struct room {
    struct event_base *base;
    struct http *http;
    struct http_request *parked[ROOM_CLIENTS_MAX];
    size_t parked_count;
    size_t handled_count; /* times that a handler was called */
    size_t gone_count;
    size_t answer_count; /* of on_answer */
    int last_status;
    size_t large_size; /* of the answer to /large, and to /park when it is woken; 0: "woken\n" */
    int sink_fd; /* of the latest body that went to /sink: the end to read; the test closes it */
    size_t sink_opened, sink_dropped;
    bool has_tokens;      /* "viewer", "operator" and "probe" are the tokens of their roles */
    char got[256 * 1024]; /* what the latest expectation saw */
    size_t got_size;
};
extern struct room room;

/* A request's first lines, to be written in front of what matters in it. */
#define ROOM_HOST      "Host: localhost\r\n"
#define ROOM_GET(path) "GET " path " HTTP/1.1\r\n" ROOM_HOST "\r\n"

/* A fresh room with the usual limits for one test, and its end. */
int room_setup(void **state);
int room_teardown(void **state);

void room_open(const struct http_limits *limits);
void room_close(void);

/* Turns the loop once without waiting, or until the condition holds (fails after 10 s). */
void room_turn(void);
void room_until(bool (*condition)(void *context), void *context, const char *what);

void room_until_empty(void); /* no connection is left */
void room_until_parked(size_t count);
void room_until_gone(size_t count); /* of those that were parked, so many clients have gone */

int room_connect(void);  /* a non-blocking client; the caller closes it */
void room_reset(int fd); /* closes it as a process does that is killed */
void room_send(int fd, const char *text);
void room_send_bytes(int fd, const void *data, size_t size); /* turning */

/* Until `needle` has come, from where the last expectation on any client ended. */
void room_expect(int fd, const char *needle);
void room_expect_close(int fd); /* what comes before it is in room.got */

/* Reads at most `size` bytes of what comes, turning the loop; fewer if the server closes. They
 * are not kept. Returns how many they were. */
size_t room_swallow(int fd, size_t size);

/* One request of its own: what came until the server closed, or `needle`. */
void room_ask(const char *request, const char *needle);

void room_wake(void);
void room_publish(struct text chunk);

#endif
