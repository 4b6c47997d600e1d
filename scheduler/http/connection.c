/* SPDX-License-Identifier: Apache-2.0 */
/* connection.c: one record per connection, and the gate that stands before libevent.
 *
 * libevent's server is lenient in what it reads, silent about connections that never ask, and
 * exits the process if a byte is read while a request waits for its answer. So:
 *
 *   THE GATE sees every byte when it has arrived and before libevent looks at it (a callback on
 *   the connection's input). It cuts the stream into heads and bodies. A head is let through once
 *   it is whole and head_parse() accepted it; a part of one is kept back in `head`. So libevent
 *   never sees a byte of a head that was not accepted, and both always agree where a request
 *   ends. With the head the gate creates the http_request and asks admit(); libevent's callback
 *   later finds it first in `queue`.
 *
 *   A REFUSAL at the gate (malformed, or with a body that nobody will read) takes the connection
 *   away from libevent: its callbacks are replaced, the answer is written here, what still comes
 *   is thrown away, and the connection is closed when the client has gone or LINGER_MS passed.
 *   Only the first request in line can be refused so; behind others, `must_close` is set and the
 *   answer to the one before says Connection: close.
 *
 *   DEADLINES are not libevent's (they start again with every byte): one sweep over all
 *   connections looks at when the request in the making began.
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
#include "common/base/own.h"
#include "common/base/random.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    /* Bytes that libevent may hold of one connection: a whole body, and what is pipelined. */
    INPUT_SIZE_MAX = 1024 * 1024 + 64 * 1024,
};

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

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *context);

/* --- its end --- */

static void drop_requests(struct connection *connection)
{
    struct http_request *request;

    while ((request = TAILQ_FIRST(&connection->queue)) != NULL) {
        TAILQ_REMOVE(&connection->queue, request, link);
        request_free(request);
    }
}

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

static void connection_free(struct connection *connection)
{
    struct http *http = connection->http;

    TAILQ_REMOVE(&http->connections, connection, link);
    LIST_REMOVE(connection, bucket);
    http->connection_count--;
    connection_unwatch(connection);
    connection_end_answer(connection);
    drop_requests(connection);
    buf_done(&connection->head);
    tell_gone(connection);
    evbuffer_remove_cb(bufferevent_get_input(connection->bev), on_input, connection);
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

static bool has_client_gone(const struct connection *connection)
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
    if (has_client_gone(connection)) {
        evhttp_connection_free(connection->ev);
        return;
    }
    connection_unwatch(connection);
    connection->is_blind = true;
}

/* EV_CLOSED alone is not enough: libevent reports a reset as EV_READ | EV_WRITE, and where nobody
 * listens to those, the loop spins. EV_ET is too much: with libevent's list of changes it can
 * stay behind on the descriptor, and the connection is deaf afterwards. */
void connection_watch(struct connection *connection)
{
    if (connection->on_stir) return;
    connection->on_stir = event_new(connection->http->base, bufferevent_getfd(connection->bev),
                                    EV_READ | EV_CLOSED, on_client_stirs, connection);
    CHECK(connection->on_stir && event_add(connection->on_stir, NULL) == 0);
}

