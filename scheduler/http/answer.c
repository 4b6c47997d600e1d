/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c: what a handler writes: at once, later, or as a stream.
 *
 * An answer consumes the request: libevent keeps its own half until the bytes are out, ours is
 * freed here. */
#include "scheduler/http/private.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *status_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 411, "Length Required" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 426, "Upgrade Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };

    for (size_t i = 0; i < ARRAY_COUNT(phrases); i++) {
        if (phrases[i].status == status) return phrases[i].phrase;
    }
    return "Unknown";
}

/* --- problem+json --- */

/* What is no UTF-8 (a header's bytes, quoted in a sentence) is shown as '?'. */
static void append_json(struct buf *to, struct text text)
{
    bool is_utf8 = text_is_utf8(text);

    buf_text(to, TEXT("\""));
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '"' || c == '\\')
            buf_printf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(to, "\\u%04x", c);
        else if (c >= 0x80 && !is_utf8)
            buf_text(to, TEXT("?"));
        else
            buf_append(to, &text.data[i], 1);
    }
    buf_text(to, TEXT("\""));
}

void problem_format(struct buf *to, const struct problem_text *problem)
{
    buf_text(to, TEXT("{\"type\":"));
    append_json(to, text_of(problem->slug));
    buf_text(to, TEXT(",\"title\":"));
    append_json(to, text_of(problem->title));
    buf_printf(to, ",\"status\":%d,\"detail\":", problem->status);
    append_json(to, text_of(problem->detail));
    if (problem->field && problem->field[0] != '\0') {
        buf_text(to, TEXT(",\"field\":"));
        append_json(to, text_of(problem->field));
    }
    buf_text(to, TEXT("}"));
}

/* --- answers --- */

void http_answer_header(struct http_request *request, const char *name, const char *value)
{
    request->has_headers = true;
    evhttp_add_header(evhttp_request_get_output_headers(request->ev), name, value);
}

/* Unless the handler has said otherwise. */
static void add_default(struct http_request *request, const char *name, const char *value)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request->ev);

    if (!request->has_headers || !evhttp_find_header(headers, name))
        evhttp_add_header(headers, name, value);
}

/* What browsers are told about every page. Probes are no browsers: their answers stay small. */
static void add_security(struct http_request *request)
{
    const struct http_route *route = request->verdict.route;

    if (route && route->role == HTTP_PROBE) return;
    add_default(request, "Cache-Control", "no-store");
    add_default(request, "X-Content-Type-Options", "nosniff");
    add_default(request, "X-Frame-Options", "DENY");
    add_default(request, "Referrer-Policy", "no-referrer");
    add_default(request, "Cross-Origin-Resource-Policy", "same-origin");
    add_default(request, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
}

/* libevent would write it for each answer, which takes a tenth of what it does for one. */
static const char *date_now(struct http *http)
{
    time_t now = time(NULL);

    if (http->date_at != now) evutil_date_rfc1123(http->date, sizeof http->date, gmtime(&now));
    http->date_at = now;
    return http->date;
}

static void begin_answer(struct http_request *request, int status, const char *content_type)
{
    struct http *http = request->http;
    struct connection *connection = request->connection;

    connection_unwatch(connection);
    if (content_type) add_default(request, "Content-Type", content_type);
    add_default(request, "Date", date_now(http));
    add_security(request);
    if (http->is_draining || (connection->must_close && connection->queue_count == 0)) {
        add_default(request, "Connection", "close");
        request->has_headers = true; /* a stream would say it again */
    }
    if (http->on_answer)
        http->on_answer(http->options_context, request->verdict.route, status,
                        clock_monotonic_ns() - request->began_ns);
}

/* Ours ends here; what libevent holds of it lives until it is written. */
static void release(struct http_request *request, size_t size)
{
    connection_begin_answer(request->connection, size);
    request_free(request);
}

static bool has_room(const struct http *http, size_t size)
{
    return size <= ANSWER_SIZE_FREE ||
           http->counts.answer_size + size <= http->limits.answer_budget;
}

/* In place of an answer whose headers the handler has set. */
static void answer_busy(struct http_request *request)
{
    struct verdict *verdict = &request->verdict;
    struct evbuffer *body = evhttp_request_get_output_buffer(request->ev);

    evbuffer_drain(body, evbuffer_get_length(body));
    evhttp_clear_headers(evhttp_request_get_output_headers(request->ev));
    verdict_refuse(verdict, 503, "Too many large answers are being read by others; try again.");
    verdict->retry_after_s = 1 + random_u64() % 10;
    answer_verdict(request);
}

/* With what is in libevent's buffer of it. */
static void send_answer(struct http_request *request, int status, const char *content_type)
{
    struct http *http = request->http;
    struct connection *connection = request->connection;
    struct evhttp_request *ev = request->ev;
    struct evbuffer *body = evhttp_request_get_output_buffer(ev);
    size_t size = evbuffer_get_length(body);
    char length[24];

    if (!has_room(http, size)) {
        answer_busy(request);
        return;
    }
    begin_answer(request, status, content_type);
    if (status != 204 && status != 304) {
        snprintf(length, sizeof length, "%zu", size);
        add_default(request, "Content-Length", length);
    }
    if (request->method == HEAD_HEAD) evbuffer_drain(body, size);
    release(request, size);
    evhttp_send_reply(ev, status, status_phrase(status), NULL);
    bufferevent_disable(connection->bev, EV_READ); /* invariant 4 of connection.c */
    connection_write_soon(connection);
}

void http_reply(struct http_request *request, int status, const char *content_type,
                struct text body)
{
    CHECK(evbuffer_add(evhttp_request_get_output_buffer(request->ev), body.data, body.size) == 0);
    send_answer(request, status, content_type);
}

static void free_body(const void *data, size_t size, void *context)
{
    (void)size, (void)context;
    free((void *)(uintptr_t)data);
}

void http_reply_take(struct http_request *request, int status, const char *content_type, char *body,
                     size_t size)
{
    struct evbuffer *answer = evhttp_request_get_output_buffer(request->ev);

    if (size > 0)
        CHECK(evbuffer_add_reference(answer, body, size, free_body, NULL) == 0);
    else
        free(body);
    send_answer(request, status, content_type);
}

void http_reply_problem(struct http_request *request, int status, const char *slug,
                        const char *title, const char *detail, const char *field)
{
    OWN(buf_done) struct buf body = BUF_INIT(16384);

    problem_format(&body, &(struct problem_text){ status, slug, title, detail, field });
    http_reply(request, status, "application/problem+json", buf_peek(&body));
}

void answer_verdict(struct http_request *request)
{
    const struct verdict verdict = request->verdict;
    char text[64];

    request->http->counts.refused++;
    if (verdict.status == 401)
        http_answer_header(request, "WWW-Authenticate", "Bearer realm=\"stakeout\"");
    if (verdict.status == 405) {
        methods_format(verdict.allow, text, sizeof text);
        http_answer_header(request, "Allow", text);
    }
    if (verdict.retry_after_s > 0) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)verdict.retry_after_s);
        http_answer_header(request, "Retry-After", text);
    }
    http_reply_problem(request, verdict.status, verdict.slug, verdict.title, verdict.detail, NULL);
}

