/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/scheduler/http_room.h"

#include "tests/integration/scheduler/room_line.h"
#include "tests/support/loopback.h"
#include "tests/support/test.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint64_t patience_ns = 10 * NS_PER_S;

enum { HANDSHAKE_TURNS = 20 }; /* more than it takes, if the server listens at all */

/* --- routes --- */

static void on_hello(struct http_request *request, void *context)
{
    (void)context;
    room.handled_count++;
    http_reply(request, 200, "text/plain", TEXT("hello\n"));
}

static void on_echo(struct http_request *request, void *context)
{
    (void)context;
    room.handled_count++;
    http_reply(request, 200, "application/octet-stream", http_body(request));
}

static void reply_large(struct http_request *request)
{
    char *body = mem_alloc(room.large_size);

    memset(body, 'x', room.large_size);
    http_reply_take(request, 200, "text/plain", body, room.large_size);
}

static void on_large(struct http_request *request, void *context)
{
    (void)context;
    room.handled_count++;
    reply_large(request);
}

static void on_number(struct http_request *request, void *context)
{
    char text[32];

    (void)context;
    room.handled_count++;
    snprintf(text, sizeof text, "\n#%.*s.", TEXT_ARGS(http_param(request, "number")));
    http_reply(request, 200, "text/plain", text_of(text));
}

static void on_gone(void *context)
{
    (void)context;
    room.gone_count++;
}

static void on_park(struct http_request *request, void *context)
{
    (void)context;
    room.handled_count++;
    room.parked[room.parked_count++] = request;
    http_park(request, on_gone, NULL);
}

static void on_stream(struct http_request *request, void *context)
{
    (void)context;
    room.handled_count++;
    room.parked[room.parked_count++] = request;
    http_stream_begin(request, "text/event-stream", on_gone, NULL);
}

/* A pipe, whose other end the test reads. */
static int on_sink_open(void *context, uint64_t body_size, void **ret_sink,
                        struct http_refusal *ret_why)
{
    int ends[2];

    (void)context;
    if (body_size > ROOM_SINK_SIZE_MAX) {
        *ret_why =
            (struct http_refusal){ .status = 413, .slug = "too-large", .title = "Too large" };
        snprintf(ret_why->detail, sizeof ret_why->detail, "At most %d bytes.", ROOM_SINK_SIZE_MAX);
        return -1;
    }
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    room.sink_fd = ends[0];
    room.sink_opened++;
    *ret_sink = &room;
    return ends[1];
}

static void on_sink_drop(void *sink)
{
    assert_ptr_equal(sink, &room);
    room.sink_dropped++;
}

static const struct http_sink pipe_sink = { on_sink_open, on_sink_drop };

static void on_sunk(struct http_request *request, void *context)
{
    (void)context;
    room.handled_count++;
    assert_int_equal(http_body(request).size, 0);
    http_reply(request, 201, "text/plain",
               http_sink_take(request) ? TEXT("sunk\n") : TEXT("dry\n"));
}

static const struct http_route routes[] = {
    { HTTP_GET, "/hello", HTTP_VIEWER, 0, on_hello, NULL, false },
    { HTTP_GET, "/open", HTTP_ANYONE, 0, on_hello, NULL, false },
    { HTTP_GET, "/large", HTTP_VIEWER, 0, on_large, NULL, false },
    { HTTP_GET, "/park", HTTP_VIEWER, 0, on_park, NULL, false },
    { HTTP_GET, "/stream", HTTP_VIEWER, 0, on_stream, NULL, false },
    { HTTP_POST, "/echo", HTTP_OPERATOR, 1024 * 1024, on_echo, NULL, false },
    { HTTP_POST, "/small", HTTP_OPERATOR, 16, on_echo, NULL, false },
    { HTTP_POST, "/sink", HTTP_OPERATOR, 0, on_sunk, &pipe_sink, false },
    { HTTP_GET, "/n/{number}", HTTP_PROBE, 0, on_number, NULL, false },
    { HTTP_GET, "/probe", HTTP_PROBE, 0, on_hello, NULL, false },
};

/* --- tokens --- */

static int identify(void *context, const struct http_credential *credential,
                    struct http_identity *ret)
{
    static const struct http_identity known[] = { { .role = HTTP_VIEWER, .name = "viewer" },
                                                  { .role = HTTP_OPERATOR, .name = "operator" },
                                                  { .role = HTTP_PROBE, .name = "probe" } };

    (void)context;
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        unsigned char digest[32];

        EVP_Digest(known[i].name, strlen(known[i].name), digest, NULL, EVP_sha256(), NULL);
        if (!http_digest_is_equal(digest, credential->sha256)) continue;
        *ret = known[i];
        return 0;
    }
    return -ENOENT;
}

static bool has_tokens(void *context)
{
    (void)context;
    return room.has_tokens;
}

static void on_answer(void *context, const struct http_route *route, int status,
                      uint64_t elapsed_ns)
{
    (void)context, (void)route, (void)elapsed_ns;
    room.answer_count++;
    room.last_status = status;
}

/* --- the room --- */

struct room room;

/* As the scheduler makes its own. */
static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    event_config_free(config);
    assert_non_null(base);
    return base;
}

