/* SPDX-License-Identifier: Apache-2.0 */
/* connection.c: one record per connection, from libevent's accept to its last byte.
 *
 * libevent's server is lenient in what it reads, silent about connections that never ask, and
 * exits the process if a byte is read while a request waits for its answer. So each connection has
 * a gate before it (gate.c), refusals of our own (refusal.c) and deadlines of our own (sweep.c);
 * here is the record that they share, and its life.
 *
 * INVARIANTS
 *
 * (1) While a request is parked its connection is not read: bufferevent_enable(EV_READ) there
 *     would let any client end the process ("illegal connection state"). That its client closed
 *     or reset is seen by an event of its own on the same descriptor, which reads nothing. A
 *     client that closes its sending half counts as gone.
 * (2) A connection is freed by evhttp_connection_free() alone, which calls on_close() here. It is
 *     never called from within the gate or a handler: they doom, and the reaper closes.
 * (3) bodies held = sum of body_size of all requests = http->counts.body_size; likewise
 *     answer_size, of all connections.
 * (4) While an answer is written its connection is not read either: libevent would take the end
 *     of what a client sends for the client's end, and drop what is left of the answer. One that
 *     is really gone is known by the write that fails, or by the sweep. */
#include "scheduler/http/private.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

static size_t bucket_of(const struct bufferevent *bev)
{
    return ((uintptr_t)bev >> 6) * 0x9e3779b97f4a7c15u >> 52;
}

static_assert(CONNECTION_BUCKETS == 1 << 12, "bucket_of() keeps 12 bits");

struct connection *connection_find(struct http *http, struct bufferevent *bev)
{
    struct connection *connection;

    LIST_FOREACH(connection, &http->buckets[bucket_of(bev)], bucket)
    {
        if (connection->bev == bev) return connection;
    }
    return NULL;
}

/* --- its queue --- */

static struct http_request *take_first(struct connection *connection)
{
    struct http_request *request = TAILQ_FIRST(&connection->queue);

    if (!request) return NULL;
    TAILQ_REMOVE(&connection->queue, request, link);
    connection->queue_count--;
    connection->http->counts.waiting_count--;
    return request;
}

void connection_drop_requests(struct connection *connection)
{
    struct http_request *request;

    while ((request = take_first(connection)) != NULL) {
        request_free(request);
    }
}

struct http_request *connection_next_request(struct connection *connection)
{
    CHECK(!connection->request);
    connection->request = take_first(connection);
    CHECK(connection->request);
    gate_resume(connection);
    return connection->request;
}

/* --- its end --- */

/* The handler that parked its request is told that it is no more. */
static void tell_gone(struct connection *connection)
{
    struct http_request *request = connection->request;
    struct evhttp_request *ev;
    http_gone_fn on_gone;
    void *context;

    if (!request) return;
    connection->request = NULL;
    on_gone = request->on_gone;
    context = request->gone_context;
    ev = request->ev;
    request_free(request);
    /* libevent lets go of a request whose answer was begun and whose client has gone. */
    if (ev && !evhttp_request_get_connection(ev)) evhttp_request_free(ev);
    if (on_gone) on_gone(context);
}

static void end_tls(struct connection *connection)
{
    if (!tls_is_shaking_hands(connection->bev)) {
        tls_say_goodbye(connection->bev);
        return;
    }
    connection->http->counts.handshakes_failed++;
    tls_tell_plain_client(connection->bev);
}

static void connection_free(struct connection *connection)
{
    struct http *http = connection->http;

    TAILQ_REMOVE(&http->connections, connection, link);
    LIST_REMOVE(connection, bucket);
    http->connection_count--;
    connection_unwatch(connection);
    connection_end_answer(connection);
    connection_drop_requests(connection);
    tell_gone(connection);
    gate_close(connection);
    end_tls(connection);
    bufferevent_decref(connection->bev);
    free(connection);
    if (http->connection_count < http->limits.connection_count_max) listener_resume(http->listener);
}

