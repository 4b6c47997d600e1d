/* SPDX-License-Identifier: Apache-2.0 */
/* mod_stakeout.c: each request that httpd serves is a call.
 *
 * WHAT A CALL IS
 *
 * It begins when the head of the request has been read (post_read_request, before all others), and
 * ends when the last of its response was written (log_transaction, after all others, run when the
 * EOR bucket behind the response is destroyed). That is what a client waits for, less the network:
 * filters, handlers, CGI scripts, sending. What the client takes to write its head, and what a
 * connection idles between requests, is not part of it. Internal redirects, error documents and
 * subrequests belong to the request that brought them; its response code is what `%>s` logs.
 *
 * WHICH THREAD RUNS IT
 *
 * With prefork and worker one thread does it all. With event a response that the client is slow to
 * read is finished by whichever thread comes by:
 *
 *     begin ... handler ... | suspend_connection: detach | resume_connection: attach ... | end
 *
 * and between the two the call waits for "the client to read". With pipelining a request may begin
 * while the response before is still buffered; then the older call is detached likewise, so that
 * its end, which may come within the younger call, does not end that one. A call that ends while
 * detached is attached by stakeout_call_end() itself.
 *
 * A stream of HTTP/2 is a connection of its own (conn_rec.master says so), which a thread of
 * mod_http2 serves until the response is in a buffer. That thread goes on with other streams; the
 * buffer is emptied, and the request ended, by the one that has the client's connection. Nobody
 * suspends there, so a filter does the detaching, behind the last bucket of the response.
 *
 * THE PROBE'S SIGNAL
 *
 * The threads of worker and event block all signals, and children that are not their starter's have
 * their /proc closed to them: neither way of looking at a thread is left. So each thread that comes
 * with a request lets the one signal in that the probe has taken, as with prefork, where nothing is
 * blocked; no other, and only if it is the probe's. StakeoutDumpable opens /proc, and then sleeping
 * threads are read without any signal.
 *
 * INVARIANTS
 *
 * (1) Nothing of the probe runs in the parent: children start it (child_init) and stop it. So a
 *     restart, graceful or not, finds no thread of ours there.
 * (2) The module is never unloaded (-z nodelete): at exit httpd closes its modules while threads of
 *     it may still be in our hooks.
 * (3) Whatever ends a request's pool ends its call: no record is held by a request that is gone.
 * (4) A connection, its requests and their list of calls belong to one thread at a time, which
 *     httpd sees to; there is no lock here. */
#include "probe/integrations/apache/server_config.h"

#include <http_connection.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>
#include <util_filter.h>

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

APLOG_USE_MODULE(stakeout);

#define WAITING_FOR_CLIENT "the client to read"

/* The calls of one connection that have not ended, youngest first. */
struct connection_calls {
    struct request_call *first;
};

struct request_call {
    stakeout_call call;
    struct connection_calls *connection; /* NULL: it has ended */
    struct request_call *next;
};

static struct stakeout_names default_names;
static ap_filter_rec_t *stream_filter;
static sigset_t probe_signals; /* of a child: the one that its probe takes, or none */
static _Thread_local int has_let_in;

/* The probe's signal ------------------------------------------------------------------------ */

enum { SIGNALS = 64 };

/* Where a function lies: the library's begin; NULL: nowhere. */
static const void *library_of(uintptr_t function)
{
    Dl_info info;

    return function && dladdr((void *)function, &info) ? info.dli_fbase : NULL;
}

/* The handlers say which it is: options, the environment and other modules have a say in that. */
static void find_signals(void)
{
    const void *probe = library_of((uintptr_t)stakeout_start);
    struct sigaction action;

    sigemptyset(&probe_signals);
    for (int number = 1; number <= SIGNALS; number++) {
        if (sigaction(number, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO) &&
            library_of((uintptr_t)action.sa_sigaction) == probe)
            sigaddset(&probe_signals, number);
    }
}

static void let_signals_in(void)
{
    if (has_let_in) return;
    has_let_in = 1;
    pthread_sigmask(SIG_UNBLOCK, &probe_signals, NULL);
}

/* A child's life ---------------------------------------------------------------------------- */

static apr_status_t stop_probe(void *unused)
{
    (void)unused;
    stakeout_stop();
    return APR_SUCCESS;
}

static void on_child_init(apr_pool_t *pool, server_rec *server)
{
    const struct server_config *config = server_config_get(server);
    struct stakeout_options options = {
        .size = sizeof options,
        .application = config->application,
        .server = config->server,
        .token = config->token,
        .instance = config->instance,
        .ca = config->ca,
        .certificate = config->certificate,
        .key = config->key,
    };
    int rc;

    if (config->is_dumpable) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    rc = stakeout_start(&options);
    if (rc < 0 && rc != -EALREADY) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, -rc, server,
                     "stakeout: the probe did not start; requests are served as without it");
        return;
    }
    find_signals();
    server_config_register(server);
    apr_pool_cleanup_register(pool, NULL, stop_probe, apr_pool_cleanup_null);
}

