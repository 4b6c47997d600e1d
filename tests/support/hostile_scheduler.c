/* SPDX-License-Identifier: Apache-2.0 */
/* hostile_scheduler.c: an accepting thread, a thread per connection, a function per way. Sending
 * fails when the other side closes or the whole is stopped, which shuts all connections down: so
 * every endless loop has an end. */
#include "tests/support/hostile_scheduler.h"

#include "common/base/check.h"
#include "tests/support/loopback.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4096,
    REQUEST_SIZE_MAX = 65536,
    PIECE_SIZE = 16384,
    HUGE_SIZE = 20 * 1024 * 1024,
    DEPTH = 100000,
    DRIP_MS = 50,
};

struct connection {
    struct hostile_scheduler *hostile;
    pthread_t thread;
    int fd;
};

struct hostile_scheduler {
    enum hostile_way way;
    int fd;
    pthread_t thread;
    _Atomic uint32_t count;
    uint32_t connection_count; /* the accepting thread's, until it has ended */
    struct connection connections[CONNECTIONS_MAX];
};

static bool send_bytes(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;

    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

        if (sent <= 0) return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool send_text(int fd, const char *text)
{
    return send_bytes(fd, text, strlen(text));
}

/* ---- the ways: true if the connection may be used again ---- */

static bool close_at_once(int fd)
{
    (void)fd;
    return false;
}

static bool send_garbage(int fd)
{
    char bytes[997];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 131 + i / 7);
    }
    send_bytes(fd, bytes, sizeof bytes);
    return false;
}

/* The same piece again and again, `limit` bytes in all. */
static bool send_pieces(int fd, const char *piece, size_t limit)
{
    size_t size = strlen(piece);

    for (size_t sent = 0; sent < limit; sent += size) {
        if (!send_bytes(fd, piece, size)) return false;
    }
    return true;
}

static bool send_endless_head(int fd)
{
    if (!send_text(fd, "HTTP/1.1 200 OK\r\n")) return false;
    return send_pieces(fd, "X-More: and more, and more, and more\r\n", SIZE_MAX);
}

static bool send_endless_body(int fd)
{
    static char piece[PIECE_SIZE + 1];

    if (piece[0] == '\0') memset(piece, '\x90', PIECE_SIZE);
    if (!send_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\n\r\n"))
        return false;
    return send_pieces(fd, piece, SIZE_MAX);
}

static bool send_endless_chunks(int fd)
{
    if (!send_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n"))
        return false;
    return send_pieces(fd, "20\r\n0123456789abcdef0123456789abcdef\r\n", SIZE_MAX);
}

static bool send_huge(int fd)
{
    char head[128];

    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\n"
             "Content-Length: %d\r\n\r\n",
             HUGE_SIZE);
    if (!send_text(fd, head)) return false;
    return send_pieces(fd, "0123456789abcdef0123456789abcdef", HUGE_SIZE);
}

/* poll() of the connection is the pause: it ends early when the other side does. */
static bool send_drops(int fd)
{
    struct pollfd other = { .fd = fd, .events = POLLRDHUP };
    static const char head[] = "HTTP/1.1 200 OK\r\nX-Slow: ";

    for (size_t i = 0; poll(&other, 1, DRIP_MS) == 0; i++) {
        if (!send_bytes(fd, i < sizeof head - 1 ? &head[i] : "x", 1)) return false;
    }
    return false;
}

static bool send_redirect(int fd)
{
    return send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /probe/v1/poll\r\n"
                         "Content-Length: 0\r\n\r\n");
}

static bool send_page(int fd)
{
    return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 32\r\n\r\n"
                         "<html>Accept the terms.</html>\r\n");
}

static bool send_msgpack(int fd, const char *body, size_t size)
{
    char head[128];

    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\n"
             "Content-Length: %zu\r\n\r\n",
             size);
    return send_text(fd, head) && send_bytes(fd, body, size);
}

