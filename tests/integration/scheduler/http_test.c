/* SPDX-License-Identifier: Apache-2.0 */
/* http_test.c: what clients say to a server, well-meaning, broken and hostile ones. */
#include "tests/integration/scheduler/http_room.h"
#include "tests/integration/scheduler/room_line.h"

#include "common/model/problem.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- plain service --- */

static void a_connection_serves_one_request_after_the_other(void **state)
{
    int fd = room_connect();

    (void)state;
    for (int i = 0; i < 3; i++) {
        room_send(fd, ROOM_GET("/hello"));
        room_expect(fd, "\r\n\r\nhello\n");
        assert_non_null(strstr(room.got, "Content-Length: 6\r\n"));
        assert_null(strstr(room.got, "Connection: close"));
    }
    assert_int_equal(http_connection_count(room.http), 1);
    close(fd);
}

static void a_request_that_comes_byte_by_byte_is_answered(void **state)
{
    static const char request[] =
        "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 5\r\n\r\nhello" ROOM_GET("/hello");
    int fd = room_connect();

    (void)state;
    for (size_t i = 0; i < sizeof request - 1; i++) {
        assert_int_equal(line_put(fd, request + i, 1), 1);
        room_turn();
    }
    room_expect(fd, "\r\n\r\nhello\n");
    assert_non_null(strstr(room.got, "\r\n\r\nhelloHTTP/1.1 200"));
    close(fd);
}

static void requests_that_arrive_in_any_two_parts_are_answered(void **state)
{
    static const char request[] =
        "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 3\r\n\r\nabc" ROOM_GET("/hello");

    (void)state;
    for (size_t cut = 1; cut < sizeof request - 1; cut++) {
        int fd = room_connect();

        assert_int_equal(line_put(fd, request, cut), (ssize_t)cut);
        for (int i = 0; i < 3; i++) {
            room_turn();
        }
        room_send(fd, request + cut);
        room_expect(fd, "\r\n\r\nhello\n");
        close(fd);
    }
}

static void a_body_of_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
    size_t size = 1024 * 1024;
    char *body = mem_zalloc(1, size);
    int fd = room_connect();

    (void)state;
    room_send(fd,
              "POST /small HTTP/1.1\r\n" ROOM_HOST "Content-Length: 16\r\n\r\n0123456789abcdef");
    room_expect(fd, "\r\n\r\n0123456789abcdef");
    room_send(fd, "POST /small HTTP/1.1\r\n" ROOM_HOST "Content-Length: 17\r\n\r\n");
    room_expect_close(fd);
    assert_non_null(strstr(room.got, "HTTP/1.1 413 "));
    assert_non_null(strstr(room.got, "\"type\":\"too-large\""));
    close(fd);

    fd = room_connect();
    room_send(fd, "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 1048576\r\n\r\n");
    room_send_bytes(fd, body, size);
    room_expect(fd, "HTTP/1.1 200 OK");
    close(fd);
    free(body);
}

static void a_body_that_is_too_large_is_refused_before_it_comes(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 9999999999\r\n"
                  "Expect: 100-continue\r\n\r\n");
    room_expect_close(fd);
    assert_non_null(strstr(room.got, "HTTP/1.1 413 "));
    assert_null(strstr(room.got, "100 Continue"));
    assert_int_equal(room.handled_count, 0);
    assert_int_equal(http_counts(room.http).body_size, 0);
    close(fd);
}

static void a_client_that_waits_to_be_told_is_told_to_continue(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 2\r\n"
                  "Expect: 100-continue\r\n\r\n");
    room_expect(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    room_send(fd, "ok");
    room_expect(fd, "\r\n\r\nok");
    close(fd);
}

/* --- methods --- */

static void head_is_get_without_the_body(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, "HEAD /hello HTTP/1.1\r\n" ROOM_HOST "\r\n");
    room_expect(fd, "\r\n\r\n");
    assert_non_null(strstr(room.got, "Content-Length: 6\r\n"));
    assert_null(strstr(room.got, "hello\n"));
    room_send(fd, ROOM_GET("/hello")); /* nothing was left on the line */
    room_expect(fd, "hello\n");
    assert_memory_equal(room.got, "HTTP/1.1 200", 12);
    close(fd);
}

