/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "scheduler/http/head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST "Host: localhost\r\n"

/* What smuggles, confuses or floods is refused, each with its status; the rest is not. */
static const struct {
    const char *says;
    const char *head;
    int status;
} cases[] = {
    { "a plain GET", "GET / HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "a GET of HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 0 },
    { "a POST with a body", "POST /a?b=c HTTP/1.1\r\n" HOST "Content-Length: 35\r\n\r\n", 0 },
    { "a POST without a length", "POST /a HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "spaces around a value", "POST /a HTTP/1.1\r\n" HOST "Content-Length: \t 35 \r\n\r\n", 0 },
    { "an empty value", "GET / HTTP/1.1\r\n" HOST "X-Empty:\r\n\r\n", 0 },
    { "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "100-continue", "POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\n\r\n", 0 },
    { "UTF-8 in a value", "GET / HTTP/1.1\r\n" HOST "X: \xc3\xa4\r\n\r\n", 0 },

    { "two lengths that agree",
      "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400 },
    { "two lengths that differ",
      "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 0\r\n\r\n", 400 },
    { "two lengths, the first 0",
      "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 9\r\n\r\n", 400 },
    { "a list of lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", 400 },
    { "a space before the colon", "POST / HTTP/1.1\r\n" HOST "Content-Length : 35\r\n\r\n", 400 },
    { "a tab before the colon", "POST / HTTP/1.1\r\n" HOST "Content-Length\t: 35\r\n\r\n", 400 },
    { "a plus sign", "POST / HTTP/1.1\r\n" HOST "Content-Length: +4\r\n\r\n", 400 },
    { "a minus sign", "POST / HTTP/1.1\r\n" HOST "Content-Length: -4\r\n\r\n", 400 },
    { "a hexadecimal length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x4\r\n\r\n", 400 },
    { "an empty length", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400 },
    { "eleven digits", "POST / HTTP/1.1\r\n" HOST "Content-Length: 00000000005\r\n\r\n", 400 },
    { "a length that overflows",
      "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\n", 400 },
    { "chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 411 },
    { "chunked and a length",
      "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 411 },
    { "chunked in disguise", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",
      411 },
    { "chunked by another case", "POST / HTTP/1.1\r\n" HOST "transfer-ENCODING: x\r\n\r\n", 411 },
    { "a body of a GET", "GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 400 },
    { "a body of a DELETE", "DELETE / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 400 },

    { "a bare LF", "GET / HTTP/1.1\n" HOST "\r\n", 400 },
    { "a bare LF among headers", "GET / HTTP/1.1\r\n" HOST "X: y\nZ: w\r\n\r\n", 400 },
    { "a bare CR", "GET / HTTP/1.1\r\n" HOST "X: y\rZ: w\r\n\r\n", 400 },
    { "a folded line", "GET / HTTP/1.1\r\n" HOST "X: y\r\n z\r\n\r\n", 400 },
    { "a line without a colon", "GET / HTTP/1.1\r\n" HOST "nothing\r\n\r\n", 400 },
    { "a line without a name", "GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400 },
    { "an escape character", "GET / HTTP/1.1\r\n" HOST "X: \x1b[2J\r\n\r\n", 400 },
    { "a DEL", "GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n", 400 },
    { "a name that is no token", "GET / HTTP/1.1\r\n" HOST "X(y): z\r\n\r\n", 400 },

    { "no Host", "GET / HTTP/1.1\r\n\r\n", 400 },
    { "two Hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
    { "two Origins", "GET / HTTP/1.1\r\n" HOST "Origin: a\r\nOrigin: b\r\n\r\n", 400 },
    { "two Authorizations",
      "GET / HTTP/1.1\r\n" HOST "Authorization: a\r\nAuthorization: b\r\n\r\n", 400 },

    { "an unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n", 501 },
    { "a method in lower case", "get / HTTP/1.1\r\n" HOST "\r\n", 501 },
    { "CONNECT", "CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n", 501 },
    { "TRACE", "TRACE / HTTP/1.1\r\n" HOST "\r\n", 501 },
    { "HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
    { "HTTP/1.999", "GET / HTTP/1.999\r\n" HOST "\r\n", 505 },
    { "no version", "GET /\r\n" HOST "\r\n", 400 },
    { "two spaces", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "a space at the end", "GET / HTTP/1.1 \r\n" HOST "\r\n", 505 },
    { "an absolute target", "GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "a fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "a star that is not OPTIONS", "GET * HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "UTF-8 in the target", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "another expectation", "POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n", 417 },
    { "an empty line first", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "something behind the end", "GET / HTTP/1.1\r\n" HOST "\r\nGET", 400 },
    { "no end", "GET / HTTP/1.1\r\n" HOST, 400 },
    { "nothing", "", 400 },
};

static void heads_are_accepted_or_refused_with_their_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *why = NULL;
        struct head head;
        int status = head_parse(text_of(cases[i].head), &head, &why);

        if (status != cases[i].status)
            fail_msg("%s: %d instead of %d (%s)", cases[i].says, status, cases[i].status, why);
    }
}

static void a_head_with_a_zero_byte_is_refused(void **state)
{
    static const char bytes[] = "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n";
    const char *why = NULL;
    struct head head;

    (void)state;
    assert_int_equal(head_parse((struct text){ bytes, sizeof bytes - 1 }, &head, &why), 400);
}

static void what_a_head_says_is_understood(void **state)
{
    static const char bytes[] =
        "POST /tasks/7?limit=5 HTTP/1.1\r\nhOsT: a:1\r\nORIGIN: http://a:1\r\n"
        "authorization: Bearer x\r\nSec-Fetch-Site: none\r\n"
        "Content-length: 0012\r\n\r\n";
    const char *why = NULL;
    struct head head;

    (void)state;
    assert_int_equal(head_parse(text_of(bytes), &head, &why), 0);
    assert_int_equal(head.method, HEAD_POST);
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.body_size, 12);
    assert_true(text_is_equal(head.target, TEXT("/tasks/7?limit=5")));
    assert_true(text_is_equal(head.host, TEXT("a:1")));
    assert_true(text_is_equal(head.origin, TEXT("http://a:1")));
    assert_true(text_is_equal(head.authorization, TEXT("Bearer x")));
    assert_true(text_is_equal(head.fetch_site, TEXT("none")));
}

/* A head of exactly `size` bytes, in one long header line or in lines of `line_size`. */
static char *head_of(size_t size, size_t line_size)
{
    static const char begin[] = "GET / HTTP/1.1\r\n" HOST;
    char *head = mem_zalloc(1, size + 1);
    size_t at = sizeof begin - 1;

    memcpy(head, begin, at);
    while (at < size - 2) {
        size_t left = size - 2 - at, part = left < 2 * line_size ? left : line_size;

        memset(head + at, 'a', part);
        head[at + 1] = ':';
        memcpy(head + at + part - 2, "\r\n", 2);
        at += part;
    }
    memcpy(head + size - 2, "\r\n", 2);
    return head;
}

static int status_of(char *head)
{
    const char *why = NULL;
    struct head parsed;
    int status = head_parse(text_of(head), &parsed, &why);

    free(head);
    return status;
}

static void sizes_are_accepted_up_to_their_limits(void **state)
{
    char *target = mem_zalloc(1, 6000);

    (void)state;
    assert_int_equal(status_of(head_of(HEAD_SIZE_MAX, HEAD_SIZE_MAX)), 0);
    assert_int_equal(status_of(head_of(HEAD_SIZE_MAX + 1, HEAD_SIZE_MAX)), 431);
    /* The Host is one of the 64 lines. */
    assert_int_equal(status_of(head_of(16 + 17 + 63 * 10 + 2, 10)), 0);
    assert_int_equal(status_of(head_of(16 + 17 + 64 * 10 + 2, 10)), 431);

    for (size_t size = HEAD_TARGET_MAX; size <= HEAD_TARGET_MAX + 1; size++) {
        memcpy(target, "GET /", 5);
        memset(target + 5, 'a', size - 1);
        snprintf(target + 4 + size, 100, " HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(status_of(mem_text(target, strlen(target))),
                         size == HEAD_TARGET_MAX ? 0 : 414);
    }
    free(target);
}

static void the_end_of_a_head_is_its_empty_line(void **state)
{
    (void)state;
    assert_int_equal(head_end("GET", 3), 0);
    assert_int_equal(head_end("a\r\n\r", 4), 0);
    assert_int_equal(head_end("a\r\n\r\n", 5), 5);
    assert_int_equal(head_end("a\r\n\r\nb\r\n\r\n", 10), 5);
    assert_int_equal(head_end("a\n\n", 3), 0);
}

/* What libevent is told is what decides where a request ends, and nothing else. */
static void of_a_head_libevent_sees_no_more_than_it_needs(void **state)
{
    static const struct {
        const char *head, *brief;
    } briefs[] = {
        { "GET /a/b?c=d HTTP/1.1\r\n" HOST "Cookie: x=1\r\nAuthorization: Bearer y\r\n\r\n",
          "GET / HTTP/1.1\r\n\r\n" },
        { "HEAD /a HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
          "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" },
        { "POST /a HTTP/1.1\r\n" HOST "content-length: 0035\r\n\r\n",
          "POST / HTTP/1.1\r\nContent-Length: 35\r\n\r\n" },
        { "POST /a HTTP/1.1\r\n" HOST "\r\n", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n" },
        { "PUT /a HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 7\r\n\r\n",
          "PUT / HTTP/1.1\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n" },
        { "PATCH /a HTTP/1.1\r\n" HOST "Content-Length: 9999999999\r\n\r\n",
          "PATCH / HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n" },
        { "DELETE /a HTTP/1.1\r\n" HOST "\r\n", "DELETE / HTTP/1.1\r\n\r\n" },
        { "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS / HTTP/1.1\r\n\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(briefs); i++) {
        char brief[HEAD_BRIEF_MAX + 1];
        struct head head;
        const char *why;

        assert_int_equal(head_parse(text_of(briefs[i].head), &head, &why), 0);
        brief[head_brief(&head, brief)] = '\0';
        assert_string_equal(brief, briefs[i].brief);
    }
}

static void fields_that_handlers_ask_for_are_kept(void **state)
{
    static const char says[] = "GET / HTTP/1.1\r\n" HOST "accept-encoding: gzip\r\n"
                               "Accept-Encoding: br\r\nIf-None-Match: \"1\"\r\n"
                               "Content-Type: text/plain\r\nOrigin: http://localhost\r\n\r\n";
    struct head head;
    const char *why;

    (void)state;
    assert_int_equal(head_parse(text_of(says), &head, &why), 0);
    assert_true(text_is_equal(head.fields[head_field_find(TEXT("Accept-Encoding"))], TEXT("gzip")));
    assert_true(text_is_equal(head.fields[head_field_find(TEXT("If-None-Match"))], TEXT("\"1\"")));
    assert_true(
        text_is_equal(head.fields[head_field_find(TEXT("content-type"))], TEXT("text/plain")));
    assert_true(text_is_equal(head.fields[HEAD_ORIGIN], TEXT("http://localhost")));
    assert_int_equal(head_field_find(TEXT("Cookie")), HEAD_FIELD_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_accepted_or_refused_with_their_status),
        cmocka_unit_test(a_head_with_a_zero_byte_is_refused),
        cmocka_unit_test(what_a_head_says_is_understood),
        cmocka_unit_test(sizes_are_accepted_up_to_their_limits),
        cmocka_unit_test(the_end_of_a_head_is_its_empty_line),
        cmocka_unit_test(of_a_head_libevent_sees_no_more_than_it_needs),
        cmocka_unit_test(fields_that_handlers_ask_for_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
