/* SPDX-License-Identifier: Apache-2.0 */
/* http_waiting_test.c: clients that are slow, that wait, that go, that do not read; and what the
 * house has bounds for. */
#include "tests/integration/scheduler/http_room.h"

#include "tests/support/test.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST      "Host: localhost\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static struct room room;

static int open_room(void **state)
{
    (void)state;
    room_open(&room, NULL);
    return 0;
}

static int close_room(void **state)
{
    (void)state;
    room_close(&room);
    return 0;
}

/* --- slow and silent clients --- */

static void a_client_that_sends_too_slowly_is_cut(void **state)
{
    const struct http_limits limits = { .request_ms = 30, .sweep_ms = 5 };
    int fd, uploading;

    (void)state;
    room_open(&room, &limits);
    fd = room_connect(&room);
    uploading = room_connect(&room);
    room_send(fd, "GET /hello HTTP/1.1\r\nHo");
    room_send(uploading, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nsome");
    room_expect_close(&room, fd);
    assert_non_null(strstr(room.got, "HTTP/1.1 408 "));
    room_expect_close(&room, uploading);
    assert_non_null(strstr(room.got, "HTTP/1.1 408 "));
    assert_int_equal(http_counts(room.http).cut, 2);
    assert_int_equal(http_counts(room.http).body_size, 0);
    close(fd);
    close(uploading);
    room_until_empty(&room);
    room_close(&room);
}

static void an_idle_client_is_closed_and_a_parked_one_is_not(void **state)
{
    const struct http_limits limits = { .idle_ms = 20, .request_ms = 20, .sweep_ms = 5 };
    int idle, fresh, parked;

    (void)state;
    room_open(&room, &limits);
    idle = room_connect(&room);
    fresh = room_connect(&room);
    parked = room_connect(&room);
    room_send(parked, GET("/park"));
    room_send(idle, GET("/hello"));
    room_expect(&room, idle, "hello\n");
    room_expect_close(&room, idle);
    room_expect_close(&room, fresh);
    assert_int_equal(http_connection_count(room.http), 1);
    room_wake(&room);
    room_expect(&room, parked, "woken\n");
    close(idle), close(fresh), close(parked);
    room_close(&room);
}

/* --- parked --- */

static bool is_parked(void *context)
{
    return room.parked_count == *(size_t *)context;
}

static bool is_gone(void *context)
{
    return room.gone_count == *(size_t *)context;
}

static void what_a_parked_client_sends_waits_and_kills_nobody(void **state)
{
    int fd = room_connect(&room);
    size_t one = 1;

    (void)state;
    room_send(fd, GET("/park"));
    room_until(&room, is_parked, &one, "parked");
    room_send(fd, GET("/hello"));
    room_send(fd, "GET /hello HT"); /* and a part of one */
    for (int i = 0; i < 20; i++) {
        room_turn(&room);
    }
    assert_int_equal(room.handled_count, 1);
    room_wake(&room);
    room_expect(&room, fd, "hello\n");
    assert_non_null(strstr(room.got, "woken\n"));
    room_send(fd, "TP/1.1\r\n" HOST "\r\n");
    room_expect(&room, fd, "hello\n");
    assert_int_equal(room.gone_count, 0);
    close(fd);
}

static void a_parked_client_that_goes_is_noticed(void **state)
{
    int fd = room_connect(&room);
    size_t one = 1;

    (void)state;
    room_send(fd, GET("/park"));
    room_until(&room, is_parked, &one, "parked");
    close(fd);
    room_until(&room, is_gone, &one, "gone");
    assert_int_equal(http_connection_count(room.http), 0);
    room.parked_count = 0;
}

static void reset(int fd)
{
    struct linger at_once = { .l_onoff = 1 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void a_parked_client_that_resets_is_noticed(void **state)
{
    int silent = room_connect(&room), ahead = room_connect(&room), early = room_connect(&room);
    size_t two = 2, three = 3;

    (void)state;
    room_send(silent, GET("/park"));
    room_send(ahead, GET("/park"));
    room_until(&room, is_parked, &two, "two parked");
    room_send(ahead, GET("/hello"));
    for (int i = 0; i < 5; i++) {
        room_turn(&room);
    }
    reset(silent);
    reset(ahead);
    room_until(&room, is_gone, &two, "two gone");
    room_send(early, GET("/park") GET("/hello"));
    room_until(&room, is_parked, &three, "the third parked");
    reset(early);
    room_until(&room, is_gone, &three, "three gone");
    room.parked_count = 0;
}

static void clients_that_close_right_behind_their_request_are_noticed(void **state)
{
    size_t count = 200;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        int fd = room_connect(&room);

        room_send(fd, GET("/park") GET("/hello"));
        close(fd);
    }
    room_until(&room, is_gone, &count, "200 gone");
    room_until_empty(&room);
    room.parked_count = 0;
}

static void a_thousand_are_parked_and_woken(void **state)
{
    static int fds[1000];
    size_t count = ARRAY_COUNT(fds);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        fds[i] = room_connect(&room);
        room_send(fds[i], GET("/park"));
        if (i % 100 == 0) room_turn(&room);
    }
    room_until(&room, is_parked, &count, "1000 parked");
    room_wake(&room);
    for (size_t i = 0; i < count; i++) {
        room_expect(&room, fds[i], "woken\n");
        close(fds[i]);
    }
    room_until_empty(&room);
    assert_int_equal(room.answer_count, count);
}

static void a_stop_tells_what_is_parked(void **state)
{
    int fd;
    size_t one = 1;

    (void)state;
    room_open(&room, NULL);
    fd = room_connect(&room);
    room_send(fd, GET("/park"));
    room_until(&room, is_parked, &one, "parked");
    room_close(&room);
    assert_int_equal(room.gone_count, 1);
    close(fd);
}

static void a_drain_answers_and_closes(void **state)
{
    const struct http_limits limits = { .sweep_ms = 5 };
    int parked, idle;
    size_t one = 1;

    (void)state;
    room_open(&room, &limits);
    parked = room_connect(&room);
    idle = room_connect(&room);
    room_send(parked, GET("/park"));
    room_until(&room, is_parked, &one, "parked");
    http_drain(room.http);
    room_expect_close(&room, idle);
    room_wake(&room);
    room_expect_close(&room, parked);
    assert_non_null(strstr(room.got, "Connection: close\r\n"));
    assert_non_null(strstr(room.got, "woken\n"));
    assert_int_equal(http_connection_count(room.http), 0);
    close(parked), close(idle);
    room_close(&room);
}

/* --- large answers --- */

enum { LARGE = 12 * 1024 * 1024 }; /* more than the buffers of both sockets take */

/* What comes of one answer, from its head on. */
static size_t swallow_answer(int fd)
{
    const char *end;
    size_t head;

    room_expect(&room, fd, "\r\n\r\n");
    end = strstr(room.got, "\r\n\r\n");
    head = (size_t)(end - room.got) + 4;
    return room.got_size - head + room_swallow(&room, fd, LARGE - (room.got_size - head));
}

static void a_large_answer_comes_whole(void **state)
{
    int fd = room_connect(&room);
    size_t one = 1;

    (void)state;
    room.large_size = LARGE;
    for (int round = 0; round < 4; round++) {
        room_send(fd, GET("/large"));
        assert_int_equal(swallow_answer(fd), LARGE);
        room_send(fd, GET("/park"));
        room_until(&room, is_parked, &one, "parked");
        if (round == 1) room_send(fd, GET("/hello")); /* sent ahead */
        room_turn(&room);
        room_wake(&room);
        assert_int_equal(swallow_answer(fd), LARGE);
        if (round == 1) room_expect(&room, fd, "hello\n");
    }
    assert_int_equal(http_counts(room.http).cut, 0);
    close(fd);
    room_until_empty(&room);
    assert_int_equal(http_counts(room.http).answer_size, 0);
}

static void a_client_that_said_all_gets_the_whole_answer(void **state)
{
    int fd = room_connect(&room);

    (void)state;
    room.large_size = LARGE;
    room_send(fd, GET("/large"));
    shutdown(fd, SHUT_WR);
    assert_int_equal(swallow_answer(fd), LARGE);
    room_expect_close(&room, fd);
    close(fd);
}

static void a_client_that_goes_while_it_is_answered_leaves_nothing(void **state)
{
    int gone = room_connect(&room), cut = room_connect(&room);

    (void)state;
    room.large_size = LARGE;
    room_send(gone, GET("/large"));
    room_send(cut, GET("/large"));
    room_expect(&room, gone, "200 OK");
    room_expect(&room, cut, "200 OK");
    close(gone);
    reset(cut);
    room_until_empty(&room);
    assert_int_equal(http_counts(room.http).answer_size, 0);
}

static void a_client_that_does_not_read_its_answer_is_cut(void **state)
{
    const struct http_limits limits = { .answer_ms = 20, .answer_rate = 1 << 30, .sweep_ms = 5 };
    int fd;

    (void)state;
    room_open(&room, &limits);
    room.large_size = LARGE;
    fd = room_connect(&room);
    room_send(fd, GET("/large"));
    room_expect(&room, fd, "200 OK");
    room_until_empty(&room);
    assert_int_equal(http_counts(room.http).cut, 1);
    close(fd);
    room_close(&room);
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
    room_open(&room, &limits);
    room.large_size = LARGE;
    fd = room_connect(&room);
    room_send(fd, GET("/large"));
    room_expect(&room, fd, "200 OK");
    until_ns = clock_monotonic_ns() + 100 * NS_PER_MS; /* of the 12 s that it may take */
    room_until(&room, has_swept_often, &until_ns, "sweeps");
    assert_int_equal(http_counts(room.http).cut, 0);
    close(fd);
    room_until_empty(&room);
    room_close(&room);
}

static void large_answers_have_a_budget(void **state)
{
    const struct http_limits limits = { .answer_budget = LARGE + 1000 };
    int first, second;

    (void)state;
    room_open(&room, &limits);
    room.large_size = LARGE;
    first = room_connect(&room);
    second = room_connect(&room);
    room_send(first, GET("/large"));
    room_expect(&room, first, "200 OK");
    room_send(second, GET("/large"));
    room_expect(&room, second, "}\n");
    assert_non_null(strstr(room.got, "HTTP/1.1 503 "));
    assert_non_null(strstr(room.got, "Retry-After: "));
    assert_null(strstr(room.got, "text/plain"));
    room_send(second, GET("/hello")); /* small ones are given all the same */
    room_expect(&room, second, "hello\n");
    close(first);
    while (http_counts(room.http).answer_size > 0) {
        room_turn(&room);
    }
    room_send(second, GET("/large"));
    assert_int_equal(swallow_answer(second), LARGE);
    close(second);
    room_close(&room);
}

/* --- streams --- */

static void a_stream_sends_until_its_client_goes(void **state)
{
    int fd = room_connect(&room);
    size_t one = 1;

    (void)state;
    room_send(fd, GET("/stream"));
    room_expect(&room, fd, "text/event-stream");
    room_publish(&room, TEXT("data: 1\n\n"));
    room_expect(&room, fd, "data: 1\n\n");
    room_publish(&room, TEXT("data: 2\n\n"));
    room_expect(&room, fd, "data: 2\n\n");
    close(fd);
    room_until(&room, is_gone, &one, "gone");
    room.parked_count = 0;
}

static void a_stream_ends_where_its_handler_ends_it(void **state)
{
    int fd = room_connect(&room);
    size_t one = 1;

    (void)state;
    room_send(fd, GET("/stream"));
    room_until(&room, is_parked, &one, "streaming");
    room_publish(&room, TEXT("data: 1\n\n"));
    http_stream_end(room.parked[0]);
    room_expect_close(&room, fd);
    assert_non_null(strstr(room.got, "0\r\n\r\n"));
    assert_int_equal(room.gone_count, 0);
    close(fd);
}

static void a_stream_that_is_not_read_is_closed_beyond_its_bound(void **state)
{
    static char chunk[16 * 1024];
    int fd = room_connect(&room), size = 4096;
    size_t one = 1, sent = 0;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    room_send(fd, GET("/stream"));
    room_until(&room, is_parked, &one, "streaming");
    memset(chunk, 'x', sizeof chunk);
    while (room.gone_count == 0 && sent < 64 * 1024 * 1024) {
        room_publish(&room, (struct text){ chunk, sizeof chunk });
        sent += sizeof chunk;
        room_turn(&room);
    }
    assert_int_equal(room.gone_count, 1);
    assert_true(sent > 1024 * 1024); /* the bound was used */
    assert_int_equal(http_connection_count(room.http), 0);
    room.parked_count = 0;
    close(fd);
}

static void a_stream_asked_for_by_head_has_a_head_alone(void **state)
{
    int fd = room_connect(&room);
    size_t one = 1;

    (void)state;
    room_send(fd, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n");
    room_until(&room, is_parked, &one, "streaming");
    if (room.gone_count == 0) room_publish(&room, TEXT("data: 1\n\n"));
    room_expect_close(&room, fd);
    assert_null(strstr(room.got, "data"));
    assert_int_equal(room.gone_count, 1);
    room.parked_count = 0;
    close(fd);
}

/* --- bounds of the house --- */

static void beyond_the_cap_the_longest_idle_makes_room(void **state)
{
    const struct http_limits limits = { .connection_count_max = 3 };
    int fds[4];

    (void)state;
    room_open(&room, &limits);
    for (int i = 0; i < 4; i++) {
        fds[i] = room_connect(&room);
        room_send(fds[i], GET("/hello"));
        room_expect(&room, fds[i], "hello\n");
    }
    room_expect_close(&room, fds[0]);
    assert_true(http_connection_count(room.http) <= 3);
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    room_close(&room);
}

static void beyond_the_cap_of_busy_ones_the_next_waits(void **state)
{
    const struct http_limits limits = { .connection_count_max = 2 };
    size_t two = 2;
    int fds[3];

    (void)state;
    room_open(&room, &limits);
    for (int i = 0; i < 2; i++) {
        fds[i] = room_connect(&room);
        room_send(fds[i], GET("/park"));
    }
    room_until(&room, is_parked, &two, "two parked");
    fds[2] = room_connect(&room);
    room_send(fds[2], GET("/hello"));
    for (int i = 0; i < 20; i++) {
        room_turn(&room);
    }
    assert_int_equal(room.handled_count, 2);
    room.parked_count = 0;
    close(fds[0]);
    room_expect(&room, fds[2], "hello\n");
    close(fds[1]), close(fds[2]);
    room_close(&room);
}

static void bodies_have_a_budget(void **state)
{
    const struct http_limits limits = { .body_budget = 100 };
    int first, second;

    (void)state;
    room_open(&room, &limits);
    first = room_connect(&room);
    second = room_connect(&room);
    room_send(first, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 80\r\n\r\n12345");
    for (int i = 0; i < 5; i++) {
        room_turn(&room);
    }
    assert_int_equal(http_counts(room.http).body_size, 80);
    room_send(second, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 21\r\n\r\n");
    room_expect_close(&room, second);
    assert_non_null(strstr(room.got, "HTTP/1.1 503 "));
    assert_non_null(strstr(room.got, "Retry-After: "));
    close(second);
    second = room_connect(&room);
    room_send(second,
              "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 20\r\n\r\n01234567890123456789");
    room_expect(&room, second, "\r\n\r\n0123456789");
    close(first), close(second);
    room_close(&room);
}

static void out_of_descriptors_it_rests_instead_of_spinning(void **state)
{
    struct rlimit before, low;
    int fds[8], waste[512], count = 0;

    (void)state;
    room_open(&room, NULL);
    for (int i = 0; i < 8; i++) {
        fds[i] = room_connect(&room); /* in the backlog: the loop has not turned yet */
    }
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = (rlim_t)fds[7] + 1; /* no new descriptor: all below are in use */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (count < 512 && (waste[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        count++;
    }
    for (int i = 0; i < 2000; i++) {
        room_turn(&room);
    }
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < count; i++) {
        close(waste[i]);
    }
    /* 2000 turns within a few ms: one error, perhaps a second after 100 ms. */
    assert_true(http_counts(room.http).accept_errors >= 1);
    assert_true(http_counts(room.http).accept_errors < 100);
    room_send(fds[7], GET("/hello")); /* and it comes back */
    room_expect(&room, fds[7], "hello\n");
    for (int i = 0; i < 8; i++) {
        close(fds[i]);
    }
    room_close(&room);
}

static void only_loopback_is_listened_on(void **state)
{
    static const struct {
        const char *address;
        int rc;
        const char *says;
    } cases[] = {
        { "0.0.0.0", -EACCES, "listening beyond loopback is not available in this version" },
        { "10.0.0.1", -EACCES, "listening beyond loopback is not available in this version" },
        { "::", -EACCES, "listening beyond loopback is not available in this version" },
        { "localhost", -EINVAL, "no numeric address" },
        { "", -EINVAL, "no numeric address" },
    };
    struct room taken;
    char why[200];
    struct http *http = NULL;
    int rc;

    (void)state;
    room_open(&taken, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        rc = http_start(taken.base, &(struct http_options){ .address = cases[i].address }, &http,
                        why, sizeof why);
        assert_int_equal(rc, cases[i].rc);
        assert_non_null(strstr(why, cases[i].says));
    }
    rc = http_start(taken.base,
                    &(struct http_options){ .address = "127.0.0.1", .port = http_port(taken.http) },
                    &http, why, sizeof why);
    assert_int_equal(rc, -EADDRINUSE);
    assert_non_null(strstr(why, "127.0.0.1:"));
    assert_null(http);
    room_close(&taken);
}

int main(void)
{
#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_sends_too_slowly_is_cut),
        cmocka_unit_test(an_idle_client_is_closed_and_a_parked_one_is_not),
        IN_ROOM(what_a_parked_client_sends_waits_and_kills_nobody),
        IN_ROOM(a_parked_client_that_goes_is_noticed),
        IN_ROOM(a_parked_client_that_resets_is_noticed),
        IN_ROOM(clients_that_close_right_behind_their_request_are_noticed),
        IN_ROOM(a_thousand_are_parked_and_woken),
        cmocka_unit_test(a_stop_tells_what_is_parked),
        cmocka_unit_test(a_drain_answers_and_closes),
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
        cmocka_unit_test(beyond_the_cap_the_longest_idle_makes_room),
        cmocka_unit_test(beyond_the_cap_of_busy_ones_the_next_waits),
        cmocka_unit_test(bodies_have_a_budget),
        cmocka_unit_test(out_of_descriptors_it_rests_instead_of_spinning),
        cmocka_unit_test(only_loopback_is_listened_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
