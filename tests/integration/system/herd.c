/* SPDX-License-Identifier: Apache-2.0 */
/* herd.c: a state machine for each instance, all of them in one thread over epoll.
 *
 *   AWAY --due--> DIALING --connected: asks--> ASKED --answered: asks again--> ASKED
 *    ^               |                          |  ^
 *    |               |                       503|  |due: asks again
 *    |               |                          v  |
 *    +---refused-----+-----------cut off------- RESTING
 *
 * In ASKED the poll is on its way, or parked: who asks cannot tell. */
#include "tests/integration/system/herd.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/random.h"
#include "common/model/problem.h"
#include "common/wire/messages.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    AGAIN_MS = 50, /* until one that was refused comes again */
    TURN_MS = 10,
    EVENTS = 512,
    HOSTS = 16, /* addresses that they come from: 127.0.0.2 and on */
    ANSWER_SIZE_MAX = 2048,
    REQUEST_SIZE_MAX = 2048,
};

enum member_state { AWAY, DIALING, ASKED, RESTING };

struct member {
    enum member_state state;
    int fd;          /* -1 when AWAY */
    uint64_t due_ns; /* of AWAY and RESTING */
    uint64_t incarnation;
    char version[65];
    _Atomic uint32_t task_count; /* of the latest answer; the thread writes, others read */
    uint32_t size;               /* of the answer that is coming */
    char answer[ANSWER_SIZE_MAX + 1];
};

struct herd {
    uint16_t port;
    char application[64];
    size_t count;
    struct member *members;
    int poll_fd;
    pthread_t thread;
    _Atomic bool is_stopping;
    _Atomic uint32_t connected, lost, refused;
};

static void watch(struct herd *herd, struct member *member, uint32_t events, int how)
{
    struct epoll_event event = { .events = events, .data.ptr = member };

    CHECK(epoll_ctl(herd->poll_fd, how, member->fd, &event) == 0);
}

static void leave(struct member *member, uint64_t due_ns)
{
    close(member->fd); /* epoll forgets it */
    member->fd = -1;
    member->state = AWAY;
    member->due_ns = due_ns;
    member->size = 0;
}

/* Whoever was connected comes back at once. */
static void lose(struct herd *herd, struct member *member)
{
    atomic_fetch_add(&herd->lost, 1);
    leave(member, 0);
}

static void encode_poll(const struct herd *herd, const struct member *member, struct buf *to)
{
    char instance[32];
    struct wire_poll poll = { .protocol = WIRE_PROTOCOL,
                              .application = text_of(herd->application),
                              .incarnation = member->incarnation,
                              .version = text_of(member->version),
                              .clock_wall_ns = clock_wall_ns() };

    snprintf(instance, sizeof instance, "herd-%zu", (size_t)(member - herd->members));
    poll.instance = text_of(instance);
    CHECK(wire_poll_encode(&poll, to) == 0);
}

static void ask(struct herd *herd, struct member *member)
{
    OWN(buf_done) struct buf body = BUF_INIT(REQUEST_SIZE_MAX);
    OWN(buf_done) struct buf request = BUF_INIT(2 * REQUEST_SIZE_MAX);

    encode_poll(herd, member, &body);
    buf_printf(&request,
               "POST /probe/v1/poll HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
               "Content-Type: application/msgpack\r\nContent-Length: %zu\r\n\r\n",
               (unsigned)herd->port, body.size);
    CHECK(buf_text(&request, buf_peek(&body)) == 0);
    member->state = ASKED;
    if (send(member->fd, request.data, request.size, MSG_NOSIGNAL) != (ssize_t)request.size)
        lose(herd, member);
}

/* Dialing ------------------------------------------------------------------------------------ */

