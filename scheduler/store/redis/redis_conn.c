/* SPDX-License-Identifier: Apache-2.0 */
/* redis_conn.c: a link that is opened again whenever it is lost.
 *
 *     redis_conn   this file: patience, reconnection, figures
 *       redis_link     one connection while it lasts: the stream, the greeting
 *       redis_queue    the requests: waiting, flying, failed
 *       redis_sentinel where the master is, if only Sentinels know
 *
 * (1) Patience: `watch` looks every 250 ms at how long the greeting lasts, or how long ago Redis
 *     last answered while something flies.
 * (2) Reconnection: `retry`. What flew is answered with an error, never sent again here: only the
 *     caller knows whether that would be right. With Sentinels each attempt begins by asking them
 *     where, and ends when they name another place.
 * (3) Whatever fails is told by `fail`, from the loop: never from within redis_conn_send().
 *
 * INVARIANT: it is up from options.on_up to options.on_down; then the link is up, too. */
#include "scheduler/store/redis/redis_conn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/redis_link.h"
#include "scheduler/store/redis/redis_queue.h"
#include "scheduler/store/redis/redis_sentinel.h"
#include "scheduler/store/redis/timer.h"

enum {
    ANSWER_MS_MAX = 5000, /* a command of ours takes Redis a few ms; longer, it hangs */
    WATCH_MS = 250,
    RETRY_MS_MIN = 50,
    RETRY_MS_MAX = 2000,
    WHY_SIZE = 160,
};

struct redis_conn {
    struct redis_conn_options options;
    struct redis_address *address;   /* owned: as it was given */
    struct redis_address *place;     /* owned: where we connect to */
    struct redis_link *link;         /* owned */
    struct redis_sentinel *sentinel; /* owned; idle unless the address is theirs */
    struct redis_queue queue;
    struct event *retry, *watch, *fail;
    uint64_t heard_ns; /* last answer, or first request since */
    uint32_t retry_ms;
    bool is_up;
    struct redis_conn_figures figures;
};

/* Failing ----------------------------------------------------------------------------------- */

static void fail_later(struct redis_conn *conn, struct redis_request *request, int rc)
{
    redis_queue_fail(&conn->queue, request, rc);
    timer_arm(conn->fail, 0);
}

/* What fails meanwhile is told the next time. */
static void on_fail(evutil_socket_t fd, short what, void *context)
{
    struct redis_conn *conn = context;
    struct redis_request *request, *next;

    (void)fd;
    (void)what;
    for (request = redis_queue_take_failed(&conn->queue); request; request = next) {
        next = request->next;
        conn->figures.errors++;
        request->on_answer(request, NULL, request->rc);
    }
}

/* Down and up ------------------------------------------------------------------------------- */

static void retry_later(struct redis_conn *conn)
{
    uint64_t jitter_ms = random_u64() % (conn->retry_ms / 2 + 1);

    timer_arm(conn->retry, conn->retry_ms / 2 + jitter_ms);
    conn->retry_ms *= 2;
    if (conn->retry_ms > RETRY_MS_MAX) conn->retry_ms = RETRY_MS_MAX;
}

/* The link is closed, for whatever reason. */
static void on_lost(void *context, const char *why)
{
    struct redis_conn *conn = context;

    if (conn->is_up) conn->figures.disconnects++;
    conn->is_up = false;
    event_del(conn->watch);
    if (conn->queue.waiting.count > 0) {
        redis_queue_fail_waiting(&conn->queue, -ENOTCONN);
        timer_arm(conn->fail, 0);
    }
    retry_later(conn);
    conn->options.on_down(conn->options.context, why);
}

void redis_conn_drop(struct redis_conn *conn, const char *why)
{
    char kept[WHY_SIZE]; /* `why` may be an answer, which ends with the link */

    if (redis_link_state(conn->link) == LINK_CLOSED) return;
    snprintf(kept, sizeof(kept), "%s", why);
    redis_link_close(conn->link);
    on_lost(conn, kept);
}

static void on_watch(evutil_socket_t fd, short what, void *context)
{
    struct redis_conn *conn = context;
    bool is_greeting = redis_link_state(conn->link) == LINK_GREETING;
    bool is_waiting = is_greeting || conn->queue.flying.count > 0;
    uint64_t since_ns = is_greeting ? redis_link_since_ns(conn->link) : conn->heard_ns;

    (void)fd;
    (void)what;
    if (is_waiting && clock_monotonic_ns() - since_ns > ms_to_ns(ANSWER_MS_MAX)) {
        conn->figures.timeouts++;
        redis_conn_drop(conn, "no answer for 5 seconds");
        return;
    }
    timer_arm(conn->watch, WATCH_MS);
}

static void open_link(struct redis_conn *conn)
{
    event_del(conn->retry);
    redis_link_open(conn->link, conn->place);
    timer_arm(conn->watch, WATCH_MS);
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    struct redis_conn *conn = context;

    (void)fd;
    (void)what;
    if (conn->address->shape == REDIS_SENTINEL)
        redis_sentinel_ask(conn->sentinel, conn->address);
    else
        open_link(conn);
}