void connection_unwatch(struct connection *connection)
{
    if (connection->on_stir) event_free(connection->on_stir);
    connection->on_stir = NULL;
    connection->is_blind = false;
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

void connection_end_answer(struct connection *connection)
{
    connection->http->counts.answer_size -= connection->answer_size;
    connection->answer_size = 0;
    connection->is_answering = false;
    connection->changed_ns = clock_monotonic_ns();
}

/* --- refusals --- */

static void on_refused_read(struct bufferevent *bev, void *context)
{
    struct evbuffer *input = bufferevent_get_input(bev);

    (void)context;
    evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_refused_written(struct bufferevent *bev, void *context)
{
    (void)context;
    shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void on_refused_event(struct bufferevent *bev, short what, void *context)
{
    struct connection *connection = context;

    (void)bev, (void)what;
    evhttp_connection_free(connection->ev);
}

static void write_refusal(struct evbuffer *to, const struct verdict *verdict, bool is_head)
{
    OWN(buf_done) struct buf body = BUF_INIT(2048);

    problem_format(&body, &(struct problem_text){ verdict->status, verdict->slug, verdict->title,
                                                  verdict->detail, NULL });
    evbuffer_add_printf(to,
                        "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n"
                        "Content-Length: %zu\r\nConnection: close\r\nCache-Control: no-store\r\n",
                        verdict->status, status_phrase(verdict->status), body.size);
    if (verdict->retry_after_s > 0)
        evbuffer_add_printf(to, "Retry-After: %llu\r\n",
                            (unsigned long long)verdict->retry_after_s);
    if (verdict->status == 401)
        evbuffer_add_printf(to, "WWW-Authenticate: Bearer realm=\"stakeout\"\r\n");
    evbuffer_add(to, "\r\n", 2);
    if (!is_head) evbuffer_add(to, body.data, body.size);
}

static void refuse_now(struct connection *connection, const struct verdict *verdict, bool is_head)
{
    struct http *http = connection->http;

    connection->is_refused = true;
    connection->coming_since_ns = 0;
    connection->changed_ns = clock_monotonic_ns();
    buf_done(&connection->head);
    bufferevent_setcb(connection->bev, on_refused_read, on_refused_written, on_refused_event,
                      connection);
    write_refusal(bufferevent_get_output(connection->bev), verdict, is_head);
    bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
    http->counts.refused++;
    if (http->on_answer) http->on_answer(http->options_context, verdict->route, verdict->status, 0);
}

static bool is_first_in_line(const struct connection *connection)
{
    return connection->queue_count == 0 && !connection->request && !connection->is_answering;
}

static void refuse(struct connection *connection, const struct verdict *verdict, bool is_head)
{
    if (is_first_in_line(connection))
        refuse_now(connection, verdict, is_head);
    else
        connection->must_close = true;
}

static void refuse_why(struct connection *connection, int status, const char *why)
{
    struct verdict verdict = { 0 };

    verdict_refuse(&verdict, status, "%s", why);
    if (status == 431 || status == 414) {
        verdict.slug = "too-large";
        verdict.title = "The request is too large";
    }
    refuse(connection, &verdict, false);
}

/* --- the gate --- */

static void enqueue(struct connection *connection, const struct head *head,
                    const struct verdict *verdict)
{
    struct http_request *request = mem_zalloc(1, sizeof *request);

    request->http = connection->http;
    request->connection = connection;
    request->verdict = *verdict;
    request->method = head->method;
    request->body_size = head->body_size;
    request->began_ns = connection->coming_since_ns;
    connection->http->counts.body_size += head->body_size;
    connection->body_left = head->body_size;
    TAILQ_INSERT_TAIL(&connection->queue, request, link);
    connection->queue_count++;
}

/* A whole head. Returns whether libevent may see it. */
static bool take_head(struct connection *connection, struct text text)
{
    struct http *http = connection->http;
    struct verdict verdict = { 0 };
    const char *why = NULL;
    struct head head;
    int status = head_parse(text, &head, &why);

    if (status != 0) {
        refuse_why(connection, status, why);
        return false;
    }
    admit(http, &head, &verdict);
    if (verdict.status == 0 && head.body_size + http->counts.body_size > http->limits.body_budget) {
        verdict_refuse(&verdict, 503, "Too many requests with bodies came at once; try again.");
        verdict.retry_after_s = 1 + random_u64() % 10;
    }
    if ((verdict.status != 0 && head.body_size > 0) || connection->queue_count == PIPELINE_MAX) {
        refuse(connection, &verdict, head.method == HEAD_HEAD);
        return false;
    }
    enqueue(connection, &head, &verdict);
    return true;
}

/* Is what came of a head so far still able to become one? Libevent takes a bare LF for the end
 * of a line, but it does not see it: this is for the client to learn at once. */
static bool may_become_head(struct text part)
{
    for (size_t i = 0; i < part.size; i++) {
        char c = part.data[i];

        if (c == '\0' || (c == '\n' && (i == 0 || part.data[i - 1] != '\r'))) return false;
    }
    return part.size == 0 || (part.data[0] >= 'A' && part.data[0] <= 'Z');
}

/* Cuts the end off: the first `size` bytes stay. */
static void truncate_input(struct connection *connection, struct evbuffer *input, size_t size)
{
    struct evbuffer *spare = connection->http->spare;

    connection->is_feeding = true;
    evbuffer_remove_buffer(input, spare, size);
    evbuffer_drain(input, evbuffer_get_length(input));
    evbuffer_add_buffer(input, spare);
    connection->is_feeding = false;
}

/* Keeps a part of a head back until more comes. */
static void keep_part(struct connection *connection, const unsigned char *data, size_t size)
{
    if (buf_append(&connection->head, data, size) < 0)
        refuse_why(connection, 431, "The head of the request is larger than 8 KB.");
    else if (!may_become_head(buf_peek(&connection->head)))
        refuse_why(connection, 400, "This is not the head of an HTTP/1.1 request.");
}

/* Looks at new bytes that begin where a head or the rest of a body is due. Returns how many of
 * them libevent may see: all, or those before what is kept back or refused. */
static size_t look_at(struct connection *connection, const unsigned char *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t end;

        if (connection->coming_since_ns == 0) connection->coming_since_ns = clock_monotonic_ns();
        if (connection->body_left > 0) {
            size_t part = size - at < connection->body_left ? size - at : connection->body_left;

            connection->body_left -= part;
            at += part;
        } else {
            end = head_end((const char *)data + at, size - at);
            if (end == 0) {
                keep_part(connection, data + at, size - at);
                return at;
            }
            if (!take_head(connection, (struct text){ (const char *)data + at, end })) return at;
            at += end;
        }
        if (connection->body_left == 0) connection->coming_since_ns = 0;
    }
    return at;
}

/* New bytes behind a part of a head that was kept back. */
static void complete_part(struct connection *connection, struct evbuffer *input,
                          const unsigned char *data, size_t size)
{
    struct buf *head = &connection->head;
    size_t had = head->size, end, used;

    if (buf_append(head, data, size < head->size_max - had ? size : head->size_max - had) < 0)
        return;
    end = head_end(head->data, head->size);
    if (end == 0) {
        if (head->size == head->size_max) {
            refuse_why(connection, 431, "The head of the request is larger than 8 KB.");
        } else if (!may_become_head(buf_peek(head))) {
            refuse_why(connection, 400, "This is not the head of an HTTP/1.1 request.");
        }
        return;
    }
    used = end - had;
    if (!take_head(connection, (struct text){ head->data, end })) return;
    if (connection->body_left == 0) connection->coming_since_ns = 0;
    connection->is_feeding = true;
    evbuffer_add(input, head->data, end);
    connection->is_feeding = false;
    buf_done(head);
    if (used < size) evbuffer_add(input, data + used, size - used); /* on_input() looks at them */
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *context)
{
    struct connection *connection = context;
    unsigned char *scratch = connection->http->scratch;
    size_t size = info->n_added, before, seen;
    struct evbuffer_ptr from;

    if (size == 0 || connection->is_feeding || connection->is_refused) return;
    if (connection->body_left >= size) {
        connection->body_left -= size;
        if (connection->body_left == 0) connection->coming_since_ns = 0;
        return;
    }
    before = evbuffer_get_length(input) - size;
    if (connection->must_close) {
        truncate_input(connection, input, before);
        return;
    }
    CHECK(size <= READ_SIZE_MAX);
    evbuffer_ptr_set(input, &from, before, EVBUFFER_PTR_SET);
    evbuffer_copyout_from(input, &from, scratch, size);
    if (connection->head.size > 0) {
        truncate_input(connection, input, before);
        complete_part(connection, input, scratch, size);
        return;
    }
    seen = look_at(connection, scratch, size);
    if (seen < size) truncate_input(connection, input, before + seen);
}

/* --- its beginning --- */

/* At the bound, the connection that has been idle for longest makes room. */
static void make_room(struct http *http)
{
    struct connection *connection, *oldest = NULL;

    if (http->connection_count < http->limits.connection_count_max) return;
    TAILQ_FOREACH(connection, &http->connections, link)
    {
        if (connection->is_doomed || !connection->ev || !is_first_in_line(connection)) continue;
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
    connection->bev = bufferevent_socket_new(base, -1, 0);
    CHECK(connection->bev);
    bufferevent_incref(connection->bev);
    bufferevent_set_max_single_read(connection->bev, READ_SIZE_MAX);
    bufferevent_setwatermark(connection->bev, EV_READ, 0, INPUT_SIZE_MAX);
    CHECK(evbuffer_add_cb(bufferevent_get_input(connection->bev), on_input, connection));
    connection->head = BUF_INIT(HEAD_SIZE_MAX);
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

/* --- deadlines --- */

static bool is_older(uint64_t since_ns, uint32_t than_ms, uint64_t now_ns)
{
    return now_ns > since_ns && now_ns - since_ns > ms_to_ns(than_ms);
}

static void cut_slow_request(struct connection *connection)
{
    struct verdict verdict = { 0 };

    verdict_refuse(&verdict, 408, "The request did not arrive within %u ms.",
                   connection->http->limits.request_ms);
    drop_requests(connection);
    connection->http->counts.cut++;
    refuse_now(connection, &verdict, false);
}

static void sweep(struct connection *connection, uint64_t now_ns)
{
    const struct http_limits *limits = &connection->http->limits;
    uint32_t patience_ms = limits->idle_ms;

    if (connection->is_blind && has_client_gone(connection)) {
        evhttp_connection_free(connection->ev);
        return;
    }
    if (!connection->ev || connection->request) return;
    if (!connection->is_refused && !connection->is_answering) {
        if (connection->coming_since_ns != 0) {
            if (is_older(connection->coming_since_ns, limits->request_ms, now_ns))
                cut_slow_request(connection);
            return;
        }
        if (connection->queue_count > 0) return; /* libevent is about to hand it over */
    }
    if (connection->is_refused)
        patience_ms = LINGER_MS;
    else if (connection->is_answering)
        patience_ms = limits->answer_ms + (uint32_t)(connection->answer_size / limits->answer_rate);
    else if (connection->must_close || connection->http->is_draining)
        patience_ms = 0;
    if (!is_older(connection->changed_ns, patience_ms, now_ns)) return;
    connection->http->counts.cut++;
    evhttp_connection_free(connection->ev);
}

void connections_sweep(evutil_socket_t fd, short what, void *context)
{
    struct http *http = context;
    struct connection *connection, *next;
    uint64_t now_ns = clock_monotonic_ns();

    (void)fd, (void)what;
    for (connection = TAILQ_FIRST(&http->connections); connection; connection = next) {
        next = TAILQ_NEXT(connection, link);
        sweep(connection, now_ns);
    }
}
