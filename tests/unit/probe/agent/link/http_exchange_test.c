/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.c against a peer on loopback that says exactly what a row of the script says. */
#include "probe/agent/link/http_client.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "tests/support/loopback.h"
#include "tests/support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* One turn of the peer: it reads a request, then says `answer` in two pieces. NULL: it says nothing
 * and waits until the client is gone. */
struct turn {
    const char *answer;
    bool closes; /* the connection, behind the answer */
};

struct peer {
    int fd;
    struct http_target target;
    pthread_t thread;
    const struct turn *turns;
    size_t count;
    _Atomic uint32_t accepted, served;
};

static bool read_request(int fd)
{
    char bytes[4096];
    size_t size = 0;

    do {
        ssize_t got = recv(fd, bytes + size, sizeof bytes - size, 0);

        if (got <= 0) return false;
        size += (size_t)got;
    } while (!memmem(bytes, size, "\r\n\r\nbody", 8));
    return true;
}

/* False when the connection is over. */
static bool take_turn(struct peer *peer, int fd)
{
    const struct turn *turn = &peer->turns[atomic_load(&peer->served)];
    char byte;
    size_t half;

    if (!read_request(fd)) return false;
    if (!turn->answer) {
        while (recv(fd, &byte, 1, 0) > 0) {
            /* Until it is gone. */
        }
        atomic_fetch_add(&peer->served, 1);
        return false;
    }
    half = strlen(turn->answer) / 2;
    send(fd, turn->answer, half, MSG_NOSIGNAL);
    send(fd, turn->answer + half, strlen(turn->answer) - half, MSG_NOSIGNAL);
    atomic_fetch_add(&peer->served, 1);
    return !turn->closes;
}

static void *run_peer(void *argument)
{
    struct peer *peer = argument;

    while (atomic_load(&peer->served) < peer->count) {
        int fd = accept(peer->fd, NULL, NULL);

        if (fd < 0) break;
        atomic_fetch_add(&peer->accepted, 1);
        while (atomic_load(&peer->served) < peer->count && take_turn(peer, fd)) {
            /* The next turn on the same connection. */
        }
        close(fd);
    }
    return NULL;
}

static void peer_start(struct peer *peer, const struct turn *turns, size_t count)
{
    *peer = (struct peer){ .turns = turns, .count = count, .target = { .host = "127.0.0.1" } };
    peer->fd = loopback_listen(0, &peer->target.port);
    assert_int_equal(pthread_create(&peer->thread, NULL, run_peer, peer), 0);
}

static void peer_stop(struct peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->fd);
}

struct talk {
    struct peer peer;
    struct http_client client;
    struct http_answer answer;
};

static void talk_start(struct talk *talk, const struct turn *turns, size_t count)
{
    peer_start(&talk->peer, turns, count);
    http_client_init(&talk->client,
                     &(struct http_client_options){ .target = &talk->peer.target, .wake_fd = -1 });
    http_answer_init(&talk->answer, 64);
}

static void talk_stop(struct talk *talk)
{
    http_client_done(&talk->client);
    http_answer_done(&talk->answer);
    peer_stop(&talk->peer);
}

static int post(struct talk *talk, uint64_t timeout_ns)
{
    struct http_request request = { .path = "/", .body = TEXT("body"), .timeout_ns = timeout_ns };

    return http_client_post(&talk->client, &request, &talk->answer);
}

/* The peer takes its turns, and each is the answer to a request. */
static void talk_through(struct talk *talk, const struct turn *turns, size_t count)
{
    talk_start(talk, turns, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(post(talk, 10 * NS_PER_S), 0);
        assert_int_equal(talk->answer.body.size, strcmp(turns[i].answer, OK_EMPTY) == 0 ? 0 : 5);
    }
}

static void a_connection_is_kept_between_requests(void **state)
{
    static const struct turn turns[] = { { OK_HELLO, false },
                                         { OK_EMPTY, false },
                                         { OK_HELLO, true } };
    struct talk talk;

    (void)state;
    talk_through(&talk, turns, ARRAY_COUNT(turns));
    assert_int_equal(atomic_load(&talk.peer.accepted), 1);
    assert_string_equal(talk.client.local_ip, "127.0.0.1");
    talk_stop(&talk);
}