static int open_socket(size_t index)
{
    struct sockaddr_in from = { .sin_family = AF_INET,
                                .sin_addr.s_addr =
                                    htonl(INADDR_LOOPBACK + 1 + (uint32_t)(index % HOSTS)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    CHECK(fd >= 0);
    CHECK(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&from, sizeof from) == 0);
    return fd;
}

static void dial(struct herd *herd, struct member *member, uint64_t now_ns)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(herd->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    member->fd = open_socket((size_t)(member - herd->members));
    if (connect(member->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        leave(member, now_ns + ms_to_ns(AGAIN_MS));
        return;
    }
    member->state = DIALING;
    watch(herd, member, EPOLLOUT, EPOLL_CTL_ADD);
}

static void on_dialed(struct herd *herd, struct member *member, uint64_t now_ns)
{
    socklen_t size = sizeof(int);
    int error = 0;

    CHECK(getsockopt(member->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    if (error != 0) {
        leave(member, now_ns + ms_to_ns(AGAIN_MS));
        return;
    }
    atomic_fetch_add(&herd->connected, 1);
    watch(herd, member, EPOLLIN, EPOLL_CTL_MOD);
    ask(herd, member);
}

/* Answers ------------------------------------------------------------------------------------ */

/* The body, once head and body are whole; data NULL: more must come. */
static struct text whole_body(const struct member *member)
{
    const char *end = strstr(member->answer, "\r\n\r\n");
    const char *length = end ? strstr(member->answer, "Content-Length: ") : NULL;
    struct text body = { NULL, 0 };

    if (!length || length > end) return body;
    body = (struct text){ end + 4, strtoul(length + 16, NULL, 10) };
    if (body.data + body.size > member->answer + member->size) body.data = NULL;
    return body;
}

static void take_tasks(struct member *member, struct text body)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_poll_answer told;
    struct problem problem;

    CHECK(wire_poll_answer_decode(body, &arena, &told, &problem) == 0);
    snprintf(member->version, sizeof member->version, "%.*s", TEXT_ARGS(told.version));
    atomic_store(&member->task_count, told.tasks_count);
}

static void on_answer(struct herd *herd, struct member *member, struct text body, uint64_t now_ns)
{
    bool is_taken = strncmp(member->answer, "HTTP/1.1 200", 12) == 0;

    if (!is_taken && strncmp(member->answer, "HTTP/1.1 503", 12) != 0) {
        fprintf(stderr, "herd: a poll was answered: %s\n", member->answer);
        abort();
    }
    member->size = 0;
    if (is_taken) {
        take_tasks(member, body);
        ask(herd, member);
    } else {
        atomic_fetch_add(&herd->refused, 1);
        member->state = RESTING;
        member->due_ns = now_ns + ms_to_ns(AGAIN_MS);
    }
}

static void on_readable(struct herd *herd, struct member *member, uint64_t now_ns)
{
    ssize_t got = recv(member->fd, member->answer + member->size, ANSWER_SIZE_MAX - member->size,
                       MSG_DONTWAIT);
    struct text body;

    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        lose(herd, member);
        return;
    }
    member->size += (uint32_t)got;
    member->answer[member->size] = '\0';
    body = whole_body(member);
    if (body.data) on_answer(herd, member, body, now_ns);
}

/* Life --------------------------------------------------------------------------------------- */

static void move_due(struct herd *herd, uint64_t now_ns)
{
    for (size_t i = 0; i < herd->count; i++) {
        struct member *member = &herd->members[i];

        if (member->due_ns > now_ns) continue;
        if (member->state == AWAY) dial(herd, member, now_ns);
        if (member->state == RESTING) ask(herd, member);
    }
}

static void *run(void *context)
{
    struct herd *herd = context;
    struct epoll_event events[EVENTS];

    while (!atomic_load(&herd->is_stopping)) {
        uint64_t now_ns = clock_monotonic_ns();
        int count;

        move_due(herd, now_ns);
        count = epoll_wait(herd->poll_fd, events, EVENTS, TURN_MS);
        for (int i = 0; i < count; i++) {
            struct member *member = events[i].data.ptr;

            if (member->state == DIALING)
                on_dialed(herd, member, now_ns);
            else
                on_readable(herd, member, now_ns);
        }
    }
    return NULL;
}

struct herd *herd_start(uint16_t port, const char *application, size_t count)
{
    struct herd *herd = mem_zalloc(1, sizeof *herd);

    herd->port = port;
    snprintf(herd->application, sizeof herd->application, "%s", application);
    herd->count = count;
    herd->members = mem_zalloc(count, sizeof *herd->members);
    herd->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(herd->poll_fd >= 0);
    for (size_t i = 0; i < count; i++) {
        herd->members[i].fd = -1;
        herd->members[i].incarnation = random_u64();
    }
    CHECK(pthread_create(&herd->thread, NULL, run, herd) == 0);
    return herd;
}

void herd_stop(struct herd *herd)
{
    atomic_store(&herd->is_stopping, true);
    pthread_join(herd->thread, NULL);
    for (size_t i = 0; i < herd->count; i++) {
        if (herd->members[i].fd >= 0) close(herd->members[i].fd);
    }
    close(herd->poll_fd);
    free(herd->members);
    free(herd);
}

size_t herd_told_count(struct herd *herd, uint32_t task_count)
{
    size_t count = 0;

    for (size_t i = 0; i < herd->count; i++) {
        count += atomic_load(&herd->members[i].task_count) == task_count;
    }
    return count;
}

struct herd_figures herd_figures(struct herd *herd)
{
    return (struct herd_figures){ atomic_load(&herd->connected), atomic_load(&herd->lost),
                                  atomic_load(&herd->refused) };
}
