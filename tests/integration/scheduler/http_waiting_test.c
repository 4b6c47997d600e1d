/* SPDX-License-Identifier: Apache-2.0 */
/* http_waiting_test.c: clients that are slow, that wait and that go; and what the house has bounds
 * for. */
#include "tests/integration/scheduler/http_room.h"
#include "tests/integration/scheduler/room_line.h"

#include "tests/support/test.h"

#include "common/base/clock.h"
#include "common/model/problem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- slow and silent clients --- */

static void a_client_that_sends_too_slowly_is_cut(void **state)
{
    const struct http_limits limits = { .request_ms = 30, .sweep_ms = 5 };
    int fd, uploading;

    (void)state;
    room_open(&limits);
    fd = room_connect();
    uploading = room_connect();
    room_send(fd, "GET /hello HTTP/1.1\r\nHo");
    room_send(uploading, "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 100\r\n\r\nsome");
    room_expect_close(fd);
    assert_non_null(strstr(room.got, "HTTP/1.1 408 "));
    assert_non_null(strstr(room.got, problem_slug(PROBLEM_TOO_SLOW)));
    room_expect_close(uploading);
    assert_non_null(strstr(room.got, "HTTP/1.1 408 "));
    assert_int_equal(http_counts(room.http).cut, 2);
    assert_int_equal(http_counts(room.http).body_size, 0);
    close(fd);
    close(uploading);
    room_until_empty();
    room_close();
}

static void an_idle_client_is_closed_and_a_parked_one_is_not(void **state)
{
    const struct http_limits limits = {
        .idle_ms = 200, .request_ms = 200, .handshake_ms = 200, .sweep_ms = 5
    };
    int idle, fresh, parked;

    (void)state;
    room_open(&limits);
    idle = room_connect();
    fresh = room_connect();
    parked = room_connect();
    room_send(parked, ROOM_GET("/park"));
    room_send(idle, ROOM_GET("/hello"));
    room_expect(idle, "hello\n");
    room_expect_close(idle);
    room_expect_close(fresh);
    assert_int_equal(http_connection_count(room.http), 1);
    room_wake();
    room_expect(parked, "woken\n");
    close(idle), close(fresh), close(parked);
    room_close();
}

/* --- parked --- */

static void what_a_parked_client_sends_waits_and_kills_nobody(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, ROOM_GET("/park"));
    room_until_parked(1);
    room_send(fd, ROOM_GET("/hello"));
    room_send(fd, "GET /hello HT"); /* and a part of one */
    for (int i = 0; i < 20; i++) {
        room_turn();
    }
    assert_int_equal(room.handled_count, 1);
    room_wake();
    room_expect(fd, "hello\n");
    assert_non_null(strstr(room.got, "woken\n"));
    room_send(fd, "TP/1.1\r\n" ROOM_HOST "\r\n");
    room_expect(fd, "hello\n");
    assert_int_equal(room.gone_count, 0);
    close(fd);
}

static void a_parked_client_that_goes_is_noticed(void **state)
{
    int fd = room_connect();

    (void)state;
    room_send(fd, ROOM_GET("/park"));
    room_until_parked(1);
    close(fd);
    room_until_gone(1);
    assert_int_equal(http_connection_count(room.http), 0);
    room.parked_count = 0;
}

static void a_parked_client_that_resets_is_noticed(void **state)
{
    int silent = room_connect(), ahead = room_connect(), early = room_connect();

    (void)state;
    room_send(silent, ROOM_GET("/park"));
    room_send(ahead, ROOM_GET("/park"));
    room_until_parked(2);
    room_send(ahead, ROOM_GET("/hello"));
    for (int i = 0; i < 5; i++) {
        room_turn();
    }
    room_reset(silent);
    room_reset(ahead);
    room_until_gone(2);
    room_send(early, ROOM_GET("/park") ROOM_GET("/hello"));
    room_until_parked(3);
    room_reset(early);
    room_until_gone(3);
    room.parked_count = 0;
}

static void clients_that_close_right_behind_their_request_are_noticed(void **state)
{
    size_t count = 200;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        int fd = room_connect();

        room_send(fd, ROOM_GET("/park") ROOM_GET("/hello"));
        close(fd);
    }
    room_until_gone(count);
    room_until_empty();
    room.parked_count = 0;
}

static void a_thousand_are_parked_and_woken(void **state)
{
    static int fds[1000];
    size_t count = ARRAY_COUNT(fds);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        fds[i] = room_connect();
        room_send(fds[i], ROOM_GET("/park"));
        if (i % 100 == 0) room_turn();
    }
    room_until_parked(count);
    room_wake();
    for (size_t i = 0; i < count; i++) {
        room_expect(fds[i], "woken\n");
        close(fds[i]);
    }
    room_until_empty();
    assert_int_equal(room.answer_count, count);
}

static void a_stop_tells_what_is_parked(void **state)
{
    int fd;

    (void)state;
    room_open(NULL);
    fd = room_connect();
    room_send(fd, ROOM_GET("/park"));
    room_until_parked(1);
    room_close();
    assert_int_equal(room.gone_count, 1);
    close(fd);
}

static void a_drain_answers_and_closes(void **state)
{
    const struct http_limits limits = { .sweep_ms = 5 };
    int parked, idle;

    (void)state;
    room_open(&limits);
    parked = room_connect();
    idle = room_connect();
    room_send(parked, ROOM_GET("/park"));
    room_until_parked(1);
    http_drain(room.http);
    room_expect_close(idle);
    room_wake();
    room_expect_close(parked);
    assert_non_null(strstr(room.got, "Connection: close\r\n"));
    assert_non_null(strstr(room.got, "woken\n"));
    assert_int_equal(http_connection_count(room.http), 0);
    close(parked), close(idle);
    room_close();
}