static void methods_that_a_path_lacks_are_named(void **state)
{
    (void)state;
    room_ask("DELETE /hello HTTP/1.1\r\n" ROOM_HOST "\r\n", "\"status\":405");
    assert_non_null(strstr(room.got, "Allow: GET, HEAD, OPTIONS\r\n"));
    room_ask("PUT /echo HTTP/1.1\r\n" ROOM_HOST "\r\n", "\"status\":405");
    assert_non_null(strstr(room.got, "Allow: POST, OPTIONS\r\n"));
    room_ask("OPTIONS /hello HTTP/1.1\r\n" ROOM_HOST "\r\n", "204 No Content");
    assert_non_null(strstr(room.got, "Allow: GET, HEAD, OPTIONS\r\n"));
    room_ask("OPTIONS * HTTP/1.1\r\n" ROOM_HOST "\r\n", "204 No Content");
    room_ask(ROOM_GET("/nothing"), "\"status\":404");
    assert_non_null(strstr(room.got, "application/problem+json"));
    room_ask(ROOM_GET("/hello?a=%zz"), "\"status\":400");
    assert_non_null(strstr(room.got, "\"type\":\"bad-request\""));
    room_ask("BREW /hello HTTP/1.1\r\n" ROOM_HOST "\r\n", "\"status\":501");
}

static void every_status_has_a_slug_of_its_own(void **state)
{
    static const struct {
        const char *request, *status;
        enum problem_code code;
    } cases[] = {
        { "GET /hello\r\n\r\n", "400", PROBLEM_BAD_REQUEST },
        { "POST /echo HTTP/1.1\r\n" ROOM_HOST "Transfer-Encoding: chunked\r\n\r\n", "411",
          PROBLEM_NO_LENGTH },
        { "POST /echo HTTP/1.1\r\n" ROOM_HOST "Expect: wonders\r\n\r\n", "417",
          PROBLEM_EXPECTATION },
        { "BREW /hello HTTP/1.1\r\n" ROOM_HOST "\r\n", "501", PROBLEM_NO_METHOD },
        { "GET /hello HTTP/2.0\r\n" ROOM_HOST "\r\n", "505", PROBLEM_HTTP_VERSION },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char type[64];

        snprintf(type, sizeof type, "\"type\":\"%s\"", problem_slug(cases[i].code));
        room_ask(cases[i].request, type);
        snprintf(type, sizeof type, "HTTP/1.1 %s ", cases[i].status);
        assert_non_null(strstr(room.got, type));
    }
}

static void a_path_has_room_for_4096_bytes(void **state)
{
    char request[5000], path[4200];

    (void)state;
    for (int size = 4096; size <= 4097; size++) {
        snprintf(path, sizeof path, "/hello?%0*d", size - (int)strlen("/hello?"), 0);
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" ROOM_HOST "\r\n", path);
        if (size == 4096)
            room_ask(request, "HTTP/1.1 200 ");
        else
            room_ask(request, problem_slug(PROBLEM_PATH_TOO_LONG));
    }
    assert_non_null(strstr(room.got, "HTTP/1.1 414 "));
}

/* --- who may --- */

static void other_hosts_and_origins_are_refused(void **state)
{
    (void)state;
    room_ask("GET /hello HTTP/1.1\r\nHost: evil.com\r\n\r\n", "\"status\":403");
    assert_non_null(strstr(room.got, "\"type\":\"forbidden\""));
    assert_non_null(strstr(room.got, "evil.com"));
    room_ask("POST /small HTTP/1.1\r\n" ROOM_HOST
             "Origin: http://evil.com\r\nContent-Length: 2\r\n\r\nhi",
             "\"status\":403");
    room_ask("POST /small HTTP/1.1\r\n" ROOM_HOST "Sec-Fetch-Site: cross-site\r\nContent-Length: "
             "2\r\n\r\nhi",
             "\"status\":403");
    assert_int_equal(room.handled_count, 0);
    room_ask("POST /small HTTP/1.1\r\n" ROOM_HOST
             "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: "
             "2\r\n\r\nhi",
             "\r\n\r\nhi");
    room_ask("GET /hello HTTP/1.1\r\n" ROOM_HOST "Origin: http://evil.com\r\n\r\n", "hello\n");
    assert_null(strstr(room.got, "Access-Control"));
}

