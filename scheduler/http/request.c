/* SPDX-License-Identifier: Apache-2.0 */
/* request.c: what a handler reads. The head was read strictly before (head.c), so that what
 * libevent kept of it can be trusted to say the same. */
#include "scheduler/http/private.h"

#include <stdlib.h>

void request_free(struct http_request *request)
{
    request->http->counts.body_size -= (size_t)request->body_size;
    if (request->sink) request->verdict.route->sink->drop(request->sink);
    verdict_done(&request->verdict);
    pieces_done(&request->pieces);
    free(request);
}

static struct text value_of(const struct piece *piece)
{
    return piece ? piece->value : (struct text){ NULL, 0 };
}

struct text http_param(struct http_request *request, const char *name)
{
    return value_of(pieces_find(request->pieces.params, request->pieces.param_count, name));
}

struct text http_query(struct http_request *request, const char *name)
{
    return value_of(pieces_find(request->pieces.queries, request->pieces.query_count, name));
}

bool http_query_at(struct http_request *request, size_t index, struct text *ret_name,
                   struct text *ret_value)
{
    if (index >= request->pieces.query_count) return false;
    *ret_name = request->pieces.queries[index].name;
    *ret_value = request->pieces.queries[index].value;
    return true;
}

struct text http_header(struct http_request *request, const char *name)
{
    return text_of(evhttp_find_header(evhttp_request_get_input_headers(request->ev), name));
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
