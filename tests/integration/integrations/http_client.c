/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/integrations/http_client.h"

#include "tests/support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_SIZE_MAX = 4096, RECEIVE_S_MAX = 30 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
};

static union address loopback(uint16_t port)
{
    return (union address){ .v4 = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
}

int http_try_connect(uint16_t port)
{
    union address address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

    CHECK(fd >= 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 65536 }, sizeof(int)) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = RECEIVE_S_MAX },
                     sizeof(struct timeval)) == 0);
    if (connect(fd, &address.any, sizeof address.v4) == 0) return fd;
    rc = -errno;
    close(fd);
    return rc;
}

int http_connect(uint16_t port)
{
    int fd = http_try_connect(port);

    if (fd < 0) fail_msg("port %u: %s", (unsigned)port, strerror(-fd));
    return fd;
}

void http_send(int fd, const char *text)
{
    size_t size = strlen(text);

    if (send(fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) fail_msg("send: %s", strerror(errno));
}

/* One byte at a time up to the blank line: what is behind the response must not be taken. */
static void read_head(int fd, struct http_reply *reply)
{
    reply->size = 0;
    do {
        if (reply->size + 1 == sizeof reply->text) fail_msg("an endless head");
        if (recv(fd, reply->text + reply->size, 1, 0) != 1)
            fail_msg("no whole head: '%.*s'", (int)reply->size, reply->text);
        reply->text[++reply->size] = '\0';
    } while (reply->size < 4 || strcmp(reply->text + reply->size - 4, "\r\n\r\n") != 0);
}

void http_read_reply(int fd, struct http_reply *ret)
{
    const char *length;
    size_t head_size, body_size;
    ssize_t got;

    read_head(fd, ret);
    head_size = ret->size;
    length = strcasestr(ret->text, "\r\nContent-Length:");
    body_size = length ? strtoul(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    if (head_size + body_size >= sizeof ret->text) fail_msg("a body of %zu bytes", body_size);
    for (ret->size = 0; ret->size < body_size; ret->size += (size_t)got) {
        got = recv(fd, ret->text + head_size + ret->size, body_size - ret->size, 0);
        if (got <= 0) fail_msg("the body ends after %zu of %zu bytes", ret->size, body_size);
    }
    ret->body = ret->text + head_size;
    ret->text[head_size + body_size] = '\0';
    if (sscanf(ret->text, "HTTP/1.%*d %d", &ret->status) != 1) fail_msg("no status line");
}

void http_get(uint16_t port, const char *path, const char *headers, struct http_reply *ret)
{
    char request[REQUEST_SIZE_MAX];
    int fd = http_connect(port);

    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", path,
             headers ? headers : "");
    http_send(fd, request);
    http_read_reply(fd, ret);
    close(fd);
}

size_t http_drain(int fd)
{
    char buffer[65536];
    size_t sum = 0;
    ssize_t got;

    while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        sum += (size_t)got;
    }
    if (got < 0) fail_msg("recv: %s", strerror(errno));
    close(fd);
    return sum;
}
