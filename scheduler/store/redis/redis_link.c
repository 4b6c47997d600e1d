/* SPDX-License-Identifier: Apache-2.0 */
/* redis_link.c: hiredis on libevent's loop, and the greeting.
 *
 *   CLOSED --open--> CONNECTING --connected--> GREETING --PONG--> UP
 *     ^                 |                        |                |
 *     +-----------------+------ error, close ----+----------------+
 *
 * What hiredis 0.14 leaves to us:
 *
 * (1) No timeouts and no reconnection: redis_conn.c.
 * (2) Its output is one string whose front is cut at every partial write: O(n^2) in what is
 *     waiting. redis_queue.h bounds what it is given.
 * (3) redisAsyncFree() answers all callbacks with NULL, from inside; called from a callback of its
 *     own, only when that has returned. `redis` is NULL before that, so that nothing is sent by
 *     way of a context that ends, and `data` too, so that it reports no loss.
 *
 * INVARIANT: `redis` is NULL if and only if the state is CLOSED. */
#include "scheduler/store/redis/redis_link.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/timer.h"

enum {
    LOADING_MS = 50, /* between two questions whether it still loads */
    WHY_SIZE = 160,
};

struct redis_link {
    struct redis_link_options options;
    const struct redis_address *address;
    redisAsyncContext *redis;
    enum redis_link_state state;
    uint64_t since_ns;
    struct event *read, *write; /* of the socket; they live as long as `redis` */
    struct event *ping;
};

/* The end ----------------------------------------------------------------------------------- */

void redis_link_close(struct redis_link *link)
{
    redisAsyncContext *redis = link->redis;

    if (!redis) return;
    link->redis = NULL;
    link->state = LINK_CLOSED;
    event_del(link->ping);
    redis->data = NULL;
    redisAsyncFree(redis);
}

/* Redis, or the way to it, was not as it should be. `why` may be a string of hiredis. */
static void give_up(struct redis_link *link, const char *why)
{
    char kept[WHY_SIZE];

    snprintf(kept, sizeof(kept), "%s", why);
    redis_link_close(link);
    link->options.on_lost(link->options.context, kept);
}

/* hiredis says that it is over, and frees its context after that: we only forget it. */
static void forget(struct redis_link *link, const char *why)
{
    char kept[WHY_SIZE];

    snprintf(kept, sizeof(kept), "%s", why);
    link->redis = NULL;
    link->state = LINK_CLOSED;
    event_del(link->ping);
    link->options.on_lost(link->options.context, kept);
}

/* The greeting ------------------------------------------------------------------------------ */

static void greet_send(struct redis_link *link, redisCallbackFn *fn, int argc, const char **argv)
{
    if (link->redis) redisAsyncCommandArgv(link->redis, fn, link, argc, argv, NULL);
}

/* AUTH and SELECT: anything but OK ends the attempt. */
static void on_greeted(redisAsyncContext *redis, void *reply, void *privdata)
{
    struct redis_link *link = privdata;
    const redisReply *answer = reply;

    (void)redis;
    if (!answer || link->state != LINK_GREETING) return;
    if (answer->type == REDIS_REPLY_ERROR) give_up(link, answer->str);
}

static void ping_later(struct redis_link *link)
{
    link->since_ns = clock_monotonic_ns(); /* it lives; loading may take long */
    timer_arm(link->ping, LOADING_MS);
}

static void on_pong(redisAsyncContext *redis, void *reply, void *privdata)
{
    struct redis_link *link = privdata;
    const redisReply *answer = reply;

    (void)redis;
    if (!answer || link->state != LINK_GREETING) return;
    if (answer->type != REDIS_REPLY_ERROR) {
        link->state = LINK_UP;
        link->options.on_up(link->options.context);
    } else if (strncmp(answer->str, "LOADING", 7) == 0) {
        ping_later(link);
    } else {
        give_up(link, answer->str);
    }
}

static void ping(struct redis_link *link)
{
    greet_send(link, on_pong, 1, (const char *[]){ "PING" });
}

static void on_ping_due(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    ping(context);
}

static void greet(struct redis_link *link)
{
    const struct redis_address *address = link->address;
    char db[16];

    if (address->password[0]) {
        const char *named[] = { "AUTH", address->user, address->password };
        const char *plain[] = { "AUTH", address->password };
        greet_send(link, on_greeted, address->user[0] ? 3 : 2, address->user[0] ? named : plain);
    }
    if (address->db) {
        snprintf(db, sizeof(db), "%" PRIu32, address->db);
        greet_send(link, on_greeted, 2, (const char *[]){ "SELECT", db });
    }
    ping(link);
}

