/* SPDX-License-Identifier: Apache-2.0 */
/* What http_answer.c accepts and refuses, whole and byte by byte. */
#include "probe/agent/link/http_answer.h"

#include "common/base/own.h"
#include "tests/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BODY_SIZE_MAX = 64 };

#define OK "HTTP/1.1 200 OK\r\n"

/* An answer, and what must come of it. `closes`: the connection ends after it. */
static const struct {
    const char *says;
    const char *bytes;
    const char *body; /* NULL: refused */
    int status, rc;
    bool closes, is_kept_alive;
    uint32_t retry_after_s;
} cases[] = {
    { "length", OK "Content-Length: 5\r\n\r\nhello", "hello", 200, 0, false, true, 0 },
    { "no phrase", "HTTP/1.1 204 \r\n\r\n", "", 204, 0, false, true, 0 },
    { "an empty body", OK "content-length:0\r\n\r\n", "", 200, 0, false, true, 0 },
    { "chunks", OK "Transfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
      "abc0123456789", 200, 0, false, true, 0 },
    { "trailers", OK "Transfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", "a", 200, 0,
      false, true, 0 },
    { "until the close", OK "\r\nto the end", "to the end", 200, 0, true, false, 0 },
    { "an interim answer first", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx",
      "x", 200, 0, false, true, 0 },
    { "closes", OK "Connection: close\r\nContent-Length: 1\r\n\r\nx", "x", 200, 0, false, false,
      0 },
    { "1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", 200, 0, false, false, 0 },
    { "1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
      "x", 200, 0, false, true, 0 },
    { "retry", "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", "", 503, 0,
      false, true, 7 },
    { "retry, bounded", "HTTP/1.1 429 x\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n", "",
      429, 0, false, true, HTTP_RETRY_AFTER_S_MAX },
    { "retry at a date is not read",
      "HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec\r\nContent-Length: 0\r\n\r\n", "", 503, 0, false,
      true, 0 },
    { "the largest body",
      OK
      "Content-Length: 64\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123",
      "0123456789012345678901234567890123456789012345678901234567890123", 200, 0, false, true, 0 },

    { "one byte too large", OK "Content-Length: 65\r\n\r\n", NULL, 0, -EMSGSIZE, false, false, 0 },
    { "a chunk too large", OK "Transfer-Encoding: chunked\r\n\r\n41\r\n", NULL, 0, -EMSGSIZE, false,
      false, 0 },
    { "a chunk size of nine digits", OK "Transfer-Encoding: chunked\r\n\r\n000000001\r\n", NULL, 0,
      -EMSGSIZE, false, false, 0 },
    { "too much until the close",
      OK "\r\n01234567890123456789012345678901234567890123456789012345678901234", NULL, 0,
      -EMSGSIZE, true, false, 0 },
    { "another protocol", "HTTP/2.0 200 OK\r\n\r\n", NULL, 0, -EPROTO, false, false, 0 },
    { "no answer at all", "SSH-2.0-OpenSSH_9.2\r\n", NULL, 0, -EPROTO, false, false, 0 },
    { "a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", NULL, 0, -EPROTO, false, false, 0 },
    { "a status of 600", "HTTP/1.1 600 OK\r\n\r\n", NULL, 0, -EPROTO, false, false, 0 },
    { "a bare line feed", "HTTP/1.1 200 OK\n\r\n", NULL, 0, -EPROTO, false, false, 0 },
    { "a bare carriage return", "HTTP/1.1 200\rOK\r\n\r\n", NULL, 0, -EPROTO, false, false, 0 },
    { "a folded header", OK "X: a\r\n b\r\n\r\n", NULL, 0, -EPROTO, false, false, 0 },
    { "a space before the colon", OK "Content-Length : 1\r\n\r\nx", NULL, 0, -EPROTO, false, false,
      0 },
    { "no colon", OK "hello\r\n\r\n", NULL, 0, -EPROTO, false, false, 0 },
    { "two lengths", OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", NULL, 0, -EPROTO, false,
      false, 0 },
    { "a signed length", OK "Content-Length: +1\r\n\r\nx", NULL, 0, -EPROTO, false, false, 0 },
    { "a length of 2^64", OK "Content-Length: 18446744073709551616\r\n\r\n", NULL, 0, -EPROTO,
      false, false, 0 },
    { "length and chunks", OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", NULL, 0,
      -EPROTO, false, false, 0 },
    { "chunks and length", OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", NULL, 0,
      -EPROTO, false, false, 0 },
    { "a coding that we did not ask for", OK "Transfer-Encoding: gzip\r\n\r\n", NULL, 0, -EPROTO,
      false, false, 0 },
    { "a chunk size with 0x", OK "Transfer-Encoding: chunked\r\n\r\n0x4\r\n", NULL, 0, -EPROTO,
      false, false, 0 },
    { "a chunk that is longer than it says",
      OK "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", NULL, 0, -EPROTO, false, false,
      0 },
    { "closed within the body", OK "Content-Length: 5\r\n\r\nhe", NULL, 0, -ECONNRESET, true, false,
      0 },
    { "closed within the head", OK "Content-Le", NULL, 0, -ECONNRESET, true, false, 0 },
};

