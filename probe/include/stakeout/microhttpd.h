/* SPDX-License-Identifier: Apache-2.0 */
/* microhttpd.h: the requests of libmicrohttpd as calls, from the first run of the access handler to
 * MHD_OPTION_NOTIFY_COMPLETED, when the response was sent.
 *
 *     struct request {
 *         struct stakeout_mhd stakeout;                  in what the server keeps of a request
 *         ...
 *     };
 *
 *     static enum MHD_Result on_access(...  void **state)
 *     {
 *         struct request *request = *state;
 *
 *         if (!request) {
 *             *state = request = calloc(1, sizeof *request);
 *             stakeout_mhd_begin(&request->stakeout, &names, connection, method, url);
 *             ...
 *         }
 *         stakeout_mhd_enter(&request->stakeout);        each time the handler begins
 *         ...
 *         result = stakeout_mhd_queue(&request->stakeout, connection, MHD_HTTP_OK, response);
 *         stakeout_mhd_leave(&request->stakeout);        each time it ends
 *         return result;
 *     }
 *
 *     static void on_completed(... void **state, enum MHD_RequestTerminationCode why)
 *     {
 *         stakeout_mhd_end(&((struct request *)*state)->stakeout);
 *         ...
 *     }
 *
 * Between two runs of the handler the daemon's thread may serve others, so the call is detached:
 * while more of a body is to come, while the connection is suspended, and while the response is
 * sent. Use stakeout_mhd_suspend() for MHD_suspend_connection(), so that the call says what it
 * waits for. probe/integrations/libmicrohttpd/example.c is a whole server.
 *
 * Nothing here fails a request: without the probe, all of it is libmicrohttpd's functions alone.
 * Threads: a request's, one at a time, as libmicrohttpd sees to. */
#ifndef STAKEOUT_MICROHTTPD_H
#define STAKEOUT_MICROHTTPD_H

#include <stakeout/naming.h>

#include <microhttpd.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stakeout_mhd {
    stakeout_call call;
    int response_code;       /* 0: none was queued */
    const char *waiting_for; /* what the handler leaves for */
};

/* Begins the call of a request, when its handler runs for the first time. */
static inline void stakeout_mhd_begin(struct stakeout_mhd *mhd, struct stakeout_names *names,
                                      struct MHD_Connection *connection, const char *method,
                                      const char *url)
{
    mhd->call = stakeout_call_begin_traced(
        stakeout_names_find(names, method, url),
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "traceparent"));
    mhd->response_code = 0;
    mhd->waiting_for = "the client to send";
}

static inline void stakeout_mhd_enter(struct stakeout_mhd *mhd)
{
    mhd->waiting_for = "the client to send";
    stakeout_call_attach(mhd->call);
}

static inline void stakeout_mhd_leave(struct stakeout_mhd *mhd)
{
    stakeout_call_detach(mhd->call, mhd->waiting_for);
}

/* MHD_queue_response(). */
static inline enum MHD_Result stakeout_mhd_queue(struct stakeout_mhd *mhd,
                                                 struct MHD_Connection *connection, unsigned code,
                                                 struct MHD_Response *response)
{
    mhd->response_code = (int)(code & 0xffff); /* above are flags */
    mhd->waiting_for = "the client to read";
    return MHD_queue_response(connection, code, response);
}

/* MHD_suspend_connection(), within the handler. `waiting_for` lives as long as the call. */
static inline void stakeout_mhd_suspend(struct stakeout_mhd *mhd, struct MHD_Connection *connection,
                                        const char *waiting_for)
{
    mhd->waiting_for = waiting_for;
    MHD_suspend_connection(connection);
}

/* The end, from MHD_OPTION_NOTIFY_COMPLETED. */
static inline void stakeout_mhd_end(struct stakeout_mhd *mhd)
{
    stakeout_call_end(mhd->call, mhd->response_code);
}

#ifdef __cplusplus
}
#endif

#endif
