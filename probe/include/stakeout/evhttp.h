/* SPDX-License-Identifier: Apache-2.0 */
/* evhttp.h: the requests of libevent's evhttp as calls.
 *
 *     static struct stakeout_names names = { .rules = rules };         see naming.h
 *
 *     static void on_request(struct evhttp_request *request, void *context)
 *     {
 *         stakeout_call call = stakeout_evhttp_begin(&names, request);
 *         ...
 *         stakeout_evhttp_reply(call, request, 200, "OK", body);       for evhttp_send_reply()
 *     }
 *
 * Where the answer comes later, keep the call with what the answer is made from, and detach it
 * before the callback returns; the loop goes on with other requests:
 *
 *         job->call = call;
 *         stakeout_call_detach(call, "upstream");
 *     ...
 *     static void on_upstream(... struct job *job)
 *     {
 *         stakeout_call_attach(job->call);
 *         ...
 *         stakeout_evhttp_reply(job->call, job->request, 200, "OK", body);
 *
 * A request that is given up instead is to be ended, too: stakeout_call_end(job->call, 0), for
 * example from evhttp_connection_set_closecb(). The call ends when its answer is handed to the
 * loop, not when the last byte was sent. probe/integrations/evhttp/example.c is a whole server.
 *
 * Nothing here fails a request: without the probe, all of it is libevent's functions alone.
 * Threads: the loop's. */
#ifndef STAKEOUT_EVHTTP_H
#define STAKEOUT_EVHTTP_H

#include <stakeout/naming.h>

#include <event2/buffer.h>
#include <event2/http.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline const char *stakeout_evhttp_method(const struct evhttp_request *request)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    case EVHTTP_REQ_OPTIONS:
        return "OPTIONS";
    case EVHTTP_REQ_PATCH:
        return "PATCH";
    default:
        return "OTHER";
    }
}

/* Begins the call of a request, on the loop's thread, under the name that the rules give it and
 * with the trace ID of its traceparent. */
static inline stakeout_call stakeout_evhttp_begin(struct stakeout_names *names,
                                                  struct evhttp_request *request)
{
    const char *uri = evhttp_request_get_uri(request);
    stakeout_interface_id id =
        stakeout_names_find(names, stakeout_evhttp_method(request), uri ? uri : "");

    return stakeout_call_begin_traced(
        id, evhttp_find_header(evhttp_request_get_input_headers(request), "traceparent"));
}

/* evhttp_send_reply(), and the end of the call. The request is the loop's from here. */
static inline void stakeout_evhttp_reply(stakeout_call call, struct evhttp_request *request,
                                         int code, const char *reason, struct evbuffer *body)
{
    evhttp_send_reply(request, code, reason, body);
    stakeout_call_end(call, code);
}

/* evhttp_send_error(), likewise. */
static inline void stakeout_evhttp_error(stakeout_call call, struct evhttp_request *request,
                                         int code, const char *reason)
{
    evhttp_send_error(request, code, reason);
    stakeout_call_end(call, code);
}

#ifdef __cplusplus
}
#endif

#endif
