/* SPDX-License-Identifier: Apache-2.0 */
/* event_loop.c: a server with one thread and many requests, which moves its calls out of the way.
 *
 *     ./event_loop 8080 &                        without a port: any free one, which it says
 *     curl http://127.0.0.1:8080/fast            answered at once
 *     curl http://127.0.0.1:8080/slow            asks its upstream, which takes 300 ms
 *
 * With one thread per request, begin and end are all that is needed: the thread is the call.
 * Here one thread runs a little of this call, then a little of another. So a call is detached
 * where its handler returns to the loop with the work unfinished, saying what it waits for, and
 * attached where the loop comes back to it. Its snapshots then show "(detached)" for that time,
 * waiting for "upstream", and never the stack of somebody else's call.
 *
 * The upstream is a timer, to keep the example short; a socket would be treated alike. */
#include <stakeout/stakeout.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, REQUEST_SIZE_MAX = 2048, UPSTREAM_MS = 300 };

/* Whatever epoll waits for. The first member of all that it hands back to us. */
struct waiter {
    int fd;
    void (*on_ready)(struct waiter *waiter);
};

/* One request, from accept to its answer. */
struct request {
    struct waiter client;
    struct waiter upstream; /* fd -1: not asked */
    stakeout_call call;
    size_t size;
    char text[REQUEST_SIZE_MAX];
};

static int epoll_fd;
static stakeout_interface_id fast_interface, slow_interface;

static int wait_for(struct waiter *waiter)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = waiter };

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, waiter->fd, &event);
}

static void finish(struct request *request, int status, const char *body)
{
    char answer[256];
    int size = snprintf(answer, sizeof answer, "HTTP/1.0 %d OK\r\nContent-Length: %zu\r\n\r\n%s",
                        status, strlen(body), body);

    if (send(request->client.fd, answer, (size_t)size, MSG_NOSIGNAL) < 0) perror("send");
    stakeout_call_end(request->call, status);
    close(request->client.fd);
    if (request->upstream.fd >= 0) close(request->upstream.fd);
    free(request);
}

static void on_upstream(struct waiter *waiter)
{
    struct request *request =
        (struct request *)((char *)waiter - offsetof(struct request, upstream));

    stakeout_call_attach(request->call); /* the loop came back to it */
    finish(request, 200, "slow\n");
}

static void ask_upstream(struct request *request)
{
    struct itimerspec when = { .it_value.tv_nsec = UPSTREAM_MS * 1000000L };

    request->upstream.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    request->upstream.on_ready = on_upstream;
    if (request->upstream.fd < 0 || timerfd_settime(request->upstream.fd, 0, &when, NULL) < 0 ||
        wait_for(&request->upstream) < 0) {
        finish(request, 503, "no upstream\n");
        return;
    }
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, request->client.fd, NULL);
    stakeout_call_detach(request->call, "upstream"); /* until on_upstream() */
}

static void serve(struct request *request)
{
    if (strncmp(request->text, "GET /slow ", 10) == 0) {
        request->call = stakeout_call_begin(slow_interface);
        ask_upstream(request);
    } else {
        request->call = stakeout_call_begin(fast_interface);
        finish(request, 200, "fast\n");
    }
}

static void on_client(struct waiter *waiter)
{
    struct request *request = (struct request *)waiter;
    size_t room = sizeof request->text - 1 - request->size;
    ssize_t got = recv(request->client.fd, request->text + request->size, room, 0);

    if (got <= 0) {
        close(request->client.fd);
        free(request);
        return;
    }
    request->size += (size_t)got;
    request->text[request->size] = '\0';
    if (strstr(request->text, "\r\n\r\n")) {
        serve(request);
    } else if (request->size == sizeof request->text - 1) {
        finish(request, 431, "too long\n");
    }
}

static void on_connection(struct waiter *listener)
{
    struct request *request = calloc(1, sizeof *request);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (!request || fd < 0) {
        free(request);
        if (fd >= 0) close(fd);
        return;
    }
    request->client = (struct waiter){ fd, on_client };
    request->upstream.fd = -1;
    if (wait_for(&request->client) < 0) {
        close(fd);
        free(request);
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) return -1;
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 64) < 0) return -1;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) return -1;
    printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_MAX];
    struct waiter listener = { .on_ready = on_connection };

    stakeout_start(NULL);
    fast_interface = stakeout_interface("GET /fast");
    slow_interface = stakeout_interface("GET /slow");

    listener.fd = listen_on((uint16_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 0));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (listener.fd < 0 || epoll_fd < 0 || wait_for(&listener) < 0) {
        perror("event_loop");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            struct waiter *waiter = events[i].data.ptr;

            waiter->on_ready(waiter);
        }
    }
}