/* Asked for, or because the master is another one now. */
static void on_master(void *context, const struct redis_place *master)
{
    struct redis_conn *conn = context;
    bool is_there =
        conn->place->port == master->port && strcmp(conn->place->host, master->host) == 0;

    if (is_there && redis_link_state(conn->link) != LINK_CLOSED) return;
    redis_conn_drop(conn, "the Sentinels name another master");
    memcpy(conn->place->host, master->host, sizeof(conn->place->host));
    conn->place->port = master->port;
    open_link(conn);
}

static void on_up(void *context)
{
    struct redis_conn *conn = context;

    conn->is_up = true;
    conn->figures.connects++;
    conn->options.on_up(conn->options.context);
}

/* Requests ---------------------------------------------------------------------------------- */

static void on_answer(void *context, struct redis_request *request, const struct redis_value *value)
{
    struct redis_conn *conn = context;
    uint64_t now_ns = clock_monotonic_ns();

    redis_queue_land(&conn->queue, request);
    conn->figures.commands++;
    if (!value) {
        fail_later(conn, request, -ECONNRESET);
        return;
    }
    conn->heard_ns = now_ns;
    conn->figures.latency_ns = now_ns - request->sent_ns;
    request->on_answer(request, value, 0);
}

/* Gives the link what may fly. */
static void send_waiting(void *context)
{
    struct redis_conn *conn = context;
    struct redis_request *request;

    while (conn->is_up && (request = redis_queue_next(&conn->queue)) != NULL) {
        request->sent_ns = clock_monotonic_ns();
        redis_link_send(conn->link, redis_command_bytes(&request->command), request);
        if (conn->queue.flying.count == 0) conn->heard_ns = request->sent_ns;
        redis_queue_fly(&conn->queue);
    }
}

void redis_conn_send(struct redis_conn *conn, struct redis_request *request)
{
    int rc = conn->is_up ? redis_queue_put(&conn->queue, request) : -ENOTCONN;

    if (rc < 0)
        fail_later(conn, request, rc);
    else
        send_waiting(conn);
}

/* Life -------------------------------------------------------------------------------------- */

/* libevent sends with writev(2): a peer that is gone would end us. */
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
    conn->place = mem_zalloc(1, sizeof(*conn->place));
    conn->sentinel = redis_sentinel_new(&(struct redis_sentinel_options){
        .base = options->base, .on_master = on_master, .on_nobody = on_lost, .context = conn });
    conn->link = redis_link_new(&(struct redis_link_options){
        .base = options->base,
        .on_up = on_up,
        .on_lost = on_lost,
        .on_answer = on_answer,
        .on_read = send_waiting, /* answers made room */
        .context = conn,
    });
    conn->retry = evtimer_new(options->base, on_retry, conn);
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
    redis_sentinel_stop(conn->sentinel);
    redis_conn_drop(conn, "the store is closed");
    event_del(conn->retry);
}

bool redis_conn_answer_failed(struct redis_conn *conn)
{
    bool had_some = conn->queue.failed.count > 0;

    on_fail(-1, 0, conn);
    return had_some;
}

struct redis_conn *redis_conn_free(struct redis_conn *conn)
{
    if (!conn) return NULL;
    redis_conn_close(conn);
    CHECK(conn->queue.failed.count == 0);
    redis_link_free(conn->link);
    redis_sentinel_free(conn->sentinel);
    event_free(conn->retry);
    event_free(conn->watch);
    event_free(conn->fail);
    free(conn->address);
    free(conn->place);
    free(conn);
    return NULL;
}

void redis_conn_connect(struct redis_conn *conn, const struct redis_address *address)
{
    redis_sentinel_stop(conn->sentinel);
    *conn->address = *address;
    *conn->place = *address;
    conn->retry_ms = RETRY_MS_MIN;
    if (redis_link_state(conn->link) == LINK_CLOSED)
        timer_arm(conn->retry, 0);
    else
        redis_conn_drop(conn, "it has another address now");
}

void redis_conn_note_good(struct redis_conn *conn)
{
    conn->retry_ms = RETRY_MS_MIN;
}

void redis_conn_read_place(const struct redis_conn *conn, struct redis_address *ret)
{
    *ret = *conn->place;
    ret->shape = REDIS_SINGLE;
}

bool redis_conn_is_up(const struct redis_conn *conn)
{
    return conn->is_up;
}

void redis_conn_read_figures(const struct redis_conn *conn, struct redis_conn_figures *ret)
{
    const struct redis_queue *queue = &conn->queue;

    *ret = conn->figures;
    ret->in_flight_count = queue->flying.count;
    ret->in_flight_size = queue->flying.size;
    ret->queued_count = queue->waiting.count;
    ret->queued_size = queue->waiting.size;
}
