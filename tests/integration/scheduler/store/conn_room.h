/* SPDX-License-Identifier: Apache-2.0 */
/* conn_room.h: a Redis, a connection to it, and a loop that turns until something was counted. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SCHEDULER_STORE_CONN_ROOM_H
#define STAKEOUT_TESTS_INTEGRATION_SCHEDULER_STORE_CONN_ROOM_H

#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/redis_conn.h"
#include "tests/support/redis_process.h"

struct event;
struct event_base;

struct line {
    struct redis_process redis;
    struct event_base *base;
    struct event *turn;
    struct redis_conn *conn;
    unsigned ups, downs;
    char why[160]; /* it went down last */
};

/* Starts a Redis of this configuration; it is not connected to yet. */
struct line *line_new(const char *config);
void line_free(struct line *line);

/* Turns the loop until the count is reached; fails the test after 45 s. */
void wait_for(struct line *line, const unsigned *count, unsigned wanted);

/* An address with the files of TLS (NULL: none). */
void connect_to(struct line *line, const char *url);
void connect_by_tls(struct line *line, const char *url, const struct redis_tls_files *files);

/* A request that remembers its answer. */
struct asked {
    struct redis_request request; /* first */
    unsigned answered;
    int rc;
    char text[512];
    unsigned *order, place; /* if set: counts answers, and which one it was */
};

/* The callback of a request that was made by hand. */
void asked_on_answer(struct redis_request *request, const struct redis_value *value, int rc);
void ask(struct line *line, struct asked *asked, const char *verb, struct text argument);

/* Sends commands of 400 bytes and of 300 KB, mixed, all at once; Redis tells their digests. */
void assert_bodies_arrive(struct line *line);

#endif
