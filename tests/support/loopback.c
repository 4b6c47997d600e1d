/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/loopback.h"

#include "common/base/check.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAITING_MAX = 64 }; /* connections that nobody has accepted yet */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
};

static union address address_of(uint16_t port)
{
    return (union address){ .v4 = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
}

static int open_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    return fd;
}

int loopback_listen(uint16_t port, uint16_t *ret_port)
{
    union address address = address_of(port);
    socklen_t size = sizeof address.v4;
    int fd = open_socket(), on = 1;

    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, &address.any, size) == 0 && listen(fd, WAITING_MAX) == 0);
    CHECK(getsockname(fd, &address.any, &size) == 0);
    if (ret_port) *ret_port = ntohs(address.v4.sin_port);
    return fd;
}

int loopback_connect(uint16_t port)
{
    union address address = address_of(port);
    int fd = open_socket(), rc;

    if (connect(fd, &address.any, sizeof address.v4) == 0) return fd;
    rc = -errno;
    close(fd);
    return rc;
}
