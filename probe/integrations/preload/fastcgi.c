/* SPDX-License-Identifier: Apache-2.0 */
/* fastcgi.c: libfcgi's requests are calls, from the return of FCGX_Accept_r to the end of
 * FCGX_Finish_r. FCGX_Accept, FCGI_Accept and FCGX_Finish come by these two, which libfcgi calls by
 * its table of symbols.
 *
 * The response code is in the response: "Status: 404". It is read off the first buffer that is
 * sent: we stand before the function that empties the stream. The layouts below are fcgiapp.h's,
 * as they have been since 1996; tests/unit/probe/integrations compares them with it. */
#include "probe/integrations/preload/fastcgi.h"

#include "probe/integrations/preload/run.h"

#include <stdlib.h>
#include <string.h>

enum { METHOD_DEFAULT_CODE = 200, REDIRECT_CODE = 302, OUTPUT_SIZE_MAX = 65536 };

static const char *variable_of(char *const *environment, const char *name)
{
    size_t size = strlen(name);

    for (; environment && *environment; environment++) {
        if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=')
            return *environment + size + 1;
    }
    return NULL;
}

/* The response code ------------------------------------------------------------------------- */

/* The value of a header that begins this line; NULL: it is another. */
static const unsigned char *value_of(const unsigned char *line, const unsigned char *end,
                                     const char *name)
{
    size_t size = strlen(name);

    if ((size_t)(end - line) <= size || strncasecmp((const char *)line, name, size) != 0)
        return NULL;
    for (line += size; line < end && *line == ' '; line++) {
    }
    return line;
}

static int number_at(const unsigned char *text, const unsigned char *end)
{
    int number = 0;

    for (int i = 0; i < 3; i++) {
        if (text + i >= end || text[i] < '0' || text[i] > '9') return 0;
        number = 10 * number + (text[i] - '0');
    }
    return number;
}

int fastcgi_response_code(const unsigned char *output, size_t size)
{
    const unsigned char *end = output + size, *line = output;
    int code = METHOD_DEFAULT_CODE;

    while (line < end && *line != '\r' && *line != '\n') {
        const unsigned char *next = memchr(line, '\n', (size_t)(end - line));
        const unsigned char *status = value_of(line, end, "Status:");

        if (status && number_at(status, end) != 0) return number_at(status, end);
        if (value_of(line, end, "Location:")) code = REDIRECT_CODE;
        if (!next) break;
        line = next + 1;
    }
    return code;
}

/* Looks once, at what the stream holds of the response's begin. */
static void read_response_code(struct open_call *open)
{
    const struct fcgi_stream *stream = open->output;

    if (open->response_code != 0 || !stream || !open->output_begin) return;
    if (stream->write_next <= open->output_begin ||
        stream->write_next - open->output_begin > OUTPUT_SIZE_MAX)
        return;
    open->response_code = fastcgi_response_code(open->output_begin,
                                                (size_t)(stream->write_next - open->output_begin));
}

static void on_empty(struct fcgi_stream *stream, int is_closing)
{
    struct open_call *open = run_find_output(stream);

    if (!open) return; /* it was put back before its call was closed: never */
    read_response_code(open);
    open->empty(stream, is_closing);
}

static void watch_output(struct open_call *open, struct fcgi_stream *stream)
{
    if (!stream || !stream->empty) return;
    open->output_begin = stream->write_next;
    open->empty = (void (*)(void *, int))stream->empty;
    __atomic_store_n(&open->output, stream, __ATOMIC_RELEASE);
    stream->empty = on_empty;
}

static void unwatch_output(struct open_call *open)
{
    struct fcgi_stream *stream = open->output;

    if (stream && stream->empty == on_empty)
        stream->empty = (void (*)(struct fcgi_stream *, int))open->empty;
    __atomic_store_n(&open->output, NULL, __ATOMIC_RELEASE);
}

/* In libfcgi's place ------------------------------------------------------------------------ */

RUN_EXPORT int FCGX_Accept_r(struct fcgi_request *request);
RUN_EXPORT void FCGX_Finish_r(struct fcgi_request *request);
RUN_EXPORT void FCGX_Free(struct fcgi_request *request, int close);

RUN_EXPORT int FCGX_Accept_r(struct fcgi_request *request)
{
    int (*next)(struct fcgi_request *) = RUN_NEXT("FCGX_Accept_r");
    const char *method, *target;
    struct open_call *open;
    int rc;

    if (!next) return -1;
    run_start();
    rc = next(request); /* and it finishes the request before, by way of FCGX_Finish_r */
    if (rc != 0 || !request) return rc;
    method = variable_of(request->environment, "REQUEST_METHOD");
    target = variable_of(request->environment, "REQUEST_URI");
    if (!target) target = variable_of(request->environment, "SCRIPT_NAME");
    open = run_open(request, method ? method : "", target ? target : "",
                    variable_of(request->environment, "HTTP_TRACEPARENT"));
    if (open) watch_output(open, request->output);
    return rc;
}

RUN_EXPORT void FCGX_Finish_r(struct fcgi_request *request)
{
    void (*next)(struct fcgi_request *) = RUN_NEXT("FCGX_Finish_r");
    struct open_call *open = run_find(request);

    if (open) {
        read_response_code(open);
        unwatch_output(open); /* the stream is gone after what follows */
    }
    if (next) next(request);
    if (open) run_close(open, request);
}

/* A request that is given up without being finished. */
RUN_EXPORT void FCGX_Free(struct fcgi_request *request, int close)
{
    void (*next)(struct fcgi_request *, int) = RUN_NEXT("FCGX_Free");
    struct open_call *open = run_find(request);

    if (open) unwatch_output(open);
    if (next) next(request, close);
    if (open) run_close(open, request);
}
