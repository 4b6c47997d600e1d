/* SPDX-License-Identifier: Apache-2.0 */
/* http_pipeline_test.c: clients that send their next requests before the first is answered. */
#include "tests/integration/scheduler/http_room.h"
#include "tests/integration/scheduler/room_line.h"

#include "tests/support/test.h"

#include "common/base/own.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LAST "GET /hello HTTP/1.1\r\n" ROOM_HOST "Connection: close\r\n\r\n"

enum {
    WAITING_MAX = 100, /* requests that the server takes in; README.md of scheduler/http */
    STREAM_SIZE_MAX = 256 * 1024,
    MANY_CLIENTS = 48, /* beyond 32 at once, libevent reads between a connection's requests */
};

/* Requests for the echo of their own numbers. Short ones: one read(2) brings 110 of them. */
static void add_numbers(struct buf *to, int first, int end)
{
    for (int i = first; i < end; i++) {
        (void)buf_printf(to, "GET /n/%05d HTTP/1.1\r\nHost:[::1]\r\n\r\n", i);
    }
    assert_int_equal(to->failed, 0);
}

/* What came holds the numbers, each once and in order, and no other answers. */
static void assert_numbers(int end)
{
    const char *at = room.got;
    char number[16];

    for (int i = 0; i < end; i++) {
        snprintf(number, sizeof number, "\n#%05d.", i);
        at = strstr(at, number);
        if (!at) fail_msg("%s is not where it should be, among %zu bytes", number, room.got_size);
        at += strlen(number);
    }
    assert_null(strchr(at, '#'));
}

static void send_whole(int fd, const struct buf *stream)
{
    room_send_bytes(fd, stream->data, stream->size);
}

static void all_that_is_sent_ahead_is_answered_in_order(void **state)
{
    static const int counts[] = { 1, 50, 51, 99, 100, 101, 150, 400 };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        OWN(buf_done) struct buf stream = BUF_INIT(STREAM_SIZE_MAX);
        int fd = room_connect();

        add_numbers(&stream, 0, counts[i]);
        (void)buf_text(&stream, TEXT(LAST));
        send_whole(fd, &stream);
        room_expect_close(fd);
        assert_numbers(counts[i]);
        assert_non_null(strstr(room.got, "hello\n"));
        close(fd);
    }
}

/* The stream is sent in two parts, cut everywhere around the hundredth request. */
static void it_does_not_matter_where_the_parts_are_cut(void **state)
{
    OWN(buf_done) struct buf stream = BUF_INIT(STREAM_SIZE_MAX);
    size_t begin;

    (void)state;
    add_numbers(&stream, 0, WAITING_MAX);
    begin = stream.size - 100;
    add_numbers(&stream, WAITING_MAX, 150);
    (void)buf_text(&stream, TEXT(LAST));
    for (size_t cut = begin; cut < begin + 300; cut++) {
        int fd = room_connect();

        room_send_bytes(fd, stream.data, cut);
        if (cut % 2 == 0) room_turn();
        room_send_bytes(fd, stream.data + cut, stream.size - cut);
        room_expect_close(fd);
        assert_numbers(150);
        close(fd);
    }
}

/* More than one read brings, in the middle of what waits. */
static void a_large_body_behind_a_hundred_requests_is_taken_whole(void **state)
{
    static char body[64 * 1024];
    OWN(buf_done) struct buf stream = BUF_INIT(STREAM_SIZE_MAX);
    int fd = room_connect();

    (void)state;
    memset(body, 'b', sizeof body);
    add_numbers(&stream, 0, WAITING_MAX + 10);
    (void)buf_printf(&stream, "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: %zu\r\n\r\n",
                     sizeof body);
    (void)buf_append(&stream, body, sizeof body);
    add_numbers(&stream, WAITING_MAX + 10, 150);
    (void)buf_text(&stream, TEXT(LAST));
    send_whole(fd, &stream);
    room_expect_close(fd);
    assert_numbers(150);
    assert_non_null(strstr(room.got, "\r\nContent-Length: 65536\r\n"));
    close(fd);
}

static void no_more_than_a_hundred_wait_and_the_rest_is_not_lost(void **state)
{
    OWN(buf_done) struct buf stream = BUF_INIT(STREAM_SIZE_MAX);
    int fd = room_connect();

    (void)state;
    (void)buf_text(&stream, TEXT(ROOM_GET("/park")));
    add_numbers(&stream, 0, 400);
    (void)buf_text(&stream, TEXT(LAST));
    send_whole(fd, &stream);
    room_until_parked(1);
    for (int i = 0; i < 50; i++) {
        room_turn();
    }
    assert_int_equal(room.handled_count, 1);
    assert_int_equal(http_counts(room.http).waiting_count,
                     WAITING_MAX - 1); /* and the parked one */
    room_wake();
    room_expect_close(fd);
    assert_numbers(400);
    assert_int_equal(http_counts(room.http).waiting_count, 0);
    close(fd);
}

