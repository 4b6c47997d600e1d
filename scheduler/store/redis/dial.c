/* SPDX-License-Identifier: Apache-2.0 */
/* dial.c: resolve, then connect(2) to one address after the other.
 *
 *   resolving --> connecting to the 1st --> ... to the last --> failed
 *                          |                      |
 *                          +------> connected <---+
 *
 * A failure is told by `tell`, from the loop, because most of them are known at once. `patience` is
 * armed while we resolve or connect. */
#include "scheduler/store/redis/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/resolver.h"
#include "scheduler/store/redis/timer.h"

enum { WHY_SIZE = 320 };

struct dial {
    struct dial_options options;
    char host[HOST_SIZE_MAX + 1];
    uint16_t port;
    struct resolver *resolver; /* owned; NULL: not resolving */
    struct resolved found;
    size_t tried;             /* of `found` */
    int fd;                   /* -1: not connecting */
    struct event *connecting; /* owned, as long as `fd` */
    struct event *tell, *patience;
    char why[WHY_SIZE];
};

static void fail(struct dial *dial, const char *why)
{
    snprintf(dial->why, sizeof(dial->why), "%s", why);
    timer_arm(dial->tell, 0);
}

static void on_tell(evutil_socket_t fd, short what, void *context)
{
    struct dial *dial = context;
    char why[WHY_SIZE];

    (void)fd;
    (void)what;
    memcpy(why, dial->why, sizeof(why));
    dial->options.on_failed(dial->options.context, why);
}

/* Connecting -------------------------------------------------------------------------------- */

static void connect_next(struct dial *dial, int error);

static int forget_socket(struct dial *dial)
{
    int fd = dial->fd;

    if (dial->connecting) event_free(dial->connecting);
    dial->connecting = NULL;
    dial->fd = -1;
    event_del(dial->patience);
    return fd;
}

/* Commands are written whole: waiting for more only delays them. A connection that is idle for
 * hours is kept open through firewalls by its probes. */
static void tune(const struct dial *dial)
{
    int on = 1;

    if (!dial->port) return;
    (void)setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(dial->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void on_connecting(evutil_socket_t fd, short what, void *context)
{
    struct dial *dial = context;
    int error = 0;
    socklen_t size = sizeof(error);

    (void)what;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
    if (error != 0) {
        close(forget_socket(dial));
        connect_next(dial, error);
        return;
    }
    tune(dial);
    dial->options.on_connected(dial->options.context, forget_socket(dial));
}

/* Returns 0 when a connection is under way, or -errno. */
static int connect_to(struct dial *dial, const struct resolved_address *address)
{
    int family = address->as.any.sa_family, rc;

    dial->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0) return -errno;
    if (connect(dial->fd, &address->as.any, address->size) < 0 && errno != EINPROGRESS) {
        rc = -errno;
        close(forget_socket(dial));
        return rc;
    }
    dial->connecting =
        event_new(event_get_base(dial->tell), dial->fd, EV_WRITE, on_connecting, dial);
    CHECK(dial->connecting && event_add(dial->connecting, NULL) == 0);
    timer_arm(dial->patience, DIAL_MS_MAX);
    return 0;
}

/* `error` is why the one before failed. */
static void connect_next(struct dial *dial, int error)
{
    while (dial->tried < dial->found.count) {
        int rc = connect_to(dial, &dial->found.addresses[dial->tried++]);

        if (rc == 0) return;
        error = -rc;
    }
    fail(dial, strerror(error));
}

static void add_local(struct dial *dial, const char *path)
{
    struct resolved_address *address = &dial->found.addresses[0];

    address->as.local = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(address->as.local.sun_path, sizeof(address->as.local.sun_path), "%s", path);
    address->size = sizeof(address->as.local);
    dial->found.count = 1;
}

/* Resolving --------------------------------------------------------------------------------- */

static void set_ports(struct dial *dial)
{
    for (size_t i = 0; i < dial->found.count; i++) {
        struct resolved_address *address = &dial->found.addresses[i];

        if (address->as.any.sa_family == AF_INET)
            address->as.ipv4.sin_port = htons(dial->port);
        else
            address->as.ipv6.sin6_port = htons(dial->port);
    }
}

static void on_resolved(void *context, const struct resolved *resolved)
{
    struct dial *dial = context;
    char why[WHY_SIZE];

    dial->found = *resolved;
    dial->resolver = resolver_free(dial->resolver);
    event_del(dial->patience);
    if (dial->found.rc != 0) {
        snprintf(why, sizeof(why), "its host '%s' is not known: %s", dial->host,
                 gai_strerror(dial->found.rc));
        fail(dial, why);
        return;
    }
    set_ports(dial);
    connect_next(dial, EADDRNOTAVAIL);
}

static void resolve(struct dial *dial)
{
    if (resolve_number(dial->host, &dial->found) == 0) {
        set_ports(dial);
        connect_next(dial, EADDRNOTAVAIL);
        return;
    }
    dial->resolver = resolver_new(&(struct resolver_options){
        .base = event_get_base(dial->tell),
        .host = dial->host,
        .on_resolved = on_resolved,
        .context = dial,
    });
    if (dial->resolver)
        timer_arm(dial->patience, RESOLVE_MS_MAX);
    else
        fail(dial, "there is no thread to look its host up");
}

static void on_patience(evutil_socket_t fd, short what, void *context)
{
    struct dial *dial = context;

    (void)fd;
    (void)what;
    if (dial->resolver) {
        dial->resolver = resolver_free(dial->resolver);
        fail(dial, "looking its host up took too long");
    } else {
        close(forget_socket(dial));
        connect_next(dial, ETIMEDOUT);
    }
}

/* Life -------------------------------------------------------------------------------------- */

void dial_start(struct dial *dial, const struct redis_address *address)
{
    CHECK(!dial->resolver && dial->fd < 0);
    dial->found = (struct resolved){ 0 };
    dial->tried = 0;
    dial->port = address->path[0] ? 0 : address->port;
    if (address->path[0]) {
        add_local(dial, address->path);
        connect_next(dial, EADDRNOTAVAIL);
    } else {
        snprintf(dial->host, sizeof(dial->host), "%s", address->host);
        resolve(dial);
    }
}

void dial_stop(struct dial *dial)
{
    dial->resolver = resolver_free(dial->resolver);
    if (dial->fd >= 0) close(forget_socket(dial));
    event_del(dial->tell);
    event_del(dial->patience);
}

struct dial *dial_new(const struct dial_options *options)
{
    struct dial *dial = mem_zalloc(1, sizeof(*dial));

    dial->options = *options;
    dial->fd = -1;
    dial->tell = evtimer_new(options->base, on_tell, dial);
    dial->patience = evtimer_new(options->base, on_patience, dial);
    CHECK(dial->tell && dial->patience);
    return dial;
}

struct dial *dial_free(struct dial *dial)
{
    if (!dial) return NULL;
    dial_stop(dial);
    event_free(dial->tell);
    event_free(dial->patience);
    free(dial);
    return NULL;
}
