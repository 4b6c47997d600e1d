/* SPDX-License-Identifier: Apache-2.0 */
/* microhttpd.c: libmicrohttpd's requests are calls: from the first run of the access handler to the
 * end of the run in which a response was queued, or to the queueing, where another thread does that
 * while the connection is suspended.
 *
 * MHD_start_daemon comes by MHD_start_daemon_va, which libmicrohttpd calls by its table of symbols;
 * there the handler is exchanged for ours, with what the host's needs behind it. Between two runs
 * of the handler the daemon's thread serves others: the call is detached. What a daemon does after
 * the response was queued is not part of the call here: the callback that tells has one place only,
 * and that is the host's. The compiled wrapper, <stakeout/microhttpd.h>, has it. */
#include "probe/integrations/preload/run.h"

#include <stdarg.h>
#include <stdlib.h>

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;

typedef int (*handler_fn)(void *context, struct MHD_Connection *connection, const char *url,
                          const char *method, const char *version, const char *upload,
                          size_t *upload_size, void **state);
enum { KIND_HEADER = 1, MHD_NO = 0 };

/* Of each daemon, for the life of the process: a stop may come while a handler runs. */
struct host_handler {
    handler_fn handler;
    void *context;
    struct host_handler *next;
};

static struct host_handler *handlers;

static const char *traceparent_of(struct MHD_Connection *connection)
{
    const char *(*lookup)(struct MHD_Connection *, int, const char *) =
        RUN_NEXT("MHD_lookup_connection_value");

    return lookup ? lookup(connection, KIND_HEADER, "traceparent") : NULL;
}

/* The call of this run: the open one goes on, unless the host's state has gone: then its request
 * was given up, and this is the next one of the connection. */
static struct open_call *enter(struct MHD_Connection *connection, const char *method,
                               const char *url, void *const *state)
{
    struct open_call *open = run_find(connection);

    if (open && open->has_state && !*state) {
        run_close(open, connection);
        open = NULL;
    }
    if (open) {
        stakeout_call_attach(open->call);
    } else {
        open = run_open(connection, method, url, traceparent_of(connection));
    }
    if (open) __atomic_store_n(&open->is_inside, true, __ATOMIC_SEQ_CST);
    return open;
}

/* Of this thread that leaves and another that answers, the one that comes second sees the other's
 * mark, and ends the call. */
static void leave(struct open_call *open, const struct MHD_Connection *connection, int result,
                  void *const *state)
{
    open->has_state = *state != NULL;
    if (result != MHD_NO && !__atomic_load_n(&open->is_answered, __ATOMIC_SEQ_CST))
        stakeout_call_detach(open->call,
                             open->is_suspended ? "MHD_resume_connection" : "the client to send");
    open->is_suspended = false;
    __atomic_store_n(&open->is_inside, false, __ATOMIC_SEQ_CST);
    if (result == MHD_NO || __atomic_load_n(&open->is_answered, __ATOMIC_SEQ_CST))
        run_close(open, connection);
}

static int on_access(void *context, struct MHD_Connection *connection, const char *url,
                     const char *method, const char *version, const char *upload,
                     size_t *upload_size, void **state)
{
    const struct host_handler *host = context;
    struct open_call *open = enter(connection, method, url, state);
    int result =
        host->handler(host->context, connection, url, method, version, upload, upload_size, state);

    if (open) leave(open, connection, result, state);
    return result;
}

/* NULL: there is no memory for it; the host's own handler is used then. */
static struct host_handler *handler_keep(handler_fn handler, void *context)
{
    struct host_handler *kept = malloc(sizeof *kept);

    if (!kept) return NULL;
    *kept = (struct host_handler){ handler, context, __atomic_load_n(&handlers, __ATOMIC_RELAXED) };
    while (!__atomic_compare_exchange_n(&handlers, &kept->next, kept, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
    return kept;
}

/* In libmicrohttpd's place ------------------------------------------------------------------ */

RUN_EXPORT struct MHD_Daemon *MHD_start_daemon_va(unsigned flags, uint16_t port, void *accept,
                                                  void *accept_context, handler_fn handler,
                                                  void *context, va_list options);
RUN_EXPORT int MHD_queue_response(struct MHD_Connection *connection, unsigned code,
                                  struct MHD_Response *response);
RUN_EXPORT void MHD_suspend_connection(struct MHD_Connection *connection);

RUN_EXPORT struct MHD_Daemon *MHD_start_daemon_va(unsigned flags, uint16_t port, void *accept,
                                                  void *accept_context, handler_fn handler,
                                                  void *context, va_list options)
{
    struct MHD_Daemon *(*next)(unsigned, uint16_t, void *, void *, handler_fn, void *, va_list) =
        RUN_NEXT("MHD_start_daemon_va");
    struct host_handler *kept = handler ? handler_keep(handler, context) : NULL;

    if (!next) return NULL;
    run_start();
    if (!kept) return next(flags, port, accept, accept_context, handler, context, options);
    return next(flags, port, accept, accept_context, on_access, kept, options);
}

RUN_EXPORT int MHD_queue_response(struct MHD_Connection *connection, unsigned code,
                                  struct MHD_Response *response)
{
    int (*next)(struct MHD_Connection *, unsigned, struct MHD_Response *) =
        RUN_NEXT("MHD_queue_response");
    struct open_call *open = run_find(connection);
    int result = next ? next(connection, code, response) : MHD_NO;

    if (!open || result == MHD_NO) return result;
    open->response_code = (int)(code & 0xffff); /* above are flags */
    __atomic_store_n(&open->is_answered, true, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&open->is_inside, __ATOMIC_SEQ_CST)) run_close(open, connection);
    return result;
}

RUN_EXPORT void MHD_suspend_connection(struct MHD_Connection *connection)
{
    void (*next)(struct MHD_Connection *) = RUN_NEXT("MHD_suspend_connection");
    struct open_call *open = run_find(connection);

    if (open) open->is_suspended = true;
    if (next) next(connection);
}