/* Feeds in pieces of `step` bytes. */
static int feed(struct http_answer *answer, const char *bytes, size_t step, bool closes)
{
    size_t size = strlen(bytes), taken;
    int rc;

    for (size_t at = 0; at < size; at += step) {
        struct text piece = { bytes + at, size - at < step ? size - at : step };

        rc = http_answer_feed(answer, piece, &taken);
        if (rc < 0) return rc;
        if (taken != piece.size) fail_msg("left %zu bytes of '%s'", piece.size - taken, bytes);
    }
    return closes ? http_answer_end(answer) : 0;
}

static void check_case(size_t i, size_t step)
{
    OWN(http_answer_done) struct http_answer answer;
    struct text body;
    int rc;

    http_answer_init(&answer, BODY_SIZE_MAX);
    rc = feed(&answer, cases[i].bytes, step, cases[i].closes);
    if (rc != cases[i].rc) fail_msg("%s, step %zu: rc %d", cases[i].says, step, rc);
    if (!cases[i].body) return;

    body = buf_peek(&answer.body);
    if (!http_answer_is_complete(&answer)) fail_msg("%s: not complete", cases[i].says);
    if (answer.status != cases[i].status) fail_msg("%s: %d", cases[i].says, answer.status);
    if (!text_is_equal(body, text_of(cases[i].body)))
        fail_msg("%s: body '%.*s'", cases[i].says, TEXT_ARGS(body));
    if (answer.is_kept_alive != cases[i].is_kept_alive) fail_msg("%s: kept?", cases[i].says);
    if (answer.retry_after_s != cases[i].retry_after_s) fail_msg("%s: retry", cases[i].says);
}

static const struct {
    const char *type;
    bool is_msgpack;
} types[] = {
    { "Content-Type: application/msgpack\r\n", true },
    { "content-type:APPLICATION/msgpack ; charset=none\r\n", true },
    { "Content-Type: application/msgpack2\r\n", false },
    { "Content-Type: text/html\r\n", false },
    { "Content-Type: text/html; application/msgpack\r\n", false },
    { "", false },
};

static void only_what_says_so_is_msgpack(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        OWN(http_answer_done) struct http_answer answer;
        char bytes[256];

        snprintf(bytes, sizeof bytes, OK "%sContent-Length: 0\r\n\r\n", types[i].type);
        http_answer_init(&answer, BODY_SIZE_MAX);
        assert_int_equal(feed(&answer, bytes, 3, false), 0);
        if (answer.is_msgpack != types[i].is_msgpack) fail_msg("'%s'", types[i].type);
    }
}

static void an_answer_is_the_same_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        for (size_t step = 1; step <= strlen(cases[i].bytes); step++) {
            check_case(i, step);
        }
    }
}

static void bytes_behind_an_answer_are_left(void **state)
{
    OWN(http_answer_done) struct http_answer answer;
    size_t taken = 0;

    (void)state;
    http_answer_init(&answer, BODY_SIZE_MAX);
    assert_false(http_answer_has_begun(&answer));
    assert_int_equal(http_answer_feed(&answer, TEXT(OK "Content-Length: 1\r\n\r\nxHTTP"), &taken),
                     0);
    assert_int_equal(taken, sizeof(OK "Content-Length: 1\r\n\r\nx") - 1);
    assert_true(http_answer_has_begun(&answer));
}

static void a_nul_is_in_no_line(void **state)
{
    OWN(http_answer_done) struct http_answer answer;
    size_t taken;

    (void)state;
    http_answer_init(&answer, BODY_SIZE_MAX);
    assert_int_equal(http_answer_feed(&answer, TEXT("HTTP/1.1 200 \0\r\n"), &taken), -EPROTO);
}

/* Feeds a head with one header of `size` bytes in all, the CR included. */
static int feed_header_of(size_t size)
{
    OWN(http_answer_done) struct http_answer answer;
    char line[HTTP_LINE_SIZE_MAX + 2];
    size_t taken;
    int rc;

    memset(line, 'a', sizeof line);
    line[1] = ':';
    line[size - 1] = '\r';
    http_answer_init(&answer, BODY_SIZE_MAX);
    rc = http_answer_feed(&answer, TEXT(OK), &taken);
    if (rc == 0) rc = http_answer_feed(&answer, (struct text){ line, size }, &taken);
    return rc == 0 ? http_answer_feed(&answer, TEXT("\n\r\n"), &taken) : rc;
}

static void a_line_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(feed_header_of(HTTP_LINE_SIZE_MAX), 0);
    assert_int_equal(feed_header_of(HTTP_LINE_SIZE_MAX + 1), -EMSGSIZE);
}

static void all_lines_together_are_bounded(void **state)
{
    OWN(http_answer_done) struct http_answer answer;
    size_t taken, fed = sizeof OK - 1;
    int rc;

    (void)state;
    http_answer_init(&answer, BODY_SIZE_MAX);
    rc = http_answer_feed(&answer, TEXT(OK), &taken);
    while (rc == 0) {
        rc = http_answer_feed(&answer, TEXT("X: y\r\n"), &taken);
        fed += 6;
        assert_true(fed < HTTP_HEAD_SIZE_MAX + 7);
    }
    assert_int_equal(rc, -EMSGSIZE);
    assert_true(fed > HTTP_HEAD_SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_the_same_in_pieces_of_any_size),
        cmocka_unit_test(only_what_says_so_is_msgpack),
        cmocka_unit_test(bytes_behind_an_answer_are_left),
        cmocka_unit_test(a_nul_is_in_no_line),
        cmocka_unit_test(a_line_is_bounded),
        cmocka_unit_test(all_lines_together_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
