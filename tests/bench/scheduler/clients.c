/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/scheduler/clients.h"

#include "common/base/check.h"
#include "tests/support/loopback.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, WAIT_MS_MAX = 30000, ANSWER_SIZE_MAX = 4096 };

struct client {
    int fd;
    uint32_t size; /* of the answer that is coming */
    char answer[ANSWER_SIZE_MAX];
};

static void die(const char *why, const char *what)
{
    fprintf(stderr, "bench_http: %s: %s\n", why, what);
    exit(1);
}

void clients_open(struct clients *clients, uint16_t port, size_t count)
{
    int on = 1;

    *clients = (struct clients){ .poll_fd = epoll_create1(EPOLL_CLOEXEC), .count = count };
    clients->each = mem_zalloc(count, sizeof *clients->each);
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.u64 = i };
        int fd = loopback_connect(port);

        if (fd < 0) die("connect", strerror(errno));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        clients->each[i].fd = fd;
        CHECK(epoll_ctl(clients->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
    }
}

void clients_close(struct clients *clients)
{
    for (size_t i = 0; i < clients->count; i++) {
        close(clients->each[i].fd);
    }
    close(clients->poll_fd);
    free(clients->each);
}

void clients_send(struct clients *clients, size_t index, struct text request)
{
    if (send(clients->each[index].fd, request.data, request.size, MSG_NOSIGNAL) !=
        (ssize_t)request.size)
        die("send", strerror(errno));
}

/* Head and as many bytes as it says; then the next one begins. */
static bool is_whole(struct client *client)
{
    const char *end, *length;

    client->answer[client->size] = '\0';
    end = strstr(client->answer, "\r\n\r\n");
    if (!end) return false;
    if (strncmp(client->answer, "HTTP/1.1 200", 12) != 0) die("answered", client->answer);
    length = strstr(client->answer, "Content-Length: ");
    if (!length) die("no length", client->answer);
    return client->size >= (size_t)(end + 4 - client->answer) + strtoul(length + 16, NULL, 10);
}

static bool take(struct client *client)
{
    ssize_t got = recv(client->fd, client->answer + client->size,
                       ANSWER_SIZE_MAX - 1 - client->size, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) die("recv", got == 0 ? "closed" : strerror(errno));
    client->size += (uint32_t)got;
    if (!is_whole(client)) return false;
    client->size = 0;
    return true;
}

/* What there is to send: `left` more. */
struct supply {
    clients_next_fn next;
    void *context;
    size_t left;
};

static void send_next(struct clients *clients, size_t index, const struct supply *supply)
{
    struct text request;

    supply->next(supply->context, &request);
    clients_send(clients, index, request);
}

/* Takes what came; who has an answer sends the next, while there are some. */
static size_t turn(struct clients *clients, struct supply *supply)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(clients->poll_fd, events, EVENTS, WAIT_MS_MAX);
    size_t answers = 0;

    if (count <= 0) die("no answer", "in 30 s");
    for (int i = 0; i < count; i++) {
        if (!take(&clients->each[events[i].data.u64])) continue;
        answers++;
        if (supply->left == 0) continue;
        send_next(clients, events[i].data.u64, supply);
        supply->left--;
    }
    clients->answers += answers;
    return answers;
}

void clients_await(struct clients *clients, size_t answers)
{
    struct supply none = { 0 };

    for (size_t got = 0; got < answers;) {
        got += turn(clients, &none);
    }
}

static void same(void *context, struct text *ret)
{
    *ret = *(const struct text *)context;
}

void clients_run(struct clients *clients, struct text request, size_t requests)
{
    clients_run_each(clients, same, &request, requests);
}

void clients_run_each(struct clients *clients, clients_next_fn next, void *context, size_t requests)
{
    struct supply supply = { next, context, requests - clients->count };

    for (size_t i = 0; i < clients->count; i++) {
        send_next(clients, i, &supply);
    }
    for (size_t got = 0; got < requests;) {
        got += turn(clients, &supply);
    }
}
