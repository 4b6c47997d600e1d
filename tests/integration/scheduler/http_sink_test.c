/* SPDX-License-Identifier: Apache-2.0 */
/* http_sink_test.c: bodies that are not held: they go to a pipe, which is sometimes full, and
 * sometimes broken. */
#include "tests/integration/scheduler/http_room.h"
#include "tests/integration/scheduler/room_line.h"

#include "tests/support/test.h"

#include "common/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD "POST /sink HTTP/1.1\r\n" ROOM_HOST

enum { LARGE = 3 * 1024 * 1024 + 17 };

static unsigned char byte_at(size_t at)
{
    return (unsigned char)(at * 7 + at / 251);
}

/* Reads what is there of the body, and compares. */
static size_t drain(size_t at, size_t size_max)
{
    unsigned char part[65536];
    ssize_t size = read(room.sink_fd, part, size_max < sizeof part ? size_max : sizeof part);

    for (ssize_t i = 0; i < size; i++)
        if (part[i] != byte_at(at + (size_t)i)) fail_msg("byte %zu", at + (size_t)i);
    return size > 0 ? (size_t)size : 0;
}

/* Sends what the socket takes. */
static size_t feed(int fd, size_t at, size_t size)
{
    unsigned char part[65536];
    size_t wanted = size - at < sizeof part ? size - at : sizeof part;
    ssize_t sent;

    for (size_t i = 0; i < wanted; i++)
        part[i] = byte_at(at + i);
    sent = wanted > 0 ? line_put(fd, part, wanted) : 0;
    return sent > 0 ? (size_t)sent : 0;
}

static void a_body_of_any_size_goes_to_the_sink_and_is_not_held(void **state)
{
    int fd = room_connect();
    size_t sent = 0, seen = 0;
    char head[256];

    (void)state;
    snprintf(head, sizeof head, HEAD "Content-Length: %d\r\n\r\n", LARGE);
    room_send(fd, head);
    while (seen < LARGE) {
        sent += feed(fd, sent, LARGE);
        room_turn();
        assert_int_equal(http_counts(room.http).body_size, 0);
        if (room.sink_opened > 0) seen += drain(seen, 4096); /* slower than it comes */
    }
    room_expect(fd, "\r\n\r\nsunk\n");
    assert_int_equal(room.handled_count, 1);
    assert_int_equal(room.sink_dropped, 0);
    close(room.sink_fd);
    room_send(fd, ROOM_GET("/hello")); /* the connection goes on */
    room_expect(fd, "\r\n\r\nhello\n");
    close(fd);
}

static void what_follows_a_body_waits_for_it(void **state)
{
    int fd = room_connect();
    size_t seen = 0;

    (void)state;
    room_send(fd, HEAD "Content-Length: 3\r\n\r\n");
    room_send_bytes(fd, (unsigned char[]){ byte_at(0), byte_at(1) }, 2);
    for (int i = 0; i < 5; i++)
        room_turn();
    assert_int_equal(room.handled_count, 0);
    room_send_bytes(fd, (unsigned char[]){ byte_at(2) }, 1);
    room_send(fd, ROOM_GET("/hello"));
    room_expect(fd, "hello\n");
    assert_non_null(strstr(room.got, "\r\n\r\nsunk\n"));
    while (seen < 3)
        seen += drain(seen, 3);
    close(room.sink_fd);
    close(fd);
}

static void a_client_that_expects_it_is_told_to_continue(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, HEAD "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    room_expect(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    room_send_bytes(fd, (unsigned char[]){ byte_at(0) }, 1);
    room_expect(fd, "\r\n\r\nsunk\n");
    close(room.sink_fd);
    close(fd);
}

static void a_sink_that_breaks_takes_the_rest_and_its_handler_answers(void **state)
{
    int fd = room_connect();
    size_t sent = 0;
    char head[256];

    (void)state;
    snprintf(head, sizeof head, HEAD "Content-Length: %d\r\n\r\n", LARGE);
    room_send(fd, head);
    while (room.sink_opened == 0)
        room_turn();
    close(room.sink_fd);
    while (sent < LARGE) {
        sent += feed(fd, sent, LARGE);
        room_turn();
    }
    room_expect(fd, "\r\n\r\nsunk\n");
    close(fd);
}

static void a_client_that_goes_away_drops_its_sink(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, HEAD "Content-Length: 100\r\n\r\nhalf");
    while (room.sink_opened == 0)
        room_turn();
    close(fd);
    room_until_empty();
    assert_int_equal(room.sink_dropped, 1);
    assert_int_equal(room.handled_count, 0);
    close(room.sink_fd);
}

static void a_body_that_is_too_large_or_too_slow_or_nobody_s_is_refused(void **state)
{
    char head[256];

    (void)state;
    snprintf(head, sizeof head, HEAD "Content-Length: %d\r\n\r\n", ROOM_SINK_SIZE_MAX + 1);
    room_ask(head, "HTTP/1.1 413");
    assert_int_equal(room.sink_opened, 0);
    room.has_tokens = true;
    room_ask(HEAD "Authorization: Bearer viewer\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 403");
    room_ask(HEAD "Content-Length: 9\r\n\r\n", "HTTP/1.1 401");
    assert_int_equal(room.sink_opened, 0);
    room.has_tokens = false;
    room_close();
    room_open(&(struct http_limits){ .sink_ms = 30, .sweep_ms = 5 });
    room_ask(HEAD "Content-Length: 9\r\n\r\nslow", "HTTP/1.1 408");
    assert_int_equal(room.sink_dropped, 1);
    close(room.sink_fd);
}

static void the_time_of_other_requests_is_not_theirs(void **state)
{
    int fd;
    struct http_counts before;
    uint64_t end_ns;

    (void)state;
    room_close();
    room_open(&(struct http_limits){ .request_ms = 1, .sweep_ms = 1 });
    fd = room_connect();
    room_send(fd, HEAD "Content-Length: 2\r\n\r\n");
    while (room.sink_opened == 0)
        room_turn();
    before = http_counts(room.http);
    end_ns = clock_monotonic_ns() + 20 * NS_PER_MS;
    while (clock_monotonic_ns() < end_ns)
        room_turn(); /* sweeps go by */
    assert_int_equal(http_counts(room.http).cut, before.cut);
    room_send(fd, "ab");
    room_expect(fd, "\r\n\r\nsunk\n");
    close(room.sink_fd);
    close(fd);
}

static void an_empty_body_opens_nothing(void **state)
{
    (void)state;
    room_ask(HEAD "Content-Length: 0\r\nConnection: close\r\n\r\n", "\r\n\r\ndry\n");
    assert_int_equal(room.sink_opened, 0);
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, room_setup, room_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(a_body_of_any_size_goes_to_the_sink_and_is_not_held),
        IN_ROOM(what_follows_a_body_waits_for_it),
        IN_ROOM(a_client_that_expects_it_is_told_to_continue),
        IN_ROOM(a_sink_that_breaks_takes_the_rest_and_its_handler_answers),
        IN_ROOM(a_client_that_goes_away_drops_its_sink),
        IN_ROOM(a_body_that_is_too_large_or_too_slow_or_nobody_s_is_refused),
        IN_ROOM(the_time_of_other_requests_is_not_theirs),
        IN_ROOM(an_empty_body_opens_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