/* A call's life ----------------------------------------------------------------------------- */

static void end_call(struct request_call *call, int response_code)
{
    struct request_call **link;

    if (!call->connection) return;
    for (link = &call->connection->first; *link != call; link = &(*link)->next) {
    }
    *link = call->next;
    call->connection = NULL;
    stakeout_call_end(call->call, response_code);
}

/* The pool goes without a log_transaction: httpd gave the request up. */
static apr_status_t on_request_gone(void *call)
{
    end_call(call, 0);
    return APR_SUCCESS;
}

static struct connection_calls *calls_of(conn_rec *connection)
{
    struct connection_calls *calls =
        ap_get_module_config(connection->conn_config, &stakeout_module);

    if (!calls) {
        calls = apr_pcalloc(connection->pool, sizeof *calls);
        ap_set_module_config(connection->conn_config, &stakeout_module, calls);
    }
    return calls;
}

static void detach_all(const struct connection_calls *calls)
{
    for (const struct request_call *it = calls->first; it; it = it->next) {
        stakeout_call_detach(it->call, WAITING_FOR_CLIENT);
    }
}

/* The response of a stream goes by. */
static apr_status_t on_stream_output(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    conn_rec *stream = filter->c;
    int is_last = 0;
    apr_status_t status;

    for (const apr_bucket *it = APR_BRIGADE_FIRST(brigade); it != APR_BRIGADE_SENTINEL(brigade);
         it = APR_BUCKET_NEXT(it)) {
        is_last |= AP_BUCKET_IS_EOR(it);
    }
    status = ap_pass_brigade(filter->next, brigade);
    if (is_last) detach_all(calls_of(stream)); /* one that has ended is not among them */
    return status;
}

static int on_request_read(request_rec *request)
{
    struct connection_calls *calls;
    struct request_call *call;
    stakeout_interface_id id;

    if (request->main || request->prev) return DECLINED;
    id = server_config_find(server_config_get(request->server), &default_names, request->method,
                            request->unparsed_uri ? request->unparsed_uri : "");
    if (id == 0) return DECLINED;
    let_signals_in();
    calls = calls_of(request->connection);
    detach_all(calls);
    call = apr_pcalloc(request->pool, sizeof *call);
    call->call = stakeout_call_begin_traced(id, apr_table_get(request->headers_in, "traceparent"));
    call->connection = calls;
    call->next = calls->first;
    calls->first = call;
    ap_set_module_config(request->request_config, &stakeout_module, call);
    apr_pool_cleanup_register(request->pool, call, on_request_gone, apr_pool_cleanup_null);
    if (request->connection->master)
        ap_add_output_filter_handle(stream_filter, NULL, NULL, request->connection);
    return DECLINED;
}

static int on_response_written(request_rec *request)
{
    struct request_call *call = ap_get_module_config(request->request_config, &stakeout_module);

    if (!call) return DECLINED;
    while (request->next) {
        request = request->next;
    }
    end_call(call, request->status);
    return DECLINED;
}

static void on_suspend(conn_rec *connection, request_rec *request)
{
    const struct connection_calls *calls =
        ap_get_module_config(connection->conn_config, &stakeout_module);

    (void)request;
    if (calls) detach_all(calls);
}

/* Responses are written in the order of their requests: the oldest is the one that goes on. */
static void on_resume(conn_rec *connection, request_rec *request)
{
    const struct connection_calls *calls =
        ap_get_module_config(connection->conn_config, &stakeout_module);
    const struct request_call *oldest = calls ? calls->first : NULL;

    (void)request;
    if (!oldest) return;
    while (oldest->next) {
        oldest = oldest->next;
    }
    let_signals_in();
    stakeout_call_attach(oldest->call);
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    stream_filter =
        ap_register_output_filter("STAKEOUT_STREAM", on_stream_output, NULL, AP_FTYPE_CONNECTION);
    ap_hook_child_init(on_child_init, NULL, NULL, APR_HOOK_LAST);
    ap_hook_post_read_request(on_request_read, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(on_response_written, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_suspend_connection(on_suspend, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_resume_connection(on_resume, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

module AP_MODULE_DECLARE_DATA stakeout_module = {
    STANDARD20_MODULE_STUFF,
    NULL, /* per directory: nothing */
    NULL,
    server_config_new,
    server_config_merge,
    server_config_directives,
    register_hooks,
    AP_MODULE_FLAG_NONE,
};
