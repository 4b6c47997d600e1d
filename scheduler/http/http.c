/* SPDX-License-Identifier: Apache-2.0 */
/* http.c: start and stop, and the way of a request from libevent to its handler.
 *
 *   accept -> connection_new() -> the gate: head_parse(), admit() -> queue of http_requests
 *          -> libevent reads it once more -> on_request() -> handler -> http_reply() or park
 *          -> on_written() -> the next one
 */
#include "scheduler/http/private.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Descriptors that are not connections of ours: Redis, workers, logs, files that are read. */
enum { DESCRIPTORS_FOR_OTHERS = 128, CONNECTIONS_DEFAULT = 32768 };

static size_t connections_default(void)
{
    struct rlimit limit;
    rlim_t left;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return CONNECTIONS_DEFAULT;
    left = limit.rlim_cur > 2 * DESCRIPTORS_FOR_OTHERS ? limit.rlim_cur - DESCRIPTORS_FOR_OTHERS
                                                       : limit.rlim_cur / 2;
    return left < CONNECTIONS_DEFAULT ? (size_t)left : CONNECTIONS_DEFAULT;
}

static void set_limits(struct http_limits *limits)
{
    if (limits->connection_count_max == 0) limits->connection_count_max = connections_default();
    if (limits->body_budget == 0) limits->body_budget = 64 * 1024 * 1024;
    if (limits->unread_size_max == 0) limits->unread_size_max = 1024 * 1024;
    if (limits->request_ms == 0) limits->request_ms = 10000;
    if (limits->sink_ms == 0) limits->sink_ms = 30 * 60 * 1000;
    if (limits->handshake_ms == 0) limits->handshake_ms = 10000;
    if (limits->idle_ms == 0) limits->idle_ms = 75000;
    if (limits->answer_budget == 0) limits->answer_budget = 256 * 1024 * 1024;
    if (limits->answer_ms == 0) limits->answer_ms = 60000;
    if (limits->answer_rate == 0) limits->answer_rate = 64;
    if (limits->sweep_ms == 0) limits->sweep_ms = 500;
}

static void on_written(struct evhttp_request *ev, void *context)
{
    struct connection *connection = context;

    (void)ev;
    connection_end_answer(connection);
    /* What came meanwhile could not be read: its time begins now. */
    if (connection->coming_since_ns != 0) connection->coming_since_ns = connection->changed_ns;
}

static void read_body(struct http_request *request)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request->ev);
    size_t size = evbuffer_get_length(input);

    CHECK(size == request->body_size);
    if (size > 0) request->body = (struct text){ (char *)evbuffer_pullup(input, -1), size };
}

/* The gate accepted every byte of what libevent read, so that nothing else can be here. */
static void on_request(struct evhttp_request *ev, void *context)
{
    struct http *http = context;
    struct evhttp_connection *ev_connection = evhttp_request_get_connection(ev);
    struct connection *connection =
        connection_find(http, evhttp_connection_get_bufferevent(ev_connection));
    struct http_request *request;

    CHECK(connection && connection->ev == ev_connection);
    request = connection_next_request(connection);
    request->ev = ev;
    evhttp_request_set_on_complete_cb(ev, on_written, connection);
    if (request->verdict.status != 0) {
        answer_verdict(request);
    } else if (request->method == HEAD_OPTIONS) {
        answer_options(request);
    } else {
        read_body(request);
        request->verdict.route->handler(request, request->verdict.context);
    }
}

static void on_drained(evutil_socket_t fd, short what, void *context)
{
    struct http *http = context;

    (void)fd, (void)what;
    http->listener = listener_close(http->listener);
}

static void start_events(struct http *http)
{
    uint32_t sweep_ms = http->limits.sweep_ms;

    http->adopter = event_new(http->base, -1, 0, connections_adopt, http);
    http->reaper = event_new(http->base, -1, 0, connections_reap, http);
    http->writer = event_new(http->base, -1, 0, connections_write, http);
    http->sweeper = event_new(http->base, -1, EV_PERSIST, connections_sweep, http);
    http->spare = evbuffer_new();
    http->drainer = evtimer_new(http->base, on_drained, http);
    CHECK(http->adopter && http->reaper && http->writer && http->sweeper && http->drainer &&
          http->spare);
    event_add(http->sweeper,
              &(struct timeval){ .tv_sec = sweep_ms / 1000, .tv_usec = sweep_ms % 1000 * 1000 });
}

