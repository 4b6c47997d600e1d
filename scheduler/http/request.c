/* SPDX-License-Identifier: Apache-2.0 */
/* request.c: what a handler reads. Of the head, what was kept of it when it came (gate.c):
 * libevent has seen no more than where the request ends. */
#include "scheduler/http/private.h"

#include "common/base/check.h"

#include <stdlib.h>

void request_free(struct http_request *request)
{
    request->http->counts.body_size -= (size_t)request->body_size;
    if (request->sink) request->verdict.route->sink->drop(request->sink);
    verdict_done(&request->verdict);
    free(request);
}

static struct text value_of(const struct piece *piece)
{
    return piece ? piece->value : (struct text){ NULL, 0 };
}

struct text http_param(struct http_request *request, const char *name)
{
    return value_of(
        pieces_find(request->verdict.pieces.params, request->verdict.pieces.param_count, name));
}

struct text http_query(struct http_request *request, const char *name)
{
    return value_of(
        pieces_find(request->verdict.pieces.queries, request->verdict.pieces.query_count, name));
}

bool http_query_at(struct http_request *request, size_t index, struct text *ret_name,
                   struct text *ret_value)
{
    if (index >= request->verdict.pieces.query_count) return false;
    *ret_name = request->verdict.pieces.queries[index].name;
    *ret_value = request->verdict.pieces.queries[index].value;
    return true;
}

struct text http_header(struct http_request *request, const char *name)
{
    enum head_field field = head_field_find(text_of(name));

    CHECK(field < HEAD_FIELD_COUNT); /* else its name is missing in head.c */
    return request->fields[field];
}

struct text http_body(struct http_request *request)
{
    return request->body;
}

void http_drop_body(struct http_request *request)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request->ev);

    evbuffer_drain(input, evbuffer_get_length(input));
    request->http->counts.body_size -= (size_t)request->body_size;
    request->body_size = 0;
    request->body = (struct text){ NULL, 0 };
}

void *http_sink_take(struct http_request *request)
{
    void *sink = request->sink;

    request->sink = NULL;
    return sink;
}

struct text http_peer(struct http_request *request)
{
    char *address = NULL;
    ev_uint16_t port;

    evhttp_connection_get_peer(request->connection->ev, &address, &port);
    return text_of(address);
}

const struct http_identity *http_identity_of(struct http_request *request)
{
    return &request->verdict.identity;
}