static bool send_deep(int fd)
{
    char body[DEPTH];

    memset(body, '\x91', sizeof body);
    return send_msgpack(fd, body, sizeof body);
}

static bool send_wide(int fd)
{
    return send_msgpack(fd, "\xdf\xff\xff\xff\xff\x01\x02", 7);
}

static bool (*const ways[HOSTILE_WAY_COUNT])(int fd) = {
    [HOSTILE_CLOSE] = close_at_once,
    [HOSTILE_GARBAGE] = send_garbage,
    [HOSTILE_ENDLESS_HEAD] = send_endless_head,
    [HOSTILE_ENDLESS_BODY] = send_endless_body,
    [HOSTILE_ENDLESS_CHUNK] = send_endless_chunks,
    [HOSTILE_HUGE] = send_huge,
    [HOSTILE_DRIP] = send_drops,
    [HOSTILE_REDIRECT] = send_redirect,
    [HOSTILE_PAGE] = send_page,
    [HOSTILE_DEEP] = send_deep,
    [HOSTILE_WIDE] = send_wide,
};

/* ---- connections ---- */

/* A whole request, which is small while nothing is watched. */
static bool read_request(int fd)
{
    char bytes[REQUEST_SIZE_MAX];
    size_t size = 0, wanted = sizeof bytes;

    while (size < wanted) {
        ssize_t got = recv(fd, bytes + size, sizeof bytes - 1 - size, 0);
        const char *length, *end;

        if (got <= 0) return false;
        size += (size_t)got;
        bytes[size] = '\0';
        length = strstr(bytes, "Content-Length: ");
        end = strstr(bytes, "\r\n\r\n");
        if (!length || !end) continue;
        CHECK(sscanf(length, "Content-Length: %zu", &wanted) == 1);
        wanted += (size_t)(end + 4 - bytes);
        CHECK(wanted < sizeof bytes);
    }
    return true;
}

static void *run_connection(void *argument)
{
    struct connection *connection = argument;
    struct hostile_scheduler *hostile = connection->hostile;
    bool goes_on = true;

    while (goes_on && read_request(connection->fd)) {
        atomic_fetch_add(&hostile->count, 1);
        goes_on = ways[hostile->way](connection->fd);
    }
    shutdown(connection->fd, SHUT_RDWR);
    return NULL;
}

static void *run_accept(void *argument)
{
    struct hostile_scheduler *hostile = argument;
    int fd;

    while ((fd = accept(hostile->fd, NULL, NULL)) >= 0) {
        struct connection *connection = &hostile->connections[hostile->connection_count];

        CHECK(hostile->connection_count < CONNECTIONS_MAX);
        *connection = (struct connection){ .hostile = hostile, .fd = fd };
        CHECK(pthread_create(&connection->thread, NULL, run_connection, connection) == 0);
        hostile->connection_count++;
    }
    return NULL;
}

/* ---- for the test ---- */

struct hostile_scheduler *hostile_scheduler_start(uint16_t port, enum hostile_way way)
{
    struct hostile_scheduler *hostile = mem_zalloc(1, sizeof *hostile);

    hostile->way = way;
    hostile->fd = loopback_listen(port, NULL);
    CHECK(pthread_create(&hostile->thread, NULL, run_accept, hostile) == 0);
    return hostile;
}

void hostile_scheduler_stop(struct hostile_scheduler *hostile)
{
    if (!hostile) return;
    shutdown(hostile->fd, SHUT_RDWR);
    pthread_join(hostile->thread, NULL);
    for (uint32_t i = 0; i < hostile->connection_count; i++) {
        shutdown(hostile->connections[i].fd, SHUT_RDWR);
        pthread_join(hostile->connections[i].thread, NULL);
        close(hostile->connections[i].fd);
    }
    close(hostile->fd);
    free(hostile);
}

uint32_t hostile_scheduler_count(struct hostile_scheduler *hostile)
{
    return atomic_load(&hostile->count);
}