static void a_kept_connection_that_was_closed_is_opened_again(void **state)
{
    static const struct turn turns[] = { { OK_HELLO, true },
                                         { OK_HELLO, true },
                                         { OK_HELLO, true } };
    struct talk talk;

    (void)state;
    talk_through(&talk, turns, ARRAY_COUNT(turns));
    assert_int_equal(atomic_load(&talk.peer.accepted), 3);
    talk_stop(&talk);
}

static void an_answer_that_closes_is_not_reused(void **state)
{
    static const struct turn turns[] = {
        { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false },
        { OK_HELLO, false },
    };
    struct talk talk;

    (void)state;
    talk_start(&talk, turns, 1);
    assert_int_equal(post(&talk, 10 * NS_PER_S), 0);
    assert_int_equal(talk.client.fd, -1);
    talk_stop(&talk);
}

static const struct {
    const char *says;
    struct turn turn;
    int rc;
} failures[] = {
    { "closes without a word", { "", true }, -ECONNRESET },
    { "closes within the head", { "HTTP/1.1 200 OK\r\nContent-", true }, -ECONNRESET },
    { "closes within the body",
      { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", true },
      -ECONNRESET },
    { "says something else", { "220 mail.example.com ESMTP\r\n", true }, -EPROTO },
    { "says too much", { OK_HELLO "HTTP/1.1", true }, -EPROTO },
    { "sends a large body", { "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n", true }, -EMSGSIZE },
};

static void what_is_no_answer_is_an_error_and_closes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(failures); i++) {
        struct talk talk;
        int rc;

        talk_start(&talk, &failures[i].turn, 1);
        rc = post(&talk, 10 * NS_PER_S);
        if (rc != failures[i].rc) fail_msg("%s: %d", failures[i].says, rc);
        assert_int_equal(talk.client.fd, -1);
        talk_stop(&talk);
    }
}

static void nobody_there_is_refused(void **state)
{
    struct talk talk;
    int rc;

    (void)state;
    talk_start(&talk, NULL, 0);
    close(talk.peer.fd);
    talk.peer.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* for talk_stop() to close */
    rc = post(&talk, 10 * NS_PER_S);
    talk_stop(&talk);
    assert_int_equal(rc, -ECONNREFUSED);
}

static void a_peer_that_hangs_is_left_at_the_deadline(void **state)
{
    static const struct turn silence = { NULL, true };
    struct talk talk;

    (void)state;
    talk_start(&talk, &silence, 1);
    assert_int_equal(post(&talk, 50 * NS_PER_MS), -ETIMEDOUT);
    talk_stop(&talk);
}

static void a_peer_that_hangs_is_left_at_the_cut(void **state)
{
    static const struct turn silence = { NULL, true };
    _Atomic uint64_t cut_ns = clock_monotonic_ns() + 50 * NS_PER_MS;
    struct talk talk;

    (void)state;
    talk_start(&talk, &silence, 1);
    talk.client.options.cut_ns = &cut_ns;
    assert_int_equal(post(&talk, 3600 * NS_PER_S), -ETIMEDOUT);
    talk_stop(&talk);
}

static void a_peer_that_hangs_is_left_when_woken(void **state)
{
    static const struct turn silence = { NULL, true };
    OWN(fd_closep) int wake_fd = eventfd(1, EFD_CLOEXEC);
    struct talk talk;

    (void)state;
    talk_start(&talk, &silence, 1);
    talk.client.options.wake_fd = wake_fd;
    assert_int_equal(post(&talk, 3600 * NS_PER_S), -ECANCELED);
    talk_stop(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_kept_between_requests),
        cmocka_unit_test(a_kept_connection_that_was_closed_is_opened_again),
        cmocka_unit_test(an_answer_that_closes_is_not_reused),
        cmocka_unit_test(what_is_no_answer_is_an_error_and_closes),
        cmocka_unit_test(nobody_there_is_refused),
        cmocka_unit_test(a_peer_that_hangs_is_left_at_the_deadline),
        cmocka_unit_test(a_peer_that_hangs_is_left_at_the_cut),
        cmocka_unit_test(a_peer_that_hangs_is_left_when_woken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
