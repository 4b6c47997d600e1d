/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.c: what cannot be answered in its turn, because libevent must not see it.
 *
 * A request that is malformed, or with a body that nobody will read, takes its connection away
 * from libevent: its callbacks are replaced, the answer is written here, what still comes is
 * thrown away, and the connection is closed when the client has gone or LINGER_MS passed.
 *
 * Only the first request in line can be refused so; behind others, `must_close` is set, nothing
 * more is let in, and the answer to the last one before it says Connection: close. */
#include "scheduler/http/private.h"

#include "common/base/clock.h"
#include "common/base/own.h"

#include <sys/socket.h>

static void on_refused_read(struct bufferevent *bev, void *context)
{
    struct evbuffer *input = bufferevent_get_input(bev);

    (void)context;
    evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_refused_written(struct bufferevent *bev, void *context)
{
    (void)context;
    tls_say_goodbye(bev);
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

void refusal_give_now(struct connection *connection, const struct verdict *verdict, bool is_head)
{
    struct http *http = connection->http;

    connection->is_refused = true;
    connection->changed_ns = clock_monotonic_ns();
    gate_forget(connection);
    bufferevent_setcb(connection->bev, on_refused_read, on_refused_written, on_refused_event,
                      connection);
    write_refusal(bufferevent_get_output(connection->bev), verdict, is_head);
    bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
    http->counts.refused++;
    if (http->on_answer) http->on_answer(http->options_context, verdict->route, verdict->status, 0);
}

void refusal_give(struct connection *connection, const struct verdict *verdict, bool is_head)
{
    if (connection_is_first_in_line(connection)) {
        refusal_give_now(connection, verdict, is_head);
    } else {
        connection->must_close = true;
        connection->coming_since_ns = 0;
    }
}

void refusal_give_why(struct connection *connection, int status, const char *why)
{
    struct verdict verdict = { 0 };

    verdict_refuse(&verdict, status, "%s", why);
    refusal_give(connection, &verdict, false);
    verdict_done(&verdict);
}