static void many_that_send_ahead_at_once_are_all_answered(void **state)
{
    OWN(buf_done) struct buf stream = BUF_INIT(STREAM_SIZE_MAX);
    int fds[MANY_CLIENTS];

    (void)state;
    add_numbers(&stream, 0, 1200);
    (void)buf_text(&stream, TEXT(LAST));
    for (size_t i = 0; i < MANY_CLIENTS; i++) {
        fds[i] = room_connect();
        assert_int_equal(line_put(fds[i], stream.data, stream.size), stream.size);
    }
    for (size_t i = 0; i < MANY_CLIENTS; i++) {
        room_expect_close(fds[i]);
        assert_numbers(1200);
        assert_true(http_counts(room.http).waiting_count <= MANY_CLIENTS * WAITING_MAX);
        close(fds[i]);
    }
}

static void one_that_goes_with_a_hundred_waiting_leaves_nothing(void **state)
{
    OWN(buf_done) struct buf stream = BUF_INIT(STREAM_SIZE_MAX);
    int fd = room_connect();

    (void)state;
    (void)buf_text(&stream, TEXT(ROOM_GET("/park")));
    add_numbers(&stream, 0, 400);
    send_whole(fd, &stream);
    room_until_parked(1);
    close(fd);
    room_until_empty();
    assert_int_equal(http_counts(room.http).waiting_count, 0);
    room.parked_count = 0;
}

/* It is not the client's slowness that its bytes wait here. */
static void what_waits_is_not_cut_for_being_slow(void **state)
{
    /* Until the first request came it is idle, and shaking hands takes its time. */
    const struct http_limits limits = { .request_ms = 1,
                                        .idle_ms = line_is_tls() ? 200 : 1,
                                        .sweep_ms = 1 };
    OWN(buf_done) struct buf stream = BUF_INIT(STREAM_SIZE_MAX);
    int fd;

    (void)state;
    room_open(&limits);
    fd = room_connect();
    (void)buf_text(&stream, TEXT(ROOM_GET("/park")));
    add_numbers(&stream, 0, 150);
    (void)buf_text(&stream, TEXT(LAST));
    send_whole(fd, &stream);
    room_until_parked(1);
    for (int i = 0; i < 50; i++) {
        room_turn();
    }
    room_wake();
    room_expect_close(fd);
    assert_numbers(150);
    assert_int_equal(http_counts(room.http).cut, 0);
    close(fd);
    room_close();
}

static void what_is_before_a_bad_request_is_answered_and_then_it_ends(void **state)
{
    static const int counts[] = { 1, 3, 99, 100, 101, 150 };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        OWN(buf_done) struct buf stream = BUF_INIT(STREAM_SIZE_MAX);
        int fd = room_connect();
        const char *said;

        add_numbers(&stream, 0, counts[i]);
        (void)buf_text(&stream,
                       TEXT("GET /hello HTTP/1.1\nHost: localhost\n\n" ROOM_GET("/hello")));
        send_whole(fd, &stream);
        room_expect_close(fd);
        assert_numbers(counts[i]);
        assert_null(strstr(room.got, "hello\n"));
        said = strstr(room.got, "Connection: close");
        assert_non_null(said);
        assert_null(strstr(said, "HTTP/1.1 "));
        close(fd);
    }
}

int main(void)
{
#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, room_setup, room_teardown)
    const struct CMUnitTest tests[] = {
        IN_ROOM(all_that_is_sent_ahead_is_answered_in_order),
        IN_ROOM(it_does_not_matter_where_the_parts_are_cut),
        IN_ROOM(a_large_body_behind_a_hundred_requests_is_taken_whole),
        IN_ROOM(no_more_than_a_hundred_wait_and_the_rest_is_not_lost),
        IN_ROOM(many_that_send_ahead_at_once_are_all_answered),
        IN_ROOM(one_that_goes_with_a_hundred_waiting_leaves_nothing),
        cmocka_unit_test(what_waits_is_not_cut_for_being_slow),
        IN_ROOM(what_is_before_a_bad_request_is_answered_and_then_it_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