/* The kernel has taken the connection, the loop has not had a turn since. */
static void who_is_at_the_door_at_the_end_is_let_in(void **state)
{
    int early;

    (void)state;
    if (line_is_tls()) skip(); /* to have shaken hands is to be inside */
    early = room_connect();
    assert_int_equal(send(early, ROOM_GET("/hello"), strlen(ROOM_GET("/hello")), 0),
                     strlen(ROOM_GET("/hello")));
    http_drain(room.http);
    room_expect_close(early);
    assert_non_null(strstr(room.got, "hello\n"));
    close(early);
}

/* --- bounds of the house --- */

static void beyond_the_cap_the_longest_idle_makes_room(void **state)
{
    const struct http_limits limits = { .connection_count_max = 3 };
    int fds[4];

    (void)state;
    room_open(&limits);
    for (int i = 0; i < 4; i++) {
        fds[i] = room_connect();
        room_send(fds[i], ROOM_GET("/hello"));
        room_expect(fds[i], "hello\n");
    }
    room_expect_close(fds[0]);
    assert_true(http_connection_count(room.http) <= 3);
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    room_close();
}

static void beyond_the_cap_of_busy_ones_the_next_waits(void **state)
{
    const struct http_limits limits = { .connection_count_max = 2 };
    int fds[3];

    (void)state;
    room_open(&limits);
    for (int i = 0; i < 2; i++) {
        fds[i] = room_connect();
        room_send(fds[i], ROOM_GET("/park"));
        room_until_parked((size_t)i + 1);
    }
    fds[2] = room_connect();
    room_send(fds[2], ROOM_GET("/hello"));
    for (int i = 0; i < 20; i++) {
        room_turn();
    }
    assert_int_equal(room.handled_count, 2);
    room.parked_count = 0;
    close(fds[0]);
    room_expect(fds[2], "hello\n");
    close(fds[1]), close(fds[2]);
    room_close();
}

static void bodies_have_a_budget(void **state)
{
    const struct http_limits limits = { .body_budget = 100 };
    int first, second;

    (void)state;
    room_open(&limits);
    first = room_connect();
    second = room_connect();
    room_send(first, "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 80\r\n\r\n12345");
    for (int i = 0; i < 5; i++) {
        room_turn();
    }
    assert_int_equal(http_counts(room.http).body_size, 80);
    room_send(second, "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 21\r\n\r\n");
    room_expect_close(second);
    assert_non_null(strstr(room.got, "HTTP/1.1 503 "));
    assert_non_null(strstr(room.got, "Retry-After: "));
    close(second);
    second = room_connect();
    room_send(second,
              "POST /echo HTTP/1.1\r\n" ROOM_HOST "Content-Length: 20\r\n\r\n01234567890123456789");
    room_expect(second, "\r\n\r\n0123456789");
    close(first), close(second);
    room_close();
}

static void out_of_descriptors_it_rests_instead_of_spinning(void **state)
{
    struct rlimit before, low;
    int fds[8], waste[512], count = 0;

    (void)state;
    room_open(NULL);
    for (int i = 0; i < 8; i++) {
        fds[i] = room_connect(); /* in the backlog: the loop has not turned yet */
    }
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = (rlim_t)fds[7] + 1; /* no new descriptor: all below are in use */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (count < 512 && (waste[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        count++;
    }
    for (int i = 0; i < 2000; i++) {
        room_turn();
    }
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < count; i++) {
        close(waste[i]);
    }
    /* 2000 turns within a few ms: one error, perhaps a second after 100 ms. */
    assert_true(http_counts(room.http).accept_errors >= 1);
    assert_true(http_counts(room.http).accept_errors < 100);
    room_send(fds[7], ROOM_GET("/hello")); /* and it comes back */
    room_expect(fds[7], "hello\n");
    for (int i = 0; i < 8; i++) {
        close(fds[i]);
    }
    room_close();
}

static void only_numeric_addresses_are_listened_on(void **state)
{
    static const struct {
        const char *address;
        int rc;
        const char *says;
    } cases[] = {
        { "0.0.0.0", -EACCES, "to listen beyond loopback, give a certificate" },
        { "::", -EACCES, "to listen beyond loopback, give a certificate" },
        { "192.0.2.1", -EACCES, "192.0.2.1:0: to listen beyond" },
        { "localhost", -EINVAL, "no numeric address" },
        { "", -EINVAL, "no numeric address" },
    };
    char why[200];
    struct http *http = NULL;
    int rc;

    (void)state;
    room_open(NULL);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        rc = http_start(room.base, &(struct http_options){ .address = cases[i].address }, &http,
                        why, sizeof why);
        assert_int_equal(rc, cases[i].rc);
        assert_non_null(strstr(why, cases[i].says));
    }
    rc = http_start(room.base,
                    &(struct http_options){ .address = "127.0.0.1", .port = http_port(room.http) },
                    &http, why, sizeof why);
    assert_int_equal(rc, -EADDRINUSE);
    assert_non_null(strstr(why, "127.0.0.1:"));
    assert_null(http);
    room_close();
}

int main(void)
{
#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, room_setup, room_teardown)
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
        IN_ROOM(who_is_at_the_door_at_the_end_is_let_in),
        cmocka_unit_test(beyond_the_cap_the_longest_idle_makes_room),
        cmocka_unit_test(beyond_the_cap_of_busy_ones_the_next_waits),
        cmocka_unit_test(bodies_have_a_budget),
        cmocka_unit_test(out_of_descriptors_it_rests_instead_of_spinning),
        cmocka_unit_test(only_numeric_addresses_are_listened_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
