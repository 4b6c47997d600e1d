/* SPDX-License-Identifier: Apache-2.0 */
/* http_room.h: a server and its raw clients in one thread: the loop is turned by hand.
 *
 *     struct room room;
 *     room_open(&room, &(struct http_limits){ .request_ms = 50 });
 *     int fd = room_connect(&room);
 *     room_send(fd, "GET /hello HTTP/1.1\r\n...");
 *     room_expect(&room, fd, "200 OK");      turns the loop until it came; fails after 10 s
 *     room_expect_close(&room, fd);
 *
 * Routes: GET /hello, GET /large (large_size bytes), GET /park (answered by room_wake()), POST
 * /echo (1 MB), POST /small (16 bytes), GET /stream (fed by room_publish()), GET /probe and
 * GET /n/{number} (role probe; the latter says its number). */
#ifndef STAKEOUT_TESTS_INTEGRATION_SCHEDULER_HTTP_ROOM_H
#define STAKEOUT_TESTS_INTEGRATION_SCHEDULER_HTTP_ROOM_H

#include "common/base/buf.h"
#include "scheduler/http/http.h"

struct event_base;

enum { ROOM_CLIENTS_MAX = 2048 };

struct room {
    struct event_base *base;
    struct http *http;
    struct http_request *parked[ROOM_CLIENTS_MAX];
    size_t parked_count;
    size_t handled_count; /* times that a handler was called */
    size_t gone_count;
    size_t answer_count; /* of on_answer */
    int last_status;
    size_t large_size;    /* of the answer to /large, and to /park when it is woken; 0: "woken\n" */
    bool has_tokens;      /* "viewer", "operator" and "probe" are the tokens of their roles */
    char got[256 * 1024]; /* what the latest expectation saw */
    size_t got_size;
};

void room_open(struct room *room, const struct http_limits *limits);
void room_close(struct room *room);

/* Turns the loop once without waiting, or until the condition holds (fails after 10 s). */
void room_turn(struct room *room);
void room_until(struct room *room, bool (*condition)(void *context), void *context,
                const char *what);

void room_until_empty(struct room *room); /* no connection is left */

int room_connect(struct room *room); /* a non-blocking client; the caller closes it */
void room_send(int fd, const char *text);
void room_send_bytes(struct room *room, int fd, const void *data, size_t size); /* turning */

/* Until `needle` has come, from where the last expectation on any client ended. */
void room_expect(struct room *room, int fd, const char *needle);
void room_expect_close(struct room *room, int fd); /* what comes before it is in room->got */

/* Reads at most `size` bytes of what comes, turning the loop; fewer if the server closes. They
 * are not kept. Returns how many they were. */
size_t room_swallow(struct room *room, int fd, size_t size);

/* One request of its own: what came until the server closed, or `needle`. */
void room_ask(struct room *room, const char *request, const char *needle);

void room_wake(struct room *room);
void room_publish(struct room *room, struct text chunk);

#endif
