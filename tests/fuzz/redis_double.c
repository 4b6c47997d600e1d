/* SPDX-License-Identifier: Apache-2.0 */
/* redis_double.c: one thread with what it answers to, so that an input does the same each time. A
 * connection is reset, not closed: tens of thousands a minute would leave no port to others. */
#include "tests/fuzz/redis_double.h"

#include "common/base/check.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { SEPARATOR = 0xff, IDLE_TURNS = 6 };

static void reset(struct redis_double *it, size_t index)
{
    struct linger at_once = { .l_onoff = 1 };

    setsockopt(bufferevent_getfd(it->connections[index]), SOL_SOCKET, SO_LINGER, &at_once,
               sizeof at_once);
    bufferevent_free(it->connections[index]);
    it->connections[index] = NULL;
}

/* A question ends with the end of a line; the long one, which brings the functions, comes in parts
 * that do not. */
static bool is_whole(struct evbuffer *input)
{
    size_t size = evbuffer_get_length(input);
    const char *bytes = (const char *)evbuffer_pullup(input, -1);

    return size > 2 && memcmp(bytes + size - 2, "\r\n", 2) == 0;
}

static void on_asked(struct bufferevent *connection, void *context)
{
    struct redis_double *it = context;
    struct evbuffer *input = bufferevent_get_input(connection);
    const char *end = it->rest.size ? memchr(it->rest.data, SEPARATOR, it->rest.size) : NULL;
    size_t size = end ? (size_t)(end - it->rest.data) : it->rest.size;
    size_t used = size + (end != NULL);

    it->moves++;
    if (!is_whole(input)) return;
    evbuffer_drain(input, evbuffer_get_length(input));
    bufferevent_write(connection, it->rest.data, size);
    it->rest = (struct text){ it->rest.data + used, it->rest.size - used };
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
                        struct sockaddr *address, int size, void *context)
{
    struct redis_double *it = context;
    struct bufferevent *connection;

    (void)listener, (void)address, (void)size;
    it->moves++;
    if (it->connection_count == DOUBLE_CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    connection = bufferevent_socket_new(it->base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(connection, on_asked, NULL, NULL, it);
    bufferevent_enable(connection, EV_READ | EV_WRITE);
    it->connections[it->connection_count++] = connection;
}

static void listen_on(struct redis_double *it, int which, const void *address, int size)
{
    it->listeners[which] =
        evconnlistener_new_bind(it->base, on_accepted, it,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                DOUBLE_CONNECTIONS_MAX, address, size);
    CHECK(it->listeners[which]);
}

struct redis_double *redis_double_new(struct event_base *base, struct text bytes)
{
    struct redis_double *it = mem_zalloc(1, sizeof *it);
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    struct sockaddr_in tcp = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof tcp;

    it->base = base;
    it->rest = bytes;
    snprintf(it->path, sizeof it->path, "/tmp/stakeout-fuzz-%d.sock", (int)getpid());
    unlink(it->path);
    memcpy(local.sun_path, it->path, sizeof it->path);
    listen_on(it, 0, &tcp, sizeof tcp);
    listen_on(it, 1, &local, sizeof local);
    CHECK(getsockname(evconnlistener_get_fd(it->listeners[0]), (struct sockaddr *)&tcp, &size) ==
          0);
    it->port = ntohs(tcp.sin_port);
    return it;
}

/* Turns until nobody has moved for a few turns. */
static void settle(struct redis_double *it)
{
    unsigned moves = it->moves;

    for (int idle = 0; idle < IDLE_TURNS; idle++) {
        event_base_loop(it->base, EVLOOP_NONBLOCK);
        if (it->moves != moves) idle = 0;
        moves = it->moves;
        if (it->rest.size == 0) break;
    }
}

void redis_double_run(struct redis_double *it)
{
    settle(it);
    for (int turn = 0; turn < IDLE_TURNS; turn++) { /* the last answers arrive */
        event_base_loop(it->base, EVLOOP_NONBLOCK);
    }
}

void redis_double_free(struct redis_double *it)
{
    for (size_t i = 0; i < it->connection_count; i++) {
        reset(it, i);
    }
    evconnlistener_free(it->listeners[0]);
    evconnlistener_free(it->listeners[1]);
    unlink(it->path);
    free(it);
}