/* hiredis' events --------------------------------------------------------------------------- */

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct redis_link *link = context;

    (void)fd;
    (void)what;
    if (link->redis) redisAsyncHandleRead(link->redis);
    link->options.on_read(link->options.context);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct redis_link *link = context;

    (void)fd;
    (void)what;
    if (link->redis) redisAsyncHandleWrite(link->redis);
}

static void add_read(void *privdata)
{
    struct redis_link *link = privdata;

    if (link->read) event_add(link->read, NULL);
}

static void del_read(void *privdata)
{
    struct redis_link *link = privdata;

    if (link->read) event_del(link->read);
}

static void add_write(void *privdata)
{
    struct redis_link *link = privdata;

    if (link->write) event_add(link->write, NULL);
}

static void del_write(void *privdata)
{
    struct redis_link *link = privdata;

    if (link->write) event_del(link->write);
}

static void cleanup(void *privdata)
{
    struct redis_link *link = privdata;

    if (link->read) event_free(link->read);
    if (link->write) event_free(link->write);
    link->read = link->write = NULL;
}

static void on_connected(const redisAsyncContext *redis, int status)
{
    struct redis_link *link = redis->data;

    if (!link) return;
    if (status != REDIS_OK) {
        forget(link, redis->errstr ? redis->errstr : "it cannot be reached");
        return;
    }
    link->state = LINK_GREETING;
    link->since_ns = clock_monotonic_ns();
    greet(link);
}

static void on_disconnected(const redisAsyncContext *redis, int status)
{
    struct redis_link *link = redis->data;
    bool has_reason = status != REDIS_OK && redis->errstr && redis->errstr[0];

    if (link) forget(link, has_reason ? redis->errstr : "the connection was closed");
}

static bool attach(struct redis_link *link)
{
    redisAsyncContext *redis = link->redis;

    link->read =
        event_new(link->options.base, redis->c.fd, EV_READ | EV_PERSIST, on_readable, link);
    link->write = event_new(link->options.base, redis->c.fd, EV_WRITE, on_writable, link);
    CHECK(link->read && link->write);
    redis->ev.addRead = add_read;
    redis->ev.delRead = del_read;
    redis->ev.addWrite = add_write;
    redis->ev.delWrite = del_write;
    redis->ev.cleanup = cleanup;
    redis->ev.data = link;
    redis->data = link;
    return redisAsyncSetConnectCallback(redis, on_connected) == REDIS_OK &&
           redisAsyncSetDisconnectCallback(redis, on_disconnected) == REDIS_OK;
}

int redis_link_open(struct redis_link *link, const struct redis_address *address, char *ret_why,
                    size_t why_size)
{
    redisAsyncContext *redis;

    CHECK(link->state == LINK_CLOSED);
    redis = address->path[0] ? redisAsyncConnectUnix(address->path)
                             : redisAsyncConnect(address->host, address->port);
    CHECK(redis);
    if (redis->err) {
        snprintf(ret_why, why_size, "%s", redis->errstr);
        redisAsyncFree(redis);
        return -1;
    }
    link->redis = redis;
    link->address = address;
    link->state = LINK_CONNECTING;
    link->since_ns = clock_monotonic_ns();
    CHECK(attach(link));
    return 0;
}

/* Commands ---------------------------------------------------------------------------------- */

static void on_reply(redisAsyncContext *redis, void *reply, void *privdata)
{
    struct redis_link *link = redis->ev.data;

    link->options.on_answer(link->options.context, privdata, reply);
}

int redis_link_send(struct redis_link *link, struct text bytes, struct redis_request *request)
{
    CHECK(link->state == LINK_UP);
    return redisAsyncFormattedCommand(link->redis, on_reply, request, bytes.data, bytes.size) ==
                   REDIS_OK
               ? 0
               : -1;
}

/* Life -------------------------------------------------------------------------------------- */

enum redis_link_state redis_link_state(const struct redis_link *link)
{
    return link->state;
}

uint64_t redis_link_since_ns(const struct redis_link *link)
{
    return link->since_ns;
}

struct redis_link *redis_link_new(const struct redis_link_options *options)
{
    struct redis_link *link = mem_zalloc(1, sizeof(*link));

    link->options = *options;
    link->ping = evtimer_new(options->base, on_ping_due, link);
    CHECK(link->ping);
    return link;
}

struct redis_link *redis_link_free(struct redis_link *link)
{
    if (!link) return NULL;
    redis_link_close(link);
    event_free(link->ping);
    free(link);
    return NULL;
}
