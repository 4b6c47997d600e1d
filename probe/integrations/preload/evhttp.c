/* SPDX-License-Identifier: Apache-2.0 */
/* evhttp.c: the requests of libevent's evhttp are calls: from the run of the host's callback to its
 * end, or, where the answer is sent later, to the end of evhttp_send_reply, _error or _reply_end.
 * In between the loop serves others: the call is detached. A request whose client is gone ends with
 * evhttp_request_free, which libevent calls by its table of symbols.
 *
 * A callback may free its request by answering it: after the host's code has run, the request is
 * nothing but a key. */
#include "probe/integrations/preload/run.h"

#include <stdlib.h>

struct evbuffer;
struct evhttp;
struct evhttp_request;
struct evkeyvalq;

typedef void (*request_fn)(struct evhttp_request *request, void *context);

/* Of each registration, for the life of the process. */
struct host_callback {
    request_fn callback;
    void *context;
    struct host_callback *next;
};

static struct host_callback *callbacks;

/* enum evhttp_cmd_type is one bit per method, in this order. */
static const char *method_of(struct evhttp_request *request)
{
    static const char *const methods[] = { "GET",     "POST",  "HEAD",    "PUT",  "DELETE",
                                           "OPTIONS", "TRACE", "CONNECT", "PATCH" };
    int (*command)(const struct evhttp_request *) = RUN_NEXT("evhttp_request_get_command");
    int bit = command ? command(request) : 0;

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (bit == 1 << i) return methods[i];
    }
    return "";
}

static const char *traceparent_of(struct evhttp_request *request)
{
    struct evkeyvalq *(*headers)(struct evhttp_request *) =
        RUN_NEXT("evhttp_request_get_input_headers");
    const char *(*find)(const struct evkeyvalq *, const char *) = RUN_NEXT("evhttp_find_header");

    return headers && find ? find(headers(request), "traceparent") : NULL;
}

static void on_request(struct evhttp_request *request, void *context)
{
    const struct host_callback *host = context;
    const char *(*uri)(const struct evhttp_request *) = RUN_NEXT("evhttp_request_get_uri");
    const char *target = uri ? uri(request) : NULL;
    struct open_call *open =
        run_open(request, method_of(request), target ? target : "", traceparent_of(request));

    if (open) open->is_inside = true;
    host->callback(request, host->context);
    if (!open || run_find(request) != open) return;
    open->is_inside = false;
    if (open->is_answered) {
        run_close(open, request);
    } else {
        stakeout_call_detach(open->call, "evhttp_send_reply");
    }
}

static struct host_callback *callback_keep(request_fn callback, void *context)
{
    struct host_callback *kept = callback == on_request ? NULL : malloc(sizeof *kept);

    if (!kept) return NULL;
    *kept =
        (struct host_callback){ callback, context, __atomic_load_n(&callbacks, __ATOMIC_RELAXED) };
    while (!__atomic_compare_exchange_n(&callbacks, &kept->next, kept, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
    return kept;
}

/* An answer begins: the call is on this thread again. */
static struct open_call *answer_begin(const struct evhttp_request *request, int code)
{
    struct open_call *open = run_find(request);

    if (!open) return NULL;
    if (code != 0) open->response_code = code;
    if (!open->is_inside) stakeout_call_attach(open->call);
    return open;
}

/* Its end; the request may be gone, and its call with it. */
static void answer_end(const struct evhttp_request *request, struct open_call *open)
{
    if (!open || run_find(request) != open) return;
    open->is_answered = true;
    if (!open->is_inside) run_close(open, request);
}

/* In libevent's place ----------------------------------------------------------------------- */

RUN_EXPORT void evhttp_set_gencb(struct evhttp *http, request_fn callback, void *context);
RUN_EXPORT int evhttp_set_cb(struct evhttp *http, const char *path, request_fn callback,
                             void *context);
RUN_EXPORT void evhttp_send_reply(struct evhttp_request *request, int code, const char *reason,
                                  struct evbuffer *body);
RUN_EXPORT void evhttp_send_error(struct evhttp_request *request, int code, const char *reason);
RUN_EXPORT void evhttp_send_reply_start(struct evhttp_request *request, int code,
                                        const char *reason);
RUN_EXPORT void evhttp_send_reply_end(struct evhttp_request *request);
RUN_EXPORT void evhttp_request_free(struct evhttp_request *request);

RUN_EXPORT void evhttp_set_gencb(struct evhttp *http, request_fn callback, void *context)
{
    void (*next)(struct evhttp *, request_fn, void *) = RUN_NEXT("evhttp_set_gencb");
    struct host_callback *kept = callback ? callback_keep(callback, context) : NULL;

    run_start();
    if (next) next(http, kept ? on_request : callback, kept ? kept : context);
}

RUN_EXPORT int evhttp_set_cb(struct evhttp *http, const char *path, request_fn callback,
                             void *context)
{
    int (*next)(struct evhttp *, const char *, request_fn, void *) = RUN_NEXT("evhttp_set_cb");
    struct host_callback *kept = callback ? callback_keep(callback, context) : NULL;

    run_start();
    if (!next) return -1;
    return next(http, path, kept ? on_request : callback, kept ? kept : context);
}

RUN_EXPORT void evhttp_send_reply(struct evhttp_request *request, int code, const char *reason,
                                  struct evbuffer *body)
{
    void (*next)(struct evhttp_request *, int, const char *, struct evbuffer *) =
        RUN_NEXT("evhttp_send_reply");
    struct open_call *open = answer_begin(request, code);

    if (next) next(request, code, reason, body);
    answer_end(request, open);
}

RUN_EXPORT void evhttp_send_error(struct evhttp_request *request, int code, const char *reason)
{
    void (*next)(struct evhttp_request *, int, const char *) = RUN_NEXT("evhttp_send_error");
    struct open_call *open = answer_begin(request, code);

    if (next) next(request, code, reason);
    answer_end(request, open);
}

/* A response in pieces: in between the call is where its callback left it. */
RUN_EXPORT void evhttp_send_reply_start(struct evhttp_request *request, int code,
                                        const char *reason)
{
    void (*next)(struct evhttp_request *, int, const char *) = RUN_NEXT("evhttp_send_reply_start");
    struct open_call *open = answer_begin(request, code);

    if (next) next(request, code, reason);
    if (open && run_find(request) == open && !open->is_inside)
        stakeout_call_detach(open->call, "evhttp_send_reply_end");
}

RUN_EXPORT void evhttp_send_reply_end(struct evhttp_request *request)
{
    void (*next)(struct evhttp_request *) = RUN_NEXT("evhttp_send_reply_end");
    struct open_call *open = answer_begin(request, 0);

    if (next) next(request);
    answer_end(request, open);
}

RUN_EXPORT void evhttp_request_free(struct evhttp_request *request)
{
    void (*next)(struct evhttp_request *) = RUN_NEXT("evhttp_request_free");
    struct open_call *open = run_find(request);

    if (next) next(request);
    if (open) run_close(open, request);
}
