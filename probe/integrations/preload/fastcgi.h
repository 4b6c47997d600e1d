/* SPDX-License-Identifier: Apache-2.0 */
/* fastcgi.h: as much of libfcgi's structs as we look at, by our names, and what a CGI response
 * says. The order is fcgiapp.h's. */
#ifndef STAKEOUT_PROBE_INTEGRATIONS_PRELOAD_FASTCGI_H
#define STAKEOUT_PROBE_INTEGRATIONS_PRELOAD_FASTCGI_H

#include <stddef.h>

struct fcgi_stream {
    unsigned char *read_next, *write_next, *stop, *stop_unget;
    int is_reader, is_closed, was_close_called, error;
    void (*fill)(struct fcgi_stream *stream);
    void (*empty)(struct fcgi_stream *stream, int is_closing);
    void *data;
};

struct fcgi_request {
    int id, role;
    struct fcgi_stream *input, *output, *errors;
    char **environment;
};

/* Of a CGI response's first bytes: its Status, 302 with a Location, else 200. */
int fastcgi_response_code(const unsigned char *output, size_t size);

#endif
