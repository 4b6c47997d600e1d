/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c: accepts connections, also when there are no descriptors left.
 *
 * At the descriptor limit accept(2) fails and the connection stays in the backlog, so that a
 * level-triggered listener spins at 100 % of a core. Here the listener goes to sleep for
 * RETRY_MS instead, and a descriptor kept in reserve is spent to accept and close the first one
 * in line: its client learns at once, rather than by its own timeout. */
#include "scheduler/http/private.h"

#include "common/base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BACKLOG = 4096, /* 8000 clients that connect at once overflow 128 */
    RETRY_MS = 100,
};

struct listener {
    LIST_ENTRY(listener) link;
    struct http *http;
    struct evconnlistener *ev; /* owned by evhttp once bound */
    struct evhttp_bound_socket *bound;
    struct event *retry;
    int reserve; /* a descriptor to spend; -1: spent */
    bool is_paused;
    bool is_resting; /* until `retry` */
    uint16_t port;
};

/* libevent hands its own evhttp to the error callback, so the listener is found here. */
static LIST_HEAD(, listener) listeners = LIST_HEAD_INITIALIZER(listeners);

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int parse_address(const char *text, uint16_t port, union address *ret, socklen_t *ret_size)
{
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(port);
        *ret_size = sizeof ret->v4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons(port);
        *ret_size = sizeof ret->v6;
        return 0;
    }
    return -EINVAL;
}

static bool is_loopback(const union address *address)
{
    if (address->any.sa_family == AF_INET) return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

static void apply(struct listener *listener)
{
    if (listener->is_paused || listener->is_resting)
        evconnlistener_disable(listener->ev);
    else
        evconnlistener_enable(listener->ev);
}

static void open_reserve(struct listener *listener)
{
    if (listener->reserve < 0) listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    struct listener *listener = context;

    (void)fd, (void)what;
    open_reserve(listener);
    listener->is_resting = false;
    apply(listener);
}

static struct listener *find(const struct evconnlistener *ev)
{
    struct listener *listener;

    LIST_FOREACH(listener, &listeners, link)
    {
        if (listener->ev == ev) return listener;
    }
    return NULL;
}

static void on_accept_error(struct evconnlistener *ev, void *evhttp)
{
    struct listener *listener = find(ev);
    int fd;

    (void)evhttp;
    CHECK(listener);
    listener->http->counts.accept_errors++;
    if (listener->reserve >= 0) {
        close(listener->reserve);
        listener->reserve = -1;
        fd = accept4(evconnlistener_get_fd(ev), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) close(fd);
        open_reserve(listener);
    }
    listener->is_resting = true;
    apply(listener);
    evtimer_add(listener->retry, &(struct timeval){ .tv_usec = RETRY_MS * 1000 });
}

static uint16_t bound_port(evutil_socket_t fd)
{
    union address address = { 0 };
    socklen_t size = sizeof address;

    if (getsockname(fd, &address.any, &size) < 0) return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* Connections inherit it. Without it, head and body of an answer wait for each other's ACK. */
static int set_options(struct listener *listener)
{
    int one = 1, rc;

    if (setsockopt(evconnlistener_get_fd(listener->ev), IPPROTO_TCP, TCP_NODELAY, &one,
                   sizeof one) == 0)
        return 0;
    rc = -errno;
    evconnlistener_free(listener->ev);
    return rc;
}

enum {
    LISTENER_FLAGS =
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE | LEV_OPT_DISABLED
};

static int listen_on(struct listener *listener, const union address *address, socklen_t size)
{
    listener->ev = evconnlistener_new_bind(listener->http->base, NULL, NULL, LISTENER_FLAGS,
                                           BACKLOG, &address->any, (int)size);
    if (!listener->ev) return errno ? -errno : -EIO;
    return set_options(listener);
}

/* Of a socket that somebody else made: it listens, on an address that we would. */
static int read_address(int fd, char ret[ADDRESS_SIZE_MAX])
{
    union address address = { 0 };
    socklen_t size = sizeof address, flag_size = sizeof(int);
    int is_listening = 0;
    const void *host = &address.v4.sin_addr;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &flag_size) < 0) return -errno;
    if (getsockname(fd, &address.any, &size) < 0) return -errno;
    if (!is_listening) return -EINVAL;
    if (address.any.sa_family == AF_INET6)
        host = &address.v6.sin6_addr;
    else if (address.any.sa_family != AF_INET)
        return -EAFNOSUPPORT;
    inet_ntop(address.any.sa_family, host, ret, ADDRESS_SIZE_MAX);
    return 0;
}