static void tokens_open_what_their_roles_may(void **state)
{
    static const struct {
        const char *token;
        int hello, open, small, probe; /* the statuses */
    } cases[] = {
        { NULL, 401, 200, 401, 401 },       { "viewer", 200, 200, 403, 403 },
        { "operator", 200, 200, 200, 403 }, { "probe", 403, 200, 403, 200 },
        { "unknown", 401, 200, 401, 401 },
    };
    static const char *const lines[] = { "GET /hello", "GET /open", "POST /small", "GET /probe" };

    (void)state;
    room.has_tokens = true;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const int expected[] = { cases[i].hello, cases[i].open, cases[i].small, cases[i].probe };

        for (size_t j = 0; j < ARRAY_COUNT(lines); j++) {
            char request[256], status[32];

            snprintf(request, sizeof request, "%s HTTP/1.1\r\n" ROOM_HOST "%s%s%s%s\r\n%s",
                     lines[j], cases[i].token ? "Authorization: Bearer " : "",
                     cases[i].token ? cases[i].token : "", cases[i].token ? "\r\n" : "",
                     j == 2 ? "Content-Length: 2\r\n" : "", j == 2 ? "hi" : "");
            snprintf(status, sizeof status, "HTTP/1.1 %d ", expected[j]);
            room_ask(request, status);
        }
    }
}

static void a_missing_token_is_asked_for(void **state)
{
    (void)state;
    room.has_tokens = true;
    room_ask(ROOM_GET("/hello"), "\"status\":401");
    assert_non_null(strstr(room.got, "\"type\":\"unauthorized\""));
    assert_non_null(strstr(room.got, "WWW-Authenticate: Bearer"));
}

static void answers_tell_browsers_to_be_careful(void **state)
{
    (void)state;
    room_ask(ROOM_GET("/hello"), "hello\n");
    assert_non_null(strstr(room.got, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(room.got, "Content-Security-Policy: default-src 'none'"));
    assert_non_null(strstr(room.got, "Cache-Control: no-store\r\n"));
}

/* --- smuggling --- */

/* Each carries a second request that one of two readers might see. Exactly one answer comes. */
static const struct {
    const char *says;
    const char *bytes;
} smuggled[] = {
    { "a space before the colon",
      "POST /small HTTP/1.1\r\n" ROOM_HOST "Content-Length : 35\r\n\r\n" ROOM_GET("/hello") },
    { "two lengths", "POST /small HTTP/1.1\r\n" ROOM_HOST
                     "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" ROOM_GET("/hello") },
    { "a length and chunked",
      "POST /small HTTP/1.1\r\n" ROOM_HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\n\r\n" ROOM_GET("/hello") },
    { "a plus sign",
      "POST /small HTTP/1.1\r\n" ROOM_HOST "Content-Length: +4\r\n\r\nbody" ROOM_GET("/hello") },
    { "a hexadecimal chunk",
      "POST /small HTTP/1.1\r\n" ROOM_HOST
      "Transfer-Encoding: chunked\r\n\r\n0x4\r\nbody\r\n0\r\n\r\n" ROOM_GET("/hello") },
    { "a body of a GET",
      "GET /hello HTTP/1.1\r\n" ROOM_HOST "Content-Length: 44\r\n\r\n" ROOM_GET("/hello") },
    { "a bare LF", "GET /hello HTTP/1.1\n" ROOM_HOST "\n" ROOM_GET("/hello") },
    { "a bare LF in the middle",
      "GET /hello HTTP/1.1\r\nX: y\nHost: localhost\r\n\r\n" ROOM_GET("/hello") },
    { "a folded line",
      "GET /hello HTTP/1.1\r\n" ROOM_HOST "X: a\r\n b\r\n\r\n" ROOM_GET("/hello") },
    { "HTTP/1.999", "GET /hello HTTP/1.999\r\n" ROOM_HOST "\r\n" ROOM_GET("/hello") },
    { "another protocol", "\x16\x03\x01\x02" ROOM_GET("/hello") },
};

static size_t answers_in(const char *text)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++) {
        count += at[9] >= '1' && at[9] <= '9'; /* a status line; sentences say it as well */
    }
    return count;
}

static void smuggled_requests_are_refused_with_their_carriers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(smuggled); i++) {
        int fd = room_connect();

        room_send(fd, smuggled[i].bytes);
        room_expect_close(fd);
        if (answers_in(room.got) != 1 || !strstr(room.got, "Connection: close\r\n") ||
            !strstr(room.got, "application/problem+json"))
            fail_msg("%s: '%s'", smuggled[i].says, room.got);
        close(fd);
    }
    assert_int_equal(room.handled_count, 0);
}

static void what_follows_a_good_request_badly_ends_the_connection_after_it(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, ROOM_GET("/hello") "GET /hello HTTP/1.1\nbad\r\n\r\n" ROOM_GET("/hello"));
    room_expect_close(fd);
    assert_int_equal(answers_in(room.got), 1);
    assert_non_null(strstr(room.got, "hello\n"));
    assert_non_null(strstr(room.got, "Connection: close\r\n"));
    assert_int_equal(room.handled_count, 1);
    close(fd);
}

