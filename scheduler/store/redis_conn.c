/* SPDX-License-Identifier: Apache-2.0 */
/* redis_conn.c: hiredis, made to be relied upon.
 *
 *   DOWN --timer--> CONNECTING --connected--> GREETING --PONG--> UP
 *     ^                 |                        |               |
 *     +-----------------+------ error, timeout --+---------------+
 *
 * What hiredis 0.14 leaves to us, and where it is:
 *
 * (1) No timeouts: `watch` looks every 250 ms at how long we have been connecting, or how long
 *     ago Redis last answered while something is in flight.
 * (2) No reconnection: `retry`. What was in flight is answered with an error, never sent again
 *     here: only the caller knows whether that would be right.
 * (3) Its output is one string whose front is cut at every partial write: O(n^2) in what is
 *     waiting. So at most IN_FLIGHT_SIZE_MAX bytes are given to it, or one request if that is
 *     larger; the rest waits in `waiting`.
 * (4) redisAsyncFree() answers all callbacks with NULL, from inside. `redis` is NULL before that,
 *     so whatever those callbacks send is failed later, by `fail`.
 *
 * INVARIANT: a request is in exactly one of `waiting`, `flying` or `failed` until its callback. */
#include "scheduler/store/redis_conn.h"

#include <errno.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "scheduler/store/redis_address.h"

enum {
    IN_FLIGHT_SIZE_MAX = 1024 * 1024,    /* bytes: see (3) */
    WAITING_SIZE_MAX = 64 * 1024 * 1024, /* bytes: a minute of reports that nobody answers */
    WAITING_COUNT_MAX = 200000,
    CONNECT_MS_MAX = 2000,
    ANSWER_MS_MAX = 5000, /* a command of ours takes Redis a few ms; longer, it hangs */
    WATCH_MS = 250,
    LOADING_MS = 50, /* between two questions whether it still loads */
    RETRY_MS_MIN = 50,
    RETRY_MS_MAX = 2000,
};

enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_GREETING, CONN_UP };

struct request_list {
    struct redis_request *first, **last;
    size_t count, size;
};

struct redis_conn {
    struct redis_conn_options options;
    struct redis_address *address; /* owned */
    redisAsyncContext *redis;
    enum conn_state state;
    struct request_list waiting, flying, failed;
    struct event *retry, *watch, *fail, *read, *write;
    uint64_t began_ns, heard_ns; /* connecting since; last answer, or first request since */
    uint32_t retry_ms;
    bool is_sending;
    char why[160];
    struct redis_conn_figures figures;
};

/* Lists ------------------------------------------------------------------------------------- */

static void list_put(struct request_list *list, struct redis_request *request)
{
    request->next = NULL;
    if (!list->first) list->last = &list->first;
    *list->last = request;
    list->last = &request->next;
    list->count++;
    list->size += request->size;
}

static struct redis_request *list_take(struct request_list *list)
{
    struct redis_request *request = list->first;

    if (!request) return NULL;
    list->first = request->next;
    list->count--;
    list->size -= request->size;
    request->next = NULL;
    return request;
}

