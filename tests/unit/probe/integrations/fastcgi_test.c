/* SPDX-License-Identifier: Apache-2.0 */
/* The response code in a CGI response; and our structs, which must be libfcgi's. */
#include "probe/integrations/preload/fastcgi.h"

#include "tests/support/test.h"

#include <assert.h>
#include <fcgiapp.h>
#include <string.h>

#define IS_AT(ours, our_field, theirs, their_field) \
    static_assert(offsetof(struct ours, our_field) == offsetof(theirs, their_field), #our_field)

IS_AT(fcgi_stream, read_next, FCGX_Stream, rdNext);
IS_AT(fcgi_stream, write_next, FCGX_Stream, wrNext);
IS_AT(fcgi_stream, fill, FCGX_Stream, fillBuffProc);
IS_AT(fcgi_stream, empty, FCGX_Stream, emptyBuffProc);
IS_AT(fcgi_stream, data, FCGX_Stream, data);
IS_AT(fcgi_request, input, FCGX_Request, in);
IS_AT(fcgi_request, output, FCGX_Request, out);
IS_AT(fcgi_request, errors, FCGX_Request, err);
IS_AT(fcgi_request, environment, FCGX_Request, envp);
static_assert(sizeof(struct fcgi_stream) == sizeof(FCGX_Stream), "the stream");

static void a_response_has_a_code(void **state)
{
    static const struct {
        const char *output;
        int code;
    } cases[] = {
        { "Status: 404 Not Found\r\n\r\n", 404 },
        { "status:404\n\n", 404 },
        { "Content-Type: a\r\nSTATUS:   503\r\n\r\n", 503 },
        { "Content-Type: a\r\n\r\nStatus: 500\r\n", 200 },
        { "Content-Type: a\n\nStatus: 500\n", 200 },
        { "Location: /x\r\n\r\n", 302 },
        { "Location: /x\r\nStatus: 301\r\n\r\n", 301 },
        { "Status: 40", 200 },
        { "Status: abc\r\n\r\n", 200 },
        { "Status:", 200 },
        { "X-Status: 404\r\n\r\n", 200 },
        { "Statu", 200 },
        { "\r\nStatus: 404\r\n", 200 },
        { "", 200 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int code =
            fastcgi_response_code((const unsigned char *)cases[i].output, strlen(cases[i].output));

        if (code != cases[i].code) fail_msg("'%s': %d", cases[i].output, code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_has_a_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
