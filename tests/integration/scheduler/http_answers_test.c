/* SPDX-License-Identifier: Apache-2.0 */
/* http_answers_test.c: large answers and streams, to clients that read them, or slowly, or not. */
#include "tests/integration/scheduler/http_room.h"

#include "tests/support/test.h"

#include "common/base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- large answers --- */

enum { LARGE = 12 * 1024 * 1024 }; /* more than the buffers of both sockets take */

/* What comes of one answer, from its head on. */
static size_t swallow_answer(int fd)
{
    const char *end;
    size_t head;

    room_expect(fd, "\r\n\r\n");
    end = strstr(room.got, "\r\n\r\n");
    head = (size_t)(end - room.got) + 4;
    return room.got_size - head + room_swallow(fd, LARGE - (room.got_size - head));
}

static void a_large_answer_comes_whole(void **state)
{
    int fd = room_connect();

    (void)state;
    room.large_size = LARGE;
    for (int round = 0; round < 4; round++) {
        room_send(fd, ROOM_GET("/large"));
        assert_int_equal(swallow_answer(fd), LARGE);
        room_send(fd, ROOM_GET("/park"));
        room_until_parked(1);
        if (round == 1) room_send(fd, ROOM_GET("/hello")); /* sent ahead */
        room_turn();
        room_wake();
        assert_int_equal(swallow_answer(fd), LARGE);
        if (round == 1) room_expect(fd, "hello\n");
    }
    assert_int_equal(http_counts(room.http).cut, 0);
    close(fd);
    room_until_empty();
    assert_int_equal(http_counts(room.http).answer_size, 0);
}

static void a_client_that_said_all_gets_the_whole_answer(void **state)
{
    int fd = room_connect();

    (void)state;
    room.large_size = LARGE;
    room_send(fd, ROOM_GET("/large"));
    shutdown(fd, SHUT_WR);
    assert_int_equal(swallow_answer(fd), LARGE);
    room_expect_close(fd);
    close(fd);
}

static void a_client_that_goes_while_it_is_answered_leaves_nothing(void **state)
{
    int gone = room_connect(), cut = room_connect();

    (void)state;
    room.large_size = LARGE;
    room_send(gone, ROOM_GET("/large"));
    room_send(cut, ROOM_GET("/large"));
    room_expect(gone, "200 OK");
    room_expect(cut, "200 OK");
    close(gone);
    room_reset(cut);
    room_until_empty();
    assert_int_equal(http_counts(room.http).answer_size, 0);
}

static void a_client_that_does_not_read_its_answer_is_cut(void **state)
{
    const struct http_limits limits = { .answer_ms = 20, .answer_rate = 1 << 30, .sweep_ms = 5 };
    int fd;

    (void)state;
    room_open(&limits);
    room.large_size = LARGE;
    fd = room_connect();
    room_send(fd, ROOM_GET("/large"));
    room_expect(fd, "200 OK");
    room_until_empty();
    assert_int_equal(http_counts(room.http).cut, 1);
    close(fd);
    room_close();
}

static bool has_swept_often(void *context)
{
    uint64_t until_ns = *(uint64_t *)context;

    return clock_monotonic_ns() > until_ns;
}

static void a_large_answer_may_take_as_long_as_its_size(void **state)
{
    const struct http_limits limits = { .answer_ms = 1, .answer_rate = 1024, .sweep_ms = 5 };
    uint64_t until_ns;
    int fd;

    (void)state;
    room_open(&limits);
    room.large_size = LARGE;
    fd = room_connect();
    room_send(fd, ROOM_GET("/large"));
    room_expect(fd, "200 OK");
    until_ns = clock_monotonic_ns() + 100 * NS_PER_MS; /* of the 12 s that it may take */
    room_until(has_swept_often, &until_ns, "sweeps");
    assert_int_equal(http_counts(room.http).cut, 0);
    close(fd);
    room_until_empty();
    room_close();
}

