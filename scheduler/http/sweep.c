/* SPDX-License-Identifier: Apache-2.0 */
/* sweep.c: how long a client may take.
 *
 * The deadlines are not libevent's, which start again with every byte: one sweep over all
 * connections looks at when the request in the making began, or when the connection last changed.
 *
 * While a request is with its handler, parked perhaps, there is no deadline: it is not the client
 * that keeps it waiting. Only its going is looked for, where nothing else would see it. */
#include "scheduler/http/private.h"

#include "common/base/clock.h"

static bool is_older(uint64_t since_ns, uint32_t than_ms, uint64_t now_ns)
{
    return now_ns > since_ns && now_ns - since_ns > ms_to_ns(than_ms);
}

static uint32_t request_ms(const struct connection *connection)
{
    const struct http_limits *limits = &connection->http->limits;

    return connection->spill ? limits->sink_ms : limits->request_ms;
}

static void cut_slow_request(struct connection *connection)
{
    struct verdict verdict = { 0 };

    verdict_refuse(&verdict, 408, "The request did not arrive within %u ms.",
                   request_ms(connection));
    connection_drop_requests(connection);
    connection->http->counts.cut++;
    refusal_give_now(connection, &verdict, false);
    verdict_done(&verdict);
}

/* For one that is not in the middle of a request: how long may it stay as it is? */
static uint32_t patience_ms(const struct connection *connection)
{
    const struct http_limits *limits = &connection->http->limits;

    if (connection->is_refused) return LINGER_MS;
    if (connection->is_answering)
        return limits->answer_ms + (uint32_t)(connection->answer_size / limits->answer_rate);
    if (connection->must_close || connection->http->is_draining) return 0;
    return limits->idle_ms;
}

/* Nothing can be said before TLS has begun. */
static void cut_silently(struct connection *connection, uint64_t now_ns)
{
    if (!is_older(connection->changed_ns, connection->http->limits.handshake_ms, now_ns)) return;
    connection->http->counts.cut++;
    evhttp_connection_free(connection->ev);
}

static void sweep(struct connection *connection, uint64_t now_ns)
{
    bool is_with_client = connection->is_refused || connection->is_answering;

    if (connection->is_blind && connection_client_has_gone(connection)) {
        evhttp_connection_free(connection->ev);
        return;
    }
    if (!connection->ev || connection->request) return;
    if (tls_is_shaking_hands(connection->bev)) {
        cut_silently(connection, now_ns);
        return;
    }
    if (!is_with_client && connection->coming_since_ns != 0) {
        if (is_older(connection->coming_since_ns, request_ms(connection), now_ns))
            cut_slow_request(connection);
        return;
    }
    if (!is_with_client && connection->queue_count > 0) return; /* libevent will hand it over */
    if (!is_older(connection->changed_ns, patience_ms(connection), now_ns)) return;
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
