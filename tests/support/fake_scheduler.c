/* SPDX-License-Identifier: Apache-2.0 */
/* fake_scheduler.c: an accepting thread, a thread per connection, one lock over everything. Bodies
 * are decoded with the wire's own decoders: a body that a scheduler would refuse fails the test. */
#include "tests/support/fake_scheduler.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/model/problem.h"
#include "tests/support/loopback.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    REQUESTS_MAX = 4096,
    CONNECTIONS_MAX = 1024,
    HEAD_SIZE_MAX = 4096,
    KIND_COUNT = 4,
};

static const char *const kinds[KIND_COUNT] = { "poll", "pulse", "report", "log" };

struct request {
    size_t kind;
    char *body;
    size_t size;
    bool is_taken; /* decided upon, whether or not the answer arrived */
};

struct connection {
    struct fake_scheduler *fake;
    pthread_t thread;
    int fd;
};

struct fake_scheduler {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int fd;
    uint16_t port;
    pthread_t thread;
    bool is_stopping, is_silent;
    struct connection connections[CONNECTIONS_MAX];
    uint32_t connection_count;
    struct request requests[REQUESTS_MAX];
    uint32_t request_count;
    struct fake_script scripts[KIND_COUNT];
    char head[HEAD_SIZE_MAX];
    const char *version;
    struct wire_poll_task tasks[256];
    uint32_t task_count;
    uint64_t epoch;
    uint32_t outcome;
};

static size_t kind_of(const char *name)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i], name) == 0) return i;
    }
    check_failed(name, __FILE__, __LINE__);
}

/* ---- what is answered ---- */

static void answer_poll(struct fake_scheduler *fake, const struct request *request, struct buf *to)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_poll_answer answer = { .protocol = WIRE_PROTOCOL };
    struct wire_poll poll;
    struct problem problem;
    struct timespec until;

    CHECK(wire_poll_decode((struct text){ request->body, request->size }, &arena, &poll,
                           &problem) == 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += POLL_PARK_MS / 1000;
    while (!fake->is_stopping && text_is_equal(poll.version, text_of(fake->version))) {
        if (pthread_cond_timedwait(&fake->changed, &fake->lock, &until) == ETIMEDOUT) break;
    }
    answer.version = text_of(fake->version);
    answer.tasks = fake->tasks;
    answer.tasks_count = fake->task_count;
    CHECK(wire_poll_answer_encode(&answer, to) == 0);
}

static void answer_pulse(struct fake_scheduler *fake, const struct request *request, struct buf *to)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_pulse_answer answer = { .protocol = WIRE_PROTOCOL, .epoch = fake->epoch };
    struct wire_pulse pulse;
    struct problem problem;

    CHECK(wire_pulse_decode((struct text){ request->body, request->size }, &arena, &pulse,
                            &problem) == 0);
    CHECK(wire_pulse_answer_encode(&answer, to) == 0);
}

static bool is_known_report(const struct fake_scheduler *fake, const struct request *request)
{
    for (uint32_t i = 0; i < fake->request_count; i++) {
        const struct request *it = &fake->requests[i];

        if (it != request && it->is_taken && it->kind == request->kind &&
            it->size == request->size && memcmp(it->body, request->body, it->size) == 0)
            return true;
    }
    return false;
}

static void answer_report(struct fake_scheduler *fake, const struct request *request,
                          struct buf *to)
{
    struct wire_report_answer answer = { .protocol = WIRE_PROTOCOL, .outcome = fake->outcome };

    if (is_known_report(fake, request)) answer.outcome = REPORT_KNOWN;
    CHECK(wire_report_answer_encode(&answer, to) == 0);
}

static void answer_log(struct fake_scheduler *fake, const struct request *request, struct buf *to)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_log log;
    struct problem problem;

    (void)fake;
    (void)to;
    CHECK(wire_log_decode((struct text){ request->body, request->size }, &arena, &log, &problem) ==
          0);
}

static void (*const answerers[KIND_COUNT])(struct fake_scheduler *, const struct request *,
                                           struct buf *) = { answer_poll, answer_pulse,
                                                             answer_report, answer_log };

/* ---- connections ---- */

static bool send_bytes(int fd, struct text bytes)
{
    while (bytes.size > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);

        if (sent <= 0) return false;
        bytes.data += sent;
        bytes.size -= (size_t)sent;
    }
    return true;
}

