/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/system/load.h"

#include "common/base/check.h"
#include "tests/support/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_SIZE = 256, ANSWER_SIZE_MAX = 16384 };

struct client {
    struct load *load;
    pthread_t thread;
    const char *path;
    bool is_fast;
    _Atomic uint64_t answers;
};

struct load {
    uint16_t port;
    uint32_t count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    _Atomic bool is_on, is_over;
    struct client clients[LOAD_CLIENTS_MAX];
};

static int connect_to(uint16_t port)
{
    int fd = loopback_connect(port), on = 1;

    CHECK(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* The size of a whole answer, as soon as its head is there; else 0. */
static size_t answer_size(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    const char *length = strcasestr(answer, "\r\nContent-Length:");

    if (!body) return 0;
    CHECK(length != NULL && length < body);
    return (size_t)(body + 4 - answer) + strtoul(length + 17, NULL, 10);
}

/* Returns false if the server closed the connection instead. */
static bool ask(int fd, const char *request)
{
    char answer[ANSWER_SIZE_MAX + 1];
    size_t size = strlen(request), whole = 0;

    if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size) return false;
    size = 0;
    do {
        ssize_t got = recv(fd, answer + size, ANSWER_SIZE_MAX - size, 0);

        if (got <= 0) return false;
        size += (size_t)got;
        answer[size] = '\0';
        if (whole == 0) whole = answer_size(answer);
    } while (whole == 0 || size < whole);
    CHECK(strncmp(answer, "HTTP/1.1 ", 9) == 0);
    return true;
}

/* Waits until a client may ask. Returns false when all is over. */
static bool may_ask(struct client *client)
{
    struct load *load = client->load;

    if (!client->is_fast || load->is_on) return !load->is_over;
    pthread_mutex_lock(&load->lock);
    while (!load->is_on && !load->is_over) {
        pthread_cond_wait(&load->changed, &load->lock);
    }
    pthread_mutex_unlock(&load->lock);
    return !load->is_over;
}

static void *work(void *context)
{
    struct client *client = context;
    struct load *load = client->load;
    char request[REQUEST_SIZE];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", client->path);
    while (may_ask(client)) {
        int fd = connect_to(load->port);

        while (!load->is_over && (!client->is_fast || load->is_on)) {
            if (!ask(fd, request)) break;
            client->answers++;
        }
        close(fd);
    }
    return NULL;
}

struct load *load_start(const struct load_options *options)
{
    struct timespec apart = { .tv_nsec = options->slow_apart_ms % 1000 * 1000000L };
    struct load *load = mem_zalloc(1, sizeof *load);

    load->port = options->port;
    load->count = options->fast_count + options->slow_count;
    CHECK(load->count <= LOAD_CLIENTS_MAX);
    pthread_mutex_init(&load->lock, NULL);
    pthread_cond_init(&load->changed, NULL);
    /* The slow ones first, and apart: where a server's thread has several connections, each then
     * blocks one of its own, and the fast ones come to those that are left. */
    for (uint32_t i = 0; i < load->count; i++) {
        struct client *client = &load->clients[i];

        client->load = load;
        client->is_fast = i >= options->slow_count;
        client->path = client->is_fast ? options->fast : options->slow;
        CHECK(pthread_create(&client->thread, NULL, work, client) == 0);
        if (!client->is_fast) nanosleep(&apart, NULL);
    }
    return load;
}

static void load_set(struct load *load, _Atomic bool *what, bool value)
{
    pthread_mutex_lock(&load->lock);
    *what = value;
    pthread_cond_broadcast(&load->changed);
    pthread_mutex_unlock(&load->lock);
}

void load_let(struct load *load, bool is_on)
{
    load_set(load, &load->is_on, is_on);
}

uint64_t load_answers(struct load *load)
{
    uint64_t answers = 0;

    for (uint32_t i = 0; i < load->count; i++) {
        if (load->clients[i].is_fast) answers += load->clients[i].answers;
    }
    return answers;
}

void load_stop(struct load *load)
{
    load_set(load, &load->is_over, true);
    for (uint32_t i = 0; i < load->count; i++) {
        pthread_join(load->clients[i].thread, NULL);
    }
    pthread_cond_destroy(&load->changed);
    pthread_mutex_destroy(&load->lock);
    free(load);
}
