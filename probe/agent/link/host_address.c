/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/link/host_address.h"

#include "common/base/own.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* RFC 5737 and RFC 3849: addresses of nobody, reached by the default route if there is one. */
#define NOBODY_V4 "192.0.2.1"
#define NOBODY_V6 "2001:db8::1"
enum { PORT_DISCARD = 9 };

static bool is_loopback(struct text ip)
{
    return text_starts_with(ip, TEXT("127.")) || text_is_equal(ip, TEXT("::1")) ||
           text_starts_with(ip, TEXT("::ffff:127."));
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Our end of the route to `peer`, which takes its place; `ip` is where in it the address is. */
static int route_address(union address *peer, socklen_t size, const void *ip,
                         char ret[HOST_IP_SIZE_MAX + 1])
{
    int family = peer->any.sa_family;
    OWN(fd_closep) int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, &peer->any, size) < 0) return -1;
    if (getsockname(fd, &peer->any, &size) < 0) return -1;
    return inet_ntop(family, ip, ret, HOST_IP_SIZE_MAX + 1) ? 0 : -1;
}

static int route_address_v4(char ret[HOST_IP_SIZE_MAX + 1])
{
    union address peer = { .v4 = { .sin_family = AF_INET, .sin_port = htons(PORT_DISCARD) } };

    inet_pton(AF_INET, NOBODY_V4, &peer.v4.sin_addr);
    return route_address(&peer, sizeof peer.v4, &peer.v4.sin_addr, ret);
}

static int route_address_v6(char ret[HOST_IP_SIZE_MAX + 1])
{
    union address peer = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT_DISCARD) } };

    inet_pton(AF_INET6, NOBODY_V6, &peer.v6.sin6_addr);
    return route_address(&peer, sizeof peer.v6, &peer.v6.sin6_addr, ret);
}

void host_address_find(struct text connection_ip, char ret[HOST_IP_SIZE_MAX + 1])
{
    if (connection_ip.size > 0 && connection_ip.size <= HOST_IP_SIZE_MAX &&
        !is_loopback(connection_ip)) {
        snprintf(ret, HOST_IP_SIZE_MAX + 1, "%.*s", TEXT_ARGS(connection_ip));
        return;
    }
    if (route_address_v4(ret) == 0 || route_address_v6(ret) == 0) return;
    snprintf(ret, HOST_IP_SIZE_MAX + 1, "127.0.0.1");
}