void answer_options(struct http_request *request)
{
    unsigned allow = request->verdict.allow;
    char allowed[64];

    /* "OPTIONS *" asks about the server as a whole. */
    if (allow == 0)
        allow = HEAD_GET | HEAD_HEAD | HEAD_POST | HEAD_PUT | HEAD_DELETE | HEAD_OPTIONS;
    methods_format(allow, allowed, sizeof allowed);
    http_answer_header(request, "Allow", allowed);
    http_reply(request, 204, NULL, (struct text){ NULL, 0 });
}

/* --- later, and streams --- */

void http_park(struct http_request *request, http_gone_fn on_gone, void *context)
{
    CHECK(on_gone && !request->on_gone);
    request->on_gone = on_gone;
    request->gone_context = context;
    connection_watch(request->connection);
}

void http_unpark(struct http_request *request)
{
    CHECK(request->on_gone && !request->is_stream);
    request->on_gone = NULL;
    request->gone_context = NULL;
    connection_unwatch(request->connection);
}

void http_stream_begin(struct http_request *request, const char *content_type, http_gone_fn on_gone,
                       void *context)
{
    CHECK(on_gone && !request->on_gone);
    request->on_gone = on_gone;
    request->gone_context = context;
    request->is_stream = true;
    begin_answer(request, 200, content_type);
    /* An endless answer that is not chunked (HTTP/1.0) ends with its connection. */
    add_default(request, "Connection", "close");
    evhttp_send_reply_start(request->ev, 200, status_phrase(200));
    if (request->method != HEAD_HEAD) return;
    /* Of an answer to HEAD this is all: libevent closes when it is written, and the stream is
     * gone. */
    evhttp_send_reply_end(request->ev);
    request->ev = NULL;
}

void http_stream_send(struct http_request *request, struct text chunk)
{
    struct connection *connection = request->connection;
    struct evbuffer *unread = bufferevent_get_output(connection->bev);
    struct evbuffer *copy;

    CHECK(request->is_stream);
    if (connection->is_doomed || !request->ev) return;
    if (evbuffer_get_length(unread) + chunk.size > request->http->limits.unread_size_max) {
        request->http->counts.cut++;
        connection_doom(connection);
        return;
    }
    copy = evbuffer_new();
    CHECK(copy && evbuffer_add(copy, chunk.data, chunk.size) == 0);
    evhttp_send_reply_chunk(request->ev, copy);
    evbuffer_free(copy);
}

void http_stream_end(struct http_request *request)
{
    struct evhttp_request *ev = request->ev;

    CHECK(request->is_stream);
    release(request, 0);
    if (ev) evhttp_send_reply_end(ev);
}