static void start_evhttp(struct http *http)
{
    http->ev = evhttp_new(http->base);
    CHECK(http->ev);
    /* The gate's bounds are smaller; libevent's own would answer in HTML. */
    evhttp_set_max_headers_size(http->ev, 2 * HEAD_SIZE_MAX);
    evhttp_set_allowed_methods(http->ev, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE |
                                             EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PUT |
                                             EVHTTP_REQ_PATCH);
    evhttp_set_default_content_type(http->ev, NULL);
    evhttp_set_bevcb(http->ev, connection_new, http);
    evhttp_set_gencb(http->ev, on_request, http);
}

static int open_door(struct http *http, const struct http_options *options, char *ret_why,
                     size_t why_size)
{
    int rc = options->tls ? tls_new(options->tls, &http->tls, ret_why, why_size) : 0;

    if (rc < 0) return rc;
    http->is_plain_anywhere = options->is_plain_anywhere;
    if (options->socket > 0)
        return listener_adopt(http, options->socket, &http->listener, ret_why, why_size);
    return listener_open(http, options->port, &http->listener, ret_why, why_size);
}

int http_start(struct event_base *base, const struct http_options *options, struct http **ret,
               char *ret_why, size_t why_size)
{
    struct http *http = mem_zalloc(1, sizeof *http);
    int rc;

    http->base = base;
    http->identify = options->identify;
    http->has_tokens = options->has_tokens;
    http->tokens_are_known = options->tokens_are_known;
    http->on_answer = options->on_answer;
    http->on_stranger = options->on_stranger;
    http->pace = options->pace;
    http->access_context = options->access;
    http->public_hosts =
        mem_text(options->public_hosts, options->public_hosts ? strlen(options->public_hosts) : 0);
    http->options_context = options->context;
    if (options->limits) http->limits = *options->limits;
    set_limits(&http->limits);
    snprintf(http->address, sizeof http->address, "%s", options->address);
    TAILQ_INIT(&http->connections);
    TAILQ_INIT(&http->unwritten);
    http->is_socket_given = options->socket > 0;
    start_evhttp(http);
    start_events(http);
    rc = open_door(http, options, ret_why, why_size);
    if (rc < 0) {
        http_stop(http);
        return rc;
    }
    *ret = http;
    return 0;
}

void http_stop(struct http *http)
{
    if (!http) return;
    http->listener = listener_close(http->listener);
    connections_adopt(-1, 0, http);
    evhttp_free(http->ev);
    CHECK(http->connection_count == 0);
    CHECK(http->counts.waiting_count == 0 && http->counts.body_size == 0 &&
          http->counts.answer_size == 0);
    event_free(http->adopter);
    event_free(http->reaper);
    event_free(http->writer);
    event_free(http->sweeper);
    event_free(http->drainer);
    evbuffer_free(http->spare);
    tls_free(http->tls);
    free(http->public_hosts);
    free(http);
}

/* To close a socket resets whoever waits in its queue: they are let in first, by one more turn of
 * the loop. Behind a socket that was handed over they wait for our successor. */
void http_drain(struct http *http)
{
    http->is_draining = true;
    if (http->is_socket_given)
        http->listener = listener_close(http->listener);
    else
        event_add(http->drainer, &(struct timeval){ .tv_usec = 1000 });
}

const char *http_address(const struct http *http)
{
    return http->address;
}

uint16_t http_port(const struct http *http)
{
    return listener_port(http->listener);
}

bool http_is_loopback(const struct http *http)
{
    return http->is_loopback;
}

int http_reload_tls(struct http *http, char *ret_why, size_t why_size)
{
    return http->tls ? tls_reload(http->tls, ret_why, why_size) : 0;
}

bool http_is_tls(const struct http *http)
{
    return http->tls != NULL;
}

time_t http_tls_expires(const struct http *http)
{
    return http->tls ? tls_expires(http->tls) : 0;
}

size_t http_connection_count(const struct http *http)
{
    return http->connection_count;
}

struct http_counts http_counts(const struct http *http)
{
    struct http_counts counts = http->counts;

    counts.connection_count_max = http->limits.connection_count_max;
    return counts;
}

void http_add_routes(struct http *http, const struct http_route *routes, size_t count,
                     void *context)
{
    CHECK(http->route_count + count <= ROUTES_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t fixed_size = strcspn(routes[i].path, "{");

        http->routes[http->route_count++] =
            (struct bound_route){ &routes[i], context, fixed_size,
                                  routes[i].path[fixed_size] != '\0' };
    }
}

const struct http_route *http_route_at(const struct http *http, size_t index)
{
    return index < http->route_count ? http->routes[index].route : NULL;
}