/* As a scheduler refuses. */
static void write_problem(const struct fake_script *script, struct buf *to)
{
    buf_printf(to, "{\"type\":\"scripted\",\"title\":\"Scripted\",\"status\":%d,\"detail\":\"%s\"}",
               script->status, script->detail);
}

static bool send_answer(int fd, int status, int retry_after_s, struct text body)
{
    char head[256];
    int size;

    if (status == 200 && body.size == 0) status = 204;
    size = snprintf(head, sizeof head,
                    "HTTP/1.1 %d Scripted\r\nContent-Length: %zu\r\n"
                    "Content-Type: application/%s\r\n",
                    status, body.size, status < 400 ? "msgpack" : "problem+json");

    if (retry_after_s > 0)
        size +=
            snprintf(head + size, sizeof head - (size_t)size, "Retry-After: %d\r\n", retry_after_s);
    size += snprintf(head + size, sizeof head - (size_t)size, "\r\n");
    return send_bytes(fd, (struct text){ head, (size_t)size }) && send_bytes(fd, body);
}

/* Reads the head byte by byte, which is slow and simple. False at a close. */
static bool read_head(int fd, char ret[HEAD_SIZE_MAX])
{
    size_t size = 0;

    while (size < 4 || memcmp(ret + size - 4, "\r\n\r\n", 4) != 0) {
        CHECK(size + 1 < HEAD_SIZE_MAX);
        if (recv(fd, ret + size, 1, 0) != 1) return false;
        size++;
    }
    ret[size] = '\0';
    return true;
}

static bool read_request(int fd, char head[HEAD_SIZE_MAX], struct request *ret)
{
    char kind[16] = "";
    const char *length;

    *ret = (struct request){ 0 };
    if (!read_head(fd, head)) return false;
    CHECK(sscanf(head, "POST /probe/v1/%15[a-z] HTTP/1.1\r\nHost: 127.0.0.1:", kind) == 1);
    CHECK(strstr(head, "\r\nContent-Type: application/msgpack\r\n") != NULL);
    length = strstr(head, "\r\nContent-Length: ");
    CHECK(length && sscanf(length + 2, "Content-Length: %zu", &ret->size) == 1);
    ret->kind = kind_of(kind);
    ret->body = mem_alloc(ret->size + 1);
    if (recv(fd, ret->body, ret->size, MSG_WAITALL) == (ssize_t)ret->size) return true;
    free(ret->body);
    return false;
}

/* Decides with the lock held, answers without it. False: the connection is over. */
static bool serve_request(struct fake_scheduler *fake, int fd)
{
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
    struct fake_script script = { .status = 200 };
    struct request request, *kept;
    char head[HEAD_SIZE_MAX];

    if (!read_request(fd, head, &request)) return false;
    pthread_mutex_lock(&fake->lock);
    CHECK(fake->request_count < REQUESTS_MAX);
    kept = &fake->requests[fake->request_count++];
    *kept = request;
    memcpy(fake->head, head, sizeof head);
    if (fake->scripts[request.kind].times > 0) {
        fake->scripts[request.kind].times--;
        script = fake->scripts[request.kind];
        kept->is_taken = script.status == 0;
    } else {
        kept->is_taken = true;
        answerers[request.kind](fake, kept, &body);
    }
    while (fake->is_silent && !fake->is_stopping) {
        pthread_cond_wait(&fake->changed, &fake->lock);
    }
    pthread_mutex_unlock(&fake->lock);
    if (script.status == 0) return false;
    if (script.detail) write_problem(&script, &body);
    return send_answer(fd, script.status, script.retry_after_s, buf_peek(&body));
}

static void *run_connection(void *argument)
{
    struct connection *connection = argument;

    while (serve_request(connection->fake, connection->fd)) {
        /* The next one. */
    }
    shutdown(connection->fd, SHUT_RDWR);
    return NULL;
}