/* Its queue is made ours, too: the last listen(2) says how long it is. */
static int listen_with(struct listener *listener, int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    listener->ev =
        evconnlistener_new(listener->http->base, NULL, NULL, LISTENER_FLAGS, BACKLOG, fd);
    if (!listener->ev) return errno ? -errno : -EIO;
    return set_options(listener);
}

static int refuse(char *ret_why, size_t why_size, int rc, const char *address, uint16_t port,
                  const char *says)
{
    if (ret_why) snprintf(ret_why, why_size, "%s:%u: %s", address, (unsigned)port, says);
    return rc;
}

/* Tokens are sent in the clear where there is no TLS. */
static int check_reach(struct http *http, const union address *address, uint16_t port,
                       char *ret_why, size_t why_size)
{
    http->is_loopback = is_loopback(address);
    if (http->is_loopback || http->tls || http->is_plain_anywhere) return 0;
    return refuse(ret_why, why_size, -EACCES, http->address, port,
                  "to listen beyond loopback, give a certificate (tls-cert), or say insecure");
}

static struct listener *listener_new(struct http *http)
{
    struct listener *listener = mem_zalloc(1, sizeof *listener);

    listener->http = http;
    listener->reserve = -1;
    return listener;
}

static void begin(struct listener *listener)
{
    struct http *http = listener->http;

    listener->bound = evhttp_bind_listener(http->ev, listener->ev);
    listener->retry = evtimer_new(http->base, on_retry, listener);
    CHECK(listener->bound && listener->retry);
    evconnlistener_set_error_cb(listener->ev, on_accept_error);
    listener->port = bound_port(evconnlistener_get_fd(listener->ev));
    open_reserve(listener);
    LIST_INSERT_HEAD(&listeners, listener, link);
    apply(listener);
}

int listener_open(struct http *http, uint16_t port, struct listener **ret, char *ret_why,
                  size_t why_size)
{
    struct listener *listener;
    union address address;
    socklen_t size = 0;
    int rc = parse_address(http->address, port, &address, &size);

    if (rc < 0)
        return refuse(ret_why, why_size, rc, http->address, port, "this is no numeric address");

    rc = check_reach(http, &address, port, ret_why, why_size);
    if (rc < 0) return rc;
    listener = listener_new(http);
    rc = listen_on(listener, &address, size);
    if (rc < 0) {
        free(listener);
        return refuse(ret_why, why_size, rc, http->address, port, strerror(-rc));
    }
    begin(listener);
    *ret = listener;
    return 0;
}

int listener_adopt(struct http *http, int fd, struct listener **ret, char *ret_why, size_t why_size)
{
    uint16_t port = bound_port(fd);
    struct listener *listener;
    union address address;
    socklen_t size;
    int rc = read_address(fd, http->address);

    if (rc < 0)
        return refuse(ret_why, why_size, rc, "the socket that was handed over", port,
                      "it must listen, by TCP");
    CHECK(parse_address(http->address, port, &address, &size) == 0);
    rc = check_reach(http, &address, port, ret_why, why_size);
    if (rc < 0) return rc;
    listener = listener_new(http);
    rc = listen_with(listener, fd);
    if (rc < 0) {
        free(listener);
        return refuse(ret_why, why_size, rc, http->address, port, strerror(-rc));
    }
    begin(listener);
    *ret = listener;
    return 0;
}

struct listener *listener_close(struct listener *listener)
{
    if (!listener) return NULL;
    LIST_REMOVE(listener, link);
    evhttp_del_accept_socket(listener->http->ev, listener->bound);
    event_free(listener->retry);
    if (listener->reserve >= 0) close(listener->reserve);
    free(listener);
    return NULL;
}

void listener_pause(struct listener *listener)
{
    if (!listener || listener->is_paused) return;
    listener->is_paused = true;
    apply(listener);
}

void listener_resume(struct listener *listener)
{
    if (!listener || !listener->is_paused) return;
    listener->is_paused = false;
    apply(listener);
}

uint16_t listener_port(const struct listener *listener)
{
    return listener ? listener->port : 0;
}