void room_open(const struct http_limits *limits)
{
    struct http_options options = { .address = "127.0.0.1",
                                    .identify = identify,
                                    .has_tokens = has_tokens,
                                    .on_answer = on_answer,
                                    .limits = limits,
                                    .tls = line_server_files() };

    memset(&room, 0, sizeof room);
    assert_int_equal(sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL), 0);
    room.base = base_new();
    assert_int_equal(http_start(room.base, &options, &room.http, NULL, 0), 0);
    http_add_routes(room.http, routes, ARRAY_COUNT(routes), NULL);
}

void room_close(void)
{
    http_stop(room.http);
    event_base_free(room.base);
}

int room_setup(void **state)
{
    (void)state;
    room_open(NULL);
    return 0;
}

int room_teardown(void **state)
{
    (void)state;
    room_close();
    return 0;
}

void room_turn(void)
{
    line_pump();
    event_base_loop(room.base, EVLOOP_NONBLOCK);
}

void room_until(bool (*condition)(void *context), void *context, const char *what)
{
    uint64_t deadline_ns = clock_monotonic_ns() + patience_ns;

    while (!condition(context)) {
        if (clock_monotonic_ns() > deadline_ns) fail_msg("waited for: %s", what);
        room_turn();
    }
}

static bool is_empty(void *context)
{
    (void)context;
    return http_connection_count(room.http) == 0;
}

void room_until_empty(void)
{
    room_until(is_empty, NULL, "no connection left");
}

static bool are_parked(void *context)
{
    return room.parked_count == *(size_t *)context;
}

void room_until_parked(size_t count)
{
    room_until(are_parked, &count, "so many are parked");
}

static bool are_gone(void *context)
{
    return room.gone_count == *(size_t *)context;
}

void room_until_gone(size_t count)
{
    room_until(are_gone, &count, "so many have gone");
}

int room_connect(void)
{
    int fd = loopback_connect(http_port(room.http));

    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    line_begin(fd);
    return fd;
}

void room_reset(int fd)
{
    struct linger at_once = { .l_onoff = 1 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

void room_send(int fd, const char *text)
{
    size_t size = strlen(text);

    assert_int_equal(line_put(fd, text, size), (ssize_t)size);
    for (int i = 0; i < HANDSHAKE_TURNS && line_is_waiting(fd); i++) {
        room_turn();
    }
}

void room_send_bytes(int fd, const void *data, size_t size)
{
    uint64_t deadline_ns = clock_monotonic_ns() + patience_ns;
    const char *from = data;

    while (size > 0) {
        ssize_t sent = line_put(fd, from, size);

        if (sent > 0) from += sent, size -= (size_t)sent;
        if (sent < 0 && errno != EAGAIN) return; /* refused half way: the answer says why */
        if (clock_monotonic_ns() > deadline_ns) fail_msg("the server does not read");
        room_turn();
    }
}

/* Reads what has come. Returns whether the server has closed. */
static bool receive(int fd)
{
    for (;;) {
        size_t left = sizeof room.got - 1 - room.got_size;
        ssize_t size = line_take(fd, room.got + room.got_size, left);

        if (size == 0 || (size < 0 && errno != EAGAIN)) return left > 0;
        if (size < 0) return false;
        room.got_size += (size_t)size;
        room.got[room.got_size] = '\0';
    }
}

static void begin_expecting(void)
{
    room.got_size = 0;
    room.got[0] = '\0';
}

void room_expect(int fd, const char *needle)
{
    uint64_t deadline_ns = clock_monotonic_ns() + patience_ns;

    begin_expecting();
    for (;;) {
        bool is_closed = receive(fd);

        if (strstr(room.got, needle)) return;
        if (is_closed) fail_msg("closed before '%s' came, after '%s'", needle, room.got);
        if (clock_monotonic_ns() > deadline_ns)
            fail_msg("'%s' did not come, but '%s'", needle, room.got);
        room_turn();
    }
}

void room_expect_close(int fd)
{
    uint64_t deadline_ns = clock_monotonic_ns() + patience_ns;

    begin_expecting();
    while (!receive(fd)) {
        if (clock_monotonic_ns() > deadline_ns) fail_msg("not closed, after '%s'", room.got);
        room_turn();
    }
}

size_t room_swallow(int fd, size_t size)
{
    uint64_t deadline_ns = clock_monotonic_ns() + patience_ns;
    size_t left = size;

    while (left > 0) {
        size_t part = left < sizeof room.got ? left : sizeof room.got;
        ssize_t got = line_take(fd, room.got, part);

        if (got == 0 || (got < 0 && errno != EAGAIN)) break;
        if (got > 0) left -= (size_t)got;
        if (clock_monotonic_ns() > deadline_ns)
            fail_msg("%zu of %zu bytes did not come", left, size);
        room_turn();
    }
    return size - left;
}

void room_ask(const char *request, const char *needle)
{
    int fd = room_connect();

    room_send(fd, request);
    room_expect(fd, needle);
    close(fd);
}

void room_wake(void)
{
    for (size_t i = 0; i < room.parked_count; i++) {
        if (room.large_size > 0)
            reply_large(room.parked[i]);
        else
            http_reply(room.parked[i], 200, "text/plain", TEXT("woken\n"));
    }
    room.parked_count = 0;
}

void room_publish(struct text chunk)
{
    for (size_t i = 0; i < room.parked_count; i++) {
        http_stream_send(room.parked[i], chunk);
    }
}
