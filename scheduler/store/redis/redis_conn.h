/* SPDX-License-Identifier: Apache-2.0 */
/* redis_conn.h: a connection to a Redis, kept up for ever.
 *
 *     conn = redis_conn_new(&(struct redis_conn_options){ .base = base, .on_up = ..., ... });
 *     redis_conn_connect(conn, &address);
 *     redis_conn_send(conn, &request);          from on_up on
 *
 * A request belongs to the caller and must live, with its command, until its callback; that
 * comes exactly once, later, never before redis_conn_send() returned: with Redis' answer, or
 * with rc < 0 and no value: -ENOTCONN (not sent: the connection is down), -ENOBUFS (not sent: too
 * much is waiting), -ECONNRESET or -ETIMEDOUT (sent, the outcome is unknown).
 *
 * Answers come in the order of the requests. The connection is up after AUTH, SELECT and a PONG
 * that is not LOADING. Lost, it is tried again after 50 ms, doubling to 2 s, with jitter.
 *
 * One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_CONN_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_CONN_H

#include "scheduler/store/redis/redis_request.h"
#include "scheduler/store/redis/redis_value.h"

struct event_base;
struct redis_address;
struct redis_conn;

struct redis_conn_options {
    struct event_base *base;
    void (*on_up)(void *context);                    /* may send from now on */
    void (*on_down)(void *context, const char *why); /* it was up, or could not be reached */
    void *context;
};

struct redis_conn_figures {
    uint64_t commands, errors, timeouts, connects, disconnects;
    uint64_t in_flight_count, in_flight_size, queued_count, queued_size;
    uint64_t latency_ns; /* of the last answer */
};

/* From the first one on, the process ignores SIGPIPE. */
struct redis_conn *redis_conn_new(const struct redis_conn_options *options);

/* The end, in three steps, none of them from a callback of ours: close it, after which whatever is
 * sent fails, and on_down comes no more; answer what has failed, until that says that there was
 * nothing; free it. What was only closed may be connected again. */
void redis_conn_close(struct redis_conn *conn);
bool redis_conn_answer_failed(struct redis_conn *conn);
struct redis_conn *redis_conn_free(struct redis_conn *conn);

/* Begins, or begins anew at another address. The address is copied. */
void redis_conn_connect(struct redis_conn *conn, const struct redis_address *address);
/* Drops the connection and tries again: for an answer that says that this Redis is not the one. */
void redis_conn_drop(struct redis_conn *conn, const char *why);
/* This Redis will do: the next loss begins with the shortest wait. */
void redis_conn_note_good(struct redis_conn *conn);
/* Where it is connected to, as an address of a single Redis. */
void redis_conn_read_place(const struct redis_conn *conn, struct redis_address *ret);
bool redis_conn_is_up(const struct redis_conn *conn);
void redis_conn_send(struct redis_conn *conn, struct redis_request *request);
void redis_conn_read_figures(const struct redis_conn *conn, struct redis_conn_figures *ret);

#endif