static void arm(struct event *timer, uint64_t ms)
{
    struct timeval after = { .tv_sec = (time_t)(ms / 1000),
                             .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

    CHECK(event_add(timer, &after) == 0);
}

static void fail_later(struct redis_conn *conn, struct redis_request *request, int rc)
{
    request->rc = rc;
    list_put(&conn->failed, request);
    arm(conn->fail, 0);
}

static void on_fail(evutil_socket_t fd, short what, void *context)
{
    struct redis_conn *conn = context;
    struct request_list failed = conn->failed;
    struct redis_request *request;

    (void)fd;
    (void)what;
    conn->failed = (struct request_list){ 0 };
    if (!failed.first) return;
    while ((request = list_take(&failed)) != NULL) {
        conn->figures.errors++;
        request->on_answer(request, NULL, request->rc);
    }
}

/* Down and up ------------------------------------------------------------------------------- */

static void retry_later(struct redis_conn *conn)
{
    uint64_t jitter_ms = random_u64() % (conn->retry_ms / 2 + 1);

    arm(conn->retry, conn->retry_ms / 2 + jitter_ms);
    conn->retry_ms *= 2;
    if (conn->retry_ms > RETRY_MS_MAX) conn->retry_ms = RETRY_MS_MAX;
}

/* From any state to DOWN. hiredis' context is gone, or is freed here. */
static void go_down(struct redis_conn *conn, const char *why)
{
    redisAsyncContext *redis = conn->redis;
    bool was_up = conn->state == CONN_UP;
    struct redis_request *request;

    if (conn->state == CONN_DOWN) return;
    conn->state = CONN_DOWN;
    conn->redis = NULL;
    snprintf(conn->why, sizeof(conn->why), "%s", why);
    if (was_up) conn->figures.disconnects++;
    event_del(conn->watch);
    if (redis) {
        redis->data = NULL;
        redisAsyncFree(redis); /* answers what flies, through on_reply() */
    }
    while ((request = list_take(&conn->waiting)) != NULL)
        fail_later(conn, request, -ENOTCONN);
    retry_later(conn);
    conn->options.on_down(conn->options.context, conn->why);
}

static void greet(struct redis_conn *conn); /* called back by what it sends */

static void on_watch(evutil_socket_t fd, short what, void *context)
{
    struct redis_conn *conn = context;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t since_ns = conn->state == CONN_UP ? conn->heard_ns : conn->began_ns;
    uint64_t most_ms = conn->state == CONN_CONNECTING ? CONNECT_MS_MAX : ANSWER_MS_MAX;
    bool is_waiting = conn->state != CONN_UP || conn->flying.count > 0;

    (void)fd;
    (void)what;
    if (is_waiting && now_ns - since_ns > ms_to_ns(most_ms)) {
        conn->figures.timeouts++;
        go_down(conn, conn->state == CONN_CONNECTING ? "connecting took too long"
                                                     : "no answer for 5 seconds");
        return;
    }
    arm(conn->watch, WATCH_MS);
}

/* Sending ----------------------------------------------------------------------------------- */

static void on_reply(redisAsyncContext *redis, void *reply, void *privdata)
{
    struct redis_request *request = privdata;
    struct redis_conn *conn = request->conn;
    uint64_t now_ns = clock_monotonic_ns();

    (void)redis;
    CHECK(list_take(&conn->flying) == request);
    conn->figures.commands++;
    if (!reply) {
        fail_later(conn, request, -ECONNRESET);
        return;
    }
    conn->heard_ns = now_ns;
    conn->figures.latency_ns = now_ns - request->sent_ns;
    request->on_answer(request, reply, 0);
}

/* Gives hiredis what may fly. */
static void send_waiting(struct redis_conn *conn)
{
    if (conn->is_sending) return;
    conn->is_sending = true;
    while (conn->redis && conn->state == CONN_UP && conn->waiting.first &&
           (conn->flying.count == 0 ||
            conn->flying.size + conn->waiting.first->size <= IN_FLIGHT_SIZE_MAX)) {
        struct redis_request *request = list_take(&conn->waiting);
        struct text bytes = redis_command_bytes(&request->command);

        request->sent_ns = clock_monotonic_ns();
        if (conn->flying.count == 0) conn->heard_ns = request->sent_ns;
        list_put(&conn->flying, request);
        if (redisAsyncFormattedCommand(conn->redis, on_reply, request, bytes.data, bytes.size) !=
            REDIS_OK) {
            CHECK(conn->flying.count > 0);
            go_down(conn, "hiredis refused a command");
            break;
        }
    }
    conn->is_sending = false;
}

void redis_conn_send(struct redis_conn *conn, struct redis_request *request)
{
    request->conn = conn;
    request->size = redis_command_bytes(&request->command).size;
    if (conn->state != CONN_UP) {
        fail_later(conn, request, -ENOTCONN);
        return;
    }
    if (conn->waiting.size + request->size > WAITING_SIZE_MAX ||
        conn->waiting.count >= WAITING_COUNT_MAX) {
        fail_later(conn, request, -ENOBUFS);
        return;
    }
    list_put(&conn->waiting, request);
    send_waiting(conn);
}

/* hiredis' events --------------------------------------------------------------------------- */

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct redis_conn *conn = context;

    (void)fd;
    (void)what;
    if (conn->redis) redisAsyncHandleRead(conn->redis);
    send_waiting(conn); /* answers made room */
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct redis_conn *conn = context;

    (void)fd;
    (void)what;
    if (conn->redis) redisAsyncHandleWrite(conn->redis);
}

static void add_read(void *privdata)
{
    struct redis_conn *conn = privdata;

    if (conn->read) event_add(conn->read, NULL);
}

static void del_read(void *privdata)
{
    struct redis_conn *conn = privdata;

    if (conn->read) event_del(conn->read);
}

static void add_write(void *privdata)
{
    struct redis_conn *conn = privdata;

    if (conn->write) event_add(conn->write, NULL);
}

static void del_write(void *privdata)
{
    struct redis_conn *conn = privdata;

    if (conn->write) event_del(conn->write);
}