static void on_close(struct evhttp_connection *ev, void *context)
{
    (void)ev;
    connection_free(context);
}

void connection_doom(struct connection *connection)
{
    connection->is_doomed = true;
    event_active(connection->http->reaper, 0, 0);
}

void connections_reap(evutil_socket_t fd, short what, void *context)
{
    struct http *http = context;
    struct connection *connection, *next;

    (void)fd, (void)what;
    for (connection = TAILQ_FIRST(&http->connections); connection; connection = next) {
        next = TAILQ_NEXT(connection, link);
        if (connection->is_doomed && connection->ev) evhttp_connection_free(connection->ev);
    }
}

bool connection_client_has_gone(const struct connection *connection)
{
    struct pollfd now = { .fd = bufferevent_getfd(connection->bev), .events = POLLRDHUP };

    return poll(&now, 1, 0) == 1 && (now.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* Something came, or the client went: only poll(2) tells. What was sent ahead is not read, and
 * would call us for ever: from here on the sweep looks. */
static void on_client_stirs(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;

    (void)fd, (void)what;
    if (connection_client_has_gone(connection)) {
        evhttp_connection_free(connection->ev);
        return;
    }
    connection_unwatch(connection);
    connection->is_blind = true;
}

/* How much must have come for libevent's server to be called. */
static void set_low_watermark(struct connection *connection, size_t size)
{
    size_t high = 0;

    bufferevent_getwatermark(connection->bev, EV_READ, NULL, &high);
    bufferevent_setwatermark(connection->bev, EV_READ, size, high);
}

/* Of TLS, bytes may be read although reading was stopped, when a record of it needed an answer that
 * could not be written at once. So libevent's server is kept from being called meanwhile.
 *
 * EV_CLOSED alone is not enough: libevent reports a reset as EV_READ | EV_WRITE, and where nobody
 * listens to those, the loop spins. EV_ET is too much: with libevent's list of changes it can
 * stay behind on the descriptor, and the connection is deaf afterwards. */
void connection_watch(struct connection *connection)
{
    if (connection->on_stir) return;
    if (connection->http->tls) set_low_watermark(connection, SIZE_MAX);
    connection->on_stir = event_new(connection->http->base, bufferevent_getfd(connection->bev),
                                    EV_READ | EV_CLOSED, on_client_stirs, connection);
    CHECK(connection->on_stir && event_add(connection->on_stir, NULL) == 0);
}

void connection_unwatch(struct connection *connection)
{
    if (connection->on_stir) event_free(connection->on_stir);
    if (connection->http->tls) set_low_watermark(connection, 0);
    connection->on_stir = NULL;
    connection->is_blind = false;
}

/* --- its turn --- */

bool connection_is_first_in_line(const struct connection *connection)
{
    return connection->queue_count == 0 && !connection->request && !connection->is_answering;
}

/* --- an answer's bytes --- */

void connection_begin_answer(struct connection *connection, size_t size)
{
    connection->request = NULL;
    connection->is_answering = true;
    connection->answer_size = size;
    connection->http->counts.answer_size += size;
    connection->changed_ns = clock_monotonic_ns();
}

static void leave_unwritten(struct connection *connection)
{
    if (connection->is_unwritten) TAILQ_REMOVE(&connection->http->unwritten, connection, unwritten);
    connection->is_unwritten = false;
}

/* libevent writes when the loop says that the socket can be written, which it nearly always can: a
 * turn of the loop and a system call later. So the answers of one turn are written at its end. (Not
 * each at once: who waits for them would be woken for each, and the loop is called by libevent
 * while it reads, when a connection may not end.) TLS writes by itself. */
void connection_write_soon(struct connection *connection)
{
    struct http *http = connection->http;

    if (http->tls || connection->is_unwritten) return;
    if (evbuffer_get_length(bufferevent_get_output(connection->bev)) > SOON_SIZE_MAX) return;
    connection->is_unwritten = true;
    TAILQ_INSERT_TAIL(&http->unwritten, connection, unwritten);
    event_active(http->writer, 0, 0);
}

/* What the socket does not take is left to libevent, and errors are. */
static void write_now(struct bufferevent *bev)
{
    struct evbuffer *output = bufferevent_get_output(bev);

    evbuffer_unfreeze(output, 1);
    evbuffer_write(output, bufferevent_getfd(bev));
    evbuffer_freeze(output, 1);
    if (evbuffer_get_length(output) > 0) return;
    bufferevent_disable(bev, EV_WRITE);
    bufferevent_trigger(bev, EV_WRITE, 0); /* it is written: the next request, or its end */
}

void connections_write(evutil_socket_t fd, short what, void *context)
{
    struct http *http = context;
    struct connection *connection;

    (void)fd, (void)what;
    while ((connection = TAILQ_FIRST(&http->unwritten)) != NULL) {
        leave_unwritten(connection);
        write_now(connection->bev);
    }
}

void connection_end_answer(struct connection *connection)
{
    leave_unwritten(connection);
    connection->http->counts.answer_size -= connection->answer_size;
    connection->answer_size = 0;
    connection->is_answering = false;
    connection->changed_ns = clock_monotonic_ns();
}

/* --- its beginning --- */

/* At the bound, the connection that has been idle for longest makes room. */
static void make_room(struct http *http)
{
    struct connection *connection, *oldest = NULL;

    if (http->connection_count < http->limits.connection_count_max) return;
    TAILQ_FOREACH(connection, &http->connections, link)
    {
        if (connection->is_doomed || !connection->ev || !connection_is_first_in_line(connection))
            continue;
        if (connection->coming_since_ns != 0 || connection->is_refused) continue;
        if (!oldest || connection->changed_ns < oldest->changed_ns) oldest = connection;
    }
    if (!oldest) {
        listener_pause(http->listener);
        return;
    }
    http->counts.cut++;
    connection_doom(oldest);
}

struct bufferevent *connection_new(struct event_base *base, void *context)
{
    struct http *http = context;
    struct connection *connection = mem_zalloc(1, sizeof *connection);

    connection->http = http;
    connection->bev =
        http->tls ? tls_bufferevent_new(http->tls, base) : bufferevent_socket_new(base, -1, 0);
    CHECK(connection->bev);
    bufferevent_incref(connection->bev);
    gate_open(connection);
    connection->changed_ns = clock_monotonic_ns();
    TAILQ_INIT(&connection->queue);
    LIST_INSERT_HEAD(&http->buckets[bucket_of(connection->bev)], connection, bucket);
    TAILQ_INSERT_TAIL(&http->connections, connection, link);
    http->connection_count++;
    http->counts.accepted++;
    make_room(http);
    event_active(http->adopter, 0, 0);
    return connection->bev;
}

/* libevent asks for a bufferevent before it makes its connection of it, and tells nobody. That
 * connection is the argument of the callbacks that it sets. */
static void adopt(struct connection *connection)
{
    void *ev = NULL;

    bufferevent_getcb(connection->bev, NULL, NULL, NULL, &ev);
    if (!ev) { /* it came to nothing */
        connection_free(connection);
        return;
    }
    CHECK(evhttp_connection_get_bufferevent(ev) == connection->bev);
    connection->ev = ev;
    evhttp_connection_set_closecb(ev, on_close, connection);
}

void connections_adopt(evutil_socket_t fd, short what, void *context)
{
    struct http *http = context;
    struct connection *connection, *before;

    (void)fd, (void)what;
    for (connection = TAILQ_LAST(&http->connections, connections); connection;
         connection = before) {
        before = TAILQ_PREV(connection, connections, link);
        if (connection->ev) return;
        adopt(connection);
    }
}