static void *run_accept(void *argument)
{
    struct fake_scheduler *fake = argument;
    int fd;

    while ((fd = accept(fake->fd, NULL, NULL)) >= 0) {
        struct connection *connection;

        pthread_mutex_lock(&fake->lock);
        CHECK(fake->connection_count < CONNECTIONS_MAX);
        connection = &fake->connections[fake->connection_count++];
        *connection = (struct connection){ .fake = fake, .fd = fd };
        if (fake->is_stopping) shutdown(fd, SHUT_RDWR);
        CHECK(pthread_create(&connection->thread, NULL, run_connection, connection) == 0);
        pthread_mutex_unlock(&fake->lock);
    }
    return NULL;
}

/* ---- for the test ---- */

struct fake_scheduler *fake_scheduler_start(uint16_t port)
{
    struct fake_scheduler *fake = mem_zalloc(1, sizeof *fake);

    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    fake->version = "v1";
    fake->epoch = 1;
    fake->outcome = REPORT_ACCEPTED;
    fake->fd = loopback_listen(port, &fake->port);
    CHECK(pthread_create(&fake->thread, NULL, run_accept, fake) == 0);
    return fake;
}

void fake_scheduler_stop(struct fake_scheduler *fake)
{
    if (!fake) return;
    pthread_mutex_lock(&fake->lock);
    fake->is_stopping = true;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    shutdown(fake->fd, SHUT_RDWR);
    pthread_join(fake->thread, NULL);
    for (uint32_t i = 0; i < fake->connection_count; i++) {
        shutdown(fake->connections[i].fd, SHUT_RDWR);
        pthread_join(fake->connections[i].thread, NULL);
        close(fake->connections[i].fd);
    }
    close(fake->fd);
    for (uint32_t i = 0; i < fake->request_count; i++) {
        free(fake->requests[i].body);
    }
    pthread_mutex_destroy(&fake->lock);
    pthread_cond_destroy(&fake->changed);
    free(fake);
}

uint16_t fake_scheduler_port(const struct fake_scheduler *fake)
{
    return fake->port;
}

void fake_scheduler_set_tasks(struct fake_scheduler *fake, const char *version,
                              const struct wire_poll_task *tasks, uint32_t count)
{
    CHECK(count <= ARRAY_COUNT(fake->tasks));
    pthread_mutex_lock(&fake->lock);
    if (count > 0) memcpy(fake->tasks, tasks, count * sizeof *tasks);
    fake->task_count = count;
    fake->version = version;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

void fake_scheduler_set_epoch(struct fake_scheduler *fake, uint64_t epoch)
{
    pthread_mutex_lock(&fake->lock);
    fake->epoch = epoch;
    pthread_mutex_unlock(&fake->lock);
}

void fake_scheduler_set_outcome(struct fake_scheduler *fake, uint32_t outcome)
{
    pthread_mutex_lock(&fake->lock);
    fake->outcome = outcome;
    pthread_mutex_unlock(&fake->lock);
}

void fake_scheduler_set_silent(struct fake_scheduler *fake, bool is_silent)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_silent = is_silent;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

void fake_scheduler_script(struct fake_scheduler *fake, const char *kind, struct fake_script script)
{
    pthread_mutex_lock(&fake->lock);
    fake->scripts[kind_of(kind)] = script;
    pthread_mutex_unlock(&fake->lock);
}

uint32_t fake_scheduler_count(struct fake_scheduler *fake, const char *kind)
{
    size_t wanted = kind_of(kind);
    uint32_t count = 0;

    pthread_mutex_lock(&fake->lock);
    for (uint32_t i = 0; i < fake->request_count; i++) {
        if (fake->requests[i].kind == wanted) count++;
    }
    pthread_mutex_unlock(&fake->lock);
    return count;
}

struct text fake_scheduler_body(struct fake_scheduler *fake, const char *kind, uint32_t index)
{
    size_t wanted = kind_of(kind);
    struct text body = { NULL, 0 };

    pthread_mutex_lock(&fake->lock);
    for (uint32_t i = 0; i < fake->request_count && !body.data; i++) {
        const struct request *it = &fake->requests[i];

        if (it->kind != wanted || index-- > 0) continue;
        body = (struct text){ it->body, it->size };
    }
    pthread_mutex_unlock(&fake->lock);
    CHECK(body.data != NULL);
    return body;
}

void fake_scheduler_head(struct fake_scheduler *fake, char *ret, size_t size)
{
    pthread_mutex_lock(&fake->lock);
    snprintf(ret, size, "%s", fake->head);
    pthread_mutex_unlock(&fake->lock);
}