static void cleanup(void *privdata)
{
    struct redis_conn *conn = privdata;

    if (conn->read) event_free(conn->read);
    if (conn->write) event_free(conn->write);
    conn->read = conn->write = NULL;
}

/* hiredis frees the context after this, so we only forget it. */
static void on_connected(const redisAsyncContext *redis, int status)
{
    struct redis_conn *conn = redis->data;

    if (!conn) return;
    if (status != REDIS_OK) {
        char why[160];
        snprintf(why, sizeof(why), "%s", redis->errstr ? redis->errstr : "it cannot be reached");
        conn->redis = NULL;
        go_down(conn, why);
        return;
    }
    conn->state = CONN_GREETING;
    conn->began_ns = clock_monotonic_ns();
    greet(conn);
}

static void on_disconnected(const redisAsyncContext *redis, int status)
{
    struct redis_conn *conn = redis->data;
    char why[160];

    if (!conn) return;
    snprintf(why, sizeof(why), "%s",
             status != REDIS_OK && redis->errstr && redis->errstr[0] ? redis->errstr
                                                                     : "the connection was closed");
    conn->redis = NULL;
    go_down(conn, why);
}

static bool attach(struct redis_conn *conn)
{
    redisAsyncContext *redis = conn->redis;

    conn->read =
        event_new(conn->options.base, redis->c.fd, EV_READ | EV_PERSIST, on_readable, conn);
    conn->write = event_new(conn->options.base, redis->c.fd, EV_WRITE, on_writable, conn);
    CHECK(conn->read && conn->write);
    redis->ev.addRead = add_read;
    redis->ev.delRead = del_read;
    redis->ev.addWrite = add_write;
    redis->ev.delWrite = del_write;
    redis->ev.cleanup = cleanup;
    redis->ev.data = conn;
    redis->data = conn;
    return redisAsyncSetConnectCallback(redis, on_connected) == REDIS_OK &&
           redisAsyncSetDisconnectCallback(redis, on_disconnected) == REDIS_OK;
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    struct redis_conn *conn = context;
    const struct redis_address *address = conn->address;

    (void)fd;
    (void)what;
    CHECK(conn->state == CONN_DOWN && !conn->redis);
    conn->state = CONN_CONNECTING;
    conn->began_ns = clock_monotonic_ns();
    conn->redis = address->path[0] ? redisAsyncConnectUnix(address->path)
                                   : redisAsyncConnect(address->host, address->port);
    CHECK(conn->redis);
    if (conn->redis->err) {
        char why[160];
        snprintf(why, sizeof(why), "%s", conn->redis->errstr);
        go_down(conn, why);
        return;
    }
    CHECK(attach(conn));
    arm(conn->watch, WATCH_MS);
}

/* The greeting ------------------------------------------------------------------------------ */

static void greet_send(struct redis_conn *conn, redisCallbackFn *fn, int argc, const char **argv)
{
    if (conn->redis) redisAsyncCommandArgv(conn->redis, fn, conn, argc, argv, NULL);
}

/* AUTH and SELECT: anything but OK ends the attempt. */
static void on_greeted(redisAsyncContext *redis, void *reply, void *privdata)
{
    struct redis_conn *conn = privdata;
    const redisReply *answer = reply;

    (void)redis;
    if (!answer || conn->state != CONN_GREETING) return;
    if (answer->type == REDIS_REPLY_ERROR) go_down(conn, answer->str);
}

static void on_pong(redisAsyncContext *redis, void *reply, void *privdata)
{
    struct redis_conn *conn = privdata;
    const redisReply *answer = reply;

    (void)redis;
    if (!answer || conn->state != CONN_GREETING) return;
    if (answer->type == REDIS_REPLY_ERROR && strncmp(answer->str, "LOADING", 7) == 0) {
        conn->began_ns = clock_monotonic_ns(); /* it lives; loading may take long */
        arm(conn->retry, LOADING_MS);
        return;
    }
    if (answer->type == REDIS_REPLY_ERROR) {
        go_down(conn, answer->str);
        return;
    }
    conn->state = CONN_UP;
    conn->figures.connects++;
    conn->options.on_up(conn->options.context);
}

static void greet(struct redis_conn *conn)
{
    const struct redis_address *address = conn->address;
    char db[16];

    if (address->password[0]) {
        const char *named[] = { "AUTH", address->user, address->password };
        const char *plain[] = { "AUTH", address->password };
        greet_send(conn, on_greeted, address->user[0] ? 3 : 2, address->user[0] ? named : plain);
    }
    if (address->db) {
        snprintf(db, sizeof(db), "%" PRIu32, address->db);
        greet_send(conn, on_greeted, 2, (const char *[]){ "SELECT", db });
    }
    greet_send(conn, on_pong, 1, (const char *[]){ "PING" });
}