static void large_answers_have_a_budget(void **state)
{
    const struct http_limits limits = { .answer_budget = LARGE + 1000 };
    int first, second;

    (void)state;
    room_open(&limits);
    room.large_size = LARGE;
    first = room_connect();
    second = room_connect();
    room_send(first, ROOM_GET("/large"));
    room_expect(first, "200 OK");
    room_send(second, ROOM_GET("/large"));
    room_expect(second, "}");
    assert_non_null(strstr(room.got, "HTTP/1.1 503 "));
    assert_non_null(strstr(room.got, "Retry-After: "));
    assert_null(strstr(room.got, "text/plain"));
    room_send(second, ROOM_GET("/hello")); /* small ones are given all the same */
    room_expect(second, "hello\n");
    close(first);
    while (http_counts(room.http).answer_size > 0) {
        room_turn();
    }
    room_send(second, ROOM_GET("/large"));
    assert_int_equal(swallow_answer(second), LARGE);
    close(second);
    room_close();
}

/* --- streams --- */

static void a_stream_sends_until_its_client_goes(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, ROOM_GET("/stream"));
    room_expect(fd, "text/event-stream");
    room_publish(TEXT("data: 1\n\n"));
    room_expect(fd, "data: 1\n\n");
    room_publish(TEXT("data: 2\n\n"));
    room_expect(fd, "data: 2\n\n");
    close(fd);
    room_until_gone(1);
    room.parked_count = 0;
}

static void a_stream_ends_where_its_handler_ends_it(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, ROOM_GET("/stream"));
    room_until_parked(1);
    room_publish(TEXT("data: 1\n\n"));
    http_stream_end(room.parked[0]);
    room_expect_close(fd);
    assert_non_null(strstr(room.got, "0\r\n\r\n"));
    assert_int_equal(room.gone_count, 0);
    close(fd);
}

static void a_stream_that_is_not_read_is_closed_beyond_its_bound(void **state)
{
    static char chunk[16 * 1024];
    int fd = room_connect(), size = 4096;
    size_t sent = 0;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    room_send(fd, ROOM_GET("/stream"));
    room_until_parked(1);
    memset(chunk, 'x', sizeof chunk);
    while (room.gone_count == 0 && sent < 64 * 1024 * 1024) {
        room_publish((struct text){ chunk, sizeof chunk });
        sent += sizeof chunk;
        room_turn();
    }
    assert_int_equal(room.gone_count, 1);
    assert_true(sent > 1024 * 1024); /* the bound was used */
    assert_int_equal(http_connection_count(room.http), 0);
    room.parked_count = 0;
    close(fd);
}

static void a_stream_asked_for_by_head_has_a_head_alone(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, "HEAD /stream HTTP/1.1\r\n" ROOM_HOST "\r\n");
    room_until_parked(1);
    if (room.gone_count == 0) room_publish(TEXT("data: 1\n\n"));
    room_expect_close(fd);
    assert_null(strstr(room.got, "data"));
    assert_int_equal(room.gone_count, 1);
    room.parked_count = 0;
    close(fd);
}

int main(void)
{
#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, room_setup, room_teardown)
    const struct CMUnitTest tests[] = {
        IN_ROOM(a_large_answer_comes_whole),
        IN_ROOM(a_client_that_said_all_gets_the_whole_answer),
        IN_ROOM(a_client_that_goes_while_it_is_answered_leaves_nothing),
        cmocka_unit_test(a_client_that_does_not_read_its_answer_is_cut),
        cmocka_unit_test(a_large_answer_may_take_as_long_as_its_size),
        cmocka_unit_test(large_answers_have_a_budget),
        IN_ROOM(a_stream_sends_until_its_client_goes),
        IN_ROOM(a_stream_ends_where_its_handler_ends_it),
        IN_ROOM(a_stream_that_is_not_read_is_closed_beyond_its_bound),
        IN_ROOM(a_stream_asked_for_by_head_has_a_head_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