static void heads_are_bounded(void **state)
{
    char line[600];
    int fd = room_connect();

    (void)state;
    snprintf(line, sizeof line, "X: %0500d\r\n", 1);
    room_send(fd, "GET /hello HTTP/1.1\r\n" ROOM_HOST);
    for (int i = 0; i < 17; i++) {
        room_send(fd, line);
        room_turn();
    }
    room_expect_close(fd);
    assert_non_null(strstr(room.got, "HTTP/1.1 431 "));
    assert_non_null(strstr(room.got, problem_slug(PROBLEM_HEAD_TOO_LARGE)));
    close(fd);
}

/* --- anything at all --- */

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

static const char *const pieces[] = {
    ROOM_GET("/hello"),
    ROOM_GET("/hello"),
    "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 5\r\n\r\nhello",
    "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    "POST /small HTTP/1.1\r\n" ROOM_HOST "Content-Length: 17\r\n\r\n01234567890123456",
    "POST /nothing HTTP/1.1\r\n" ROOM_HOST "Content-Length: 2\r\n\r\nhi",
    "HEAD /hello HTTP/1.1\r\n" ROOM_HOST "\r\n",
    "HEAD /stream HTTP/1.1\r\n" ROOM_HOST "\r\n",
    "OPTIONS * HTTP/1.1\r\n" ROOM_HOST "\r\n",
    "PUT /hello HTTP/1.1\r\n" ROOM_HOST "Content-Length: 3\r\n\r\nabc",
    "GET /hello HTTP/1.0\r\n\r\n",
    "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET /hello HTTP/1.1\r\n" ROOM_HOST "Connection: close\r\n\r\n",
    ROOM_GET("/nothing"),
    ROOM_GET("/park"),
    ROOM_GET("/stream"),
    "GET /hello HTTP/1.1\r\nHost: evil.com\r\n\r\n",
    "GET /hello HTTP/1.1\n\n",
    "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 50\r\n\r\nnot all of it",
    "GET /hel",
    "\r\n\r\n",
    "\x16\x03\x01",
};

/* One client with up to six pieces, sent in parts of any size, that goes in one of three ways. */
static void misbehave(uint32_t *random)
{
    int fd = room_connect();

    for (uint32_t left = 1 + next_random(random) % 6; left > 0; left--) {
        const char *piece = pieces[next_random(random) % ARRAY_COUNT(pieces)];
        size_t size = strlen(piece), at = 0;

        while (at < size) {
            size_t part = 1 + next_random(random) % size;

            if (part > size - at) part = size - at;
            if (line_put(fd, piece + at, part) < 0) break; /* it has had enough */
            at += part;
            if (next_random(random) % 3 == 0) room_turn();
        }
    }
    if (next_random(random) % 3 == 0) shutdown(fd, SHUT_WR);
    if (next_random(random) % 2 == 0) room_turn();
    close(fd);
}

static void no_mixture_of_pieces_breaks_the_server(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        misbehave(&random);
        if (i % 16 == 0) room_turn();
        room.parked_count = 0; /* they are dropped when their clients have gone */
    }
    room_until_empty();
    assert_int_equal(http_counts(room.http).body_size, 0);
    assert_true(room.handled_count > 1000);
    room_ask(ROOM_GET("/hello"), "hello\n");
}

int main(void)
{
#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, room_setup, room_teardown)
    const struct CMUnitTest tests[] = {
        IN_ROOM(a_connection_serves_one_request_after_the_other),
        IN_ROOM(a_request_that_comes_byte_by_byte_is_answered),
        IN_ROOM(requests_that_arrive_in_any_two_parts_are_answered),
        IN_ROOM(a_body_of_the_limit_is_taken_and_one_byte_more_is_not),
        IN_ROOM(a_body_that_is_too_large_is_refused_before_it_comes),
        IN_ROOM(a_client_that_waits_to_be_told_is_told_to_continue),
        IN_ROOM(head_is_get_without_the_body),
        IN_ROOM(methods_that_a_path_lacks_are_named),
        IN_ROOM(every_status_has_a_slug_of_its_own),
        IN_ROOM(a_path_has_room_for_4096_bytes),
        IN_ROOM(other_hosts_and_origins_are_refused),
        IN_ROOM(tokens_open_what_their_roles_may),
        IN_ROOM(a_missing_token_is_asked_for),
        IN_ROOM(answers_tell_browsers_to_be_careful),
        IN_ROOM(smuggled_requests_are_refused_with_their_carriers),
        IN_ROOM(what_follows_a_good_request_badly_ends_the_connection_after_it),
        IN_ROOM(heads_are_bounded),
        IN_ROOM(no_mixture_of_pieces_breaks_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