/* `retry` serves two waits: for the next attempt when DOWN, for the next PING when GREETING. */
static void on_retry_or_ping(evutil_socket_t fd, short what, void *context)
{
    struct redis_conn *conn = context;

    if (conn->state == CONN_DOWN) {
        on_retry(fd, what, context);
    } else if (conn->state == CONN_GREETING) {
        greet_send(conn, on_pong, 1, (const char *[]){ "PING" });
    }
}

/* Life -------------------------------------------------------------------------------------- */

/* hiredis sends with write(2): a peer that is gone would end us. */
static void ignore_sigpipe(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        CHECK(sigaction(SIGPIPE, &action, NULL) == 0);
    }
}

struct redis_conn *redis_conn_new(const struct redis_conn_options *options)
{
    struct redis_conn *conn = mem_zalloc(1, sizeof(*conn));

    ignore_sigpipe();
    conn->options = *options;
    conn->retry_ms = RETRY_MS_MIN;
    conn->address = mem_zalloc(1, sizeof(*conn->address));
    conn->retry = evtimer_new(options->base, on_retry_or_ping, conn);
    conn->watch = evtimer_new(options->base, on_watch, conn);
    conn->fail = evtimer_new(options->base, on_fail, conn);
    CHECK(conn->retry && conn->watch && conn->fail);
    return conn;
}

static void ignore_down(void *context, const char *why)
{
    (void)context;
    (void)why;
}

void redis_conn_close(struct redis_conn *conn)
{
    conn->options.on_down = ignore_down;
    go_down(conn, "the store is closed");
    event_del(conn->retry);
}

bool redis_conn_answer_failed(struct redis_conn *conn)
{
    bool had_some = conn->failed.first != NULL;

    on_fail(-1, 0, conn);
    return had_some;
}

struct redis_conn *redis_conn_free(struct redis_conn *conn)
{
    if (!conn) return NULL;
    redis_conn_close(conn);
    CHECK(!conn->failed.first);
    event_free(conn->retry);
    event_free(conn->watch);
    event_free(conn->fail);
    free(conn->address);
    free(conn);
    return NULL;
}

void redis_conn_connect(struct redis_conn *conn, const struct redis_address *address)
{
    *conn->address = *address;
    conn->retry_ms = RETRY_MS_MIN;
    if (conn->state == CONN_DOWN) {
        arm(conn->retry, 0);
    } else {
        go_down(conn, "it has another address now");
    }
}

void redis_conn_drop(struct redis_conn *conn, const char *why)
{
    go_down(conn, why);
}

void redis_conn_note_good(struct redis_conn *conn)
{
    conn->retry_ms = RETRY_MS_MIN;
}

bool redis_conn_is_up(const struct redis_conn *conn)
{
    return conn->state == CONN_UP;
}

void redis_conn_read_figures(const struct redis_conn *conn, struct redis_conn_figures *ret)
{
    *ret = conn->figures;
    ret->in_flight_count = conn->flying.count;
    ret->in_flight_size = conn->flying.size;
    ret->queued_count = conn->waiting.count;
    ret->queued_size = conn->waiting.size;
}

/* Values ------------------------------------------------------------------------------------ */

static const redisReply *reply_of(const struct redis_value *value)
{
    return (const redisReply *)(const void *)value;
}

bool redis_value_is_nil(const struct redis_value *value)
{
    return !value || reply_of(value)->type == REDIS_REPLY_NIL;
}

bool redis_value_is_error(const struct redis_value *value)
{
    return value && reply_of(value)->type == REDIS_REPLY_ERROR;
}

struct text redis_value_text(const struct redis_value *value)
{
    const redisReply *reply = reply_of(value);

    if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS &&
                   reply->type != REDIS_REPLY_ERROR)) {
        return TEXT("");
    }
    return (struct text){ reply->str, reply->len };
}

uint64_t redis_value_u64(const struct redis_value *value)
{
    const redisReply *reply = reply_of(value);
    uint64_t number = 0;

    if (!reply) return 0;
    if (reply->type == REDIS_REPLY_INTEGER) {
        return reply->integer > 0 ? (uint64_t)reply->integer : 0;
    }
    return text_to_u64(redis_value_text(value), &number) < 0 ? 0 : number;
}

size_t redis_value_count(const struct redis_value *value)
{
    const redisReply *reply = reply_of(value);

    return reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const struct redis_value *redis_value_at(const struct redis_value *value, size_t index)
{
    if (index >= redis_value_count(value)) return NULL;
    return (const struct redis_value *)(const void *)reply_of(value)->element[index];
}
