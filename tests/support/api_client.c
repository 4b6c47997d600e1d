/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/api_client.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "tests/support/loopback.h"
#include "tests/support/test.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_SIZE_MAX = 64 * 1024 * 1024, HEAD_SIZE_MAX = 16384, WAIT_MS_MAX = 30000 };

static void send_all(int fd, struct text data)
{
    while (data.size > 0) {
        ssize_t sent = send(fd, data.data, data.size, MSG_NOSIGNAL);

        if (sent <= 0) return; /* refused before the body was read: the answer says why */
        data = (struct text){ data.data + sent, data.size - (size_t)sent };
    }
}

/* Appends what comes. False: nothing more will, or nothing did in time. */
static bool receive_some(int fd, struct buf *to, uint64_t deadline_ns)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    uint64_t now_ns = clock_monotonic_ns();
    char *room;
    ssize_t size;

    if (now_ns >= deadline_ns) return false;
    if (poll(&wait, 1, (int)ns_to_ms(deadline_ns - now_ns) + 1) <= 0) return false;
    room = buf_reserve(to, 65536);
    CHECK(room);
    size = recv(fd, room, 65536, 0);
    if (size <= 0) return false;
    buf_commit(to, (size_t)size);
    return true;
}

static void send_call(int fd, const struct api_call *call)
{
    OWN(buf_done) struct buf head = BUF_INIT(HEAD_SIZE_MAX);
    const char *method = call->method ? call->method : call->body.data ? "POST" : "GET";
    const char *type = call->content_type ? call->content_type : "application/json";

    buf_printf(&head, "%s %s HTTP/1.1\r\nConnection: close\r\n", method, call->path);
    if (call->host)
        buf_printf(&head, "Host: %s\r\n", call->host);
    else
        buf_printf(&head, "Host: 127.0.0.1:%u\r\n", call->port);
    if (call->token) buf_printf(&head, "Authorization: Bearer %s\r\n", call->token);
    if (call->headers) buf_text(&head, text_of(call->headers));
    if (call->body.data && *type) buf_printf(&head, "Content-Type: %s\r\n", type);
    if (call->body.data || strcmp(method, "POST") == 0)
        buf_printf(&head, "Content-Length: %zu\r\n", call->body.size);
    buf_text(&head, TEXT("\r\n"));
    CHECK(!head.failed);
    send_all(fd, buf_peek(&head));
    send_all(fd, call->body);
}

/* An endless answer to a call that is not: its chunks are left as they are. Takes what is in
 * `whole`, unless it is no answer. */
static int split(struct buf *whole, struct api_answer *ret)
{
    char *end = whole->data ? strstr(whole->data, "\r\n\r\n") : NULL;
    size_t head_size;
    int status;

    if (!end || sscanf(whole->data, "HTTP/1.1 %d", &status) != 1) return -EPROTO;
    head_size = (size_t)(end - whole->data);
    *ret = (struct api_answer){ .status = status, .head = mem_text(whole->data, head_size) };
    buf_consume(whole, head_size + 4);
    ret->body = *whole;
    ret->json = json_loadb(ret->body.data ? ret->body.data : "", ret->body.size, 0, NULL);
    return 0;
}

int api_send(const struct api_call *call)
{
    int fd = loopback_connect(call->port);

    if (fd < 0) fail_msg("nobody listens on port %u", call->port);
    send_call(fd, call);
    return fd;
}

const char *api_header(const struct api_answer *answer, const char *name)
{
    static _Thread_local char value[512];
    size_t size = strlen(name);

    for (const char *line = strstr(answer->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;

        if (strncasecmp(at, name, size) != 0 || at[size] != ':') continue;
        at += size + 1;
        at += strspn(at, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
        return value;
    }
    return "";
}

/* True if the body came whole: a scheduler that is killed ends its answers early. */
static bool is_whole(const struct api_answer *answer)
{
    const char *size = api_header(answer, "Content-Length");

    return !*size || strtoull(size, NULL, 10) == answer->body.size;
}

static int receive(int fd, struct api_answer *ret)
{
    uint64_t deadline_ns = clock_monotonic_ns() + ms_to_ns(WAIT_MS_MAX);
    struct buf whole = BUF_INIT(ANSWER_SIZE_MAX);

    while (receive_some(fd, &whole, deadline_ns)) {
        continue;
    }
    close(fd);
    if (split(&whole, ret) < 0) {
        buf_done(&whole);
        return -EPROTO;
    }
    return 0;
}

void api_receive(int fd, struct api_answer *ret)
{
    if (receive(fd, ret) < 0) fail_msg("no answer");
}

void api_ask(const struct api_call *call, struct api_answer *ret)
{
    if (receive(api_send(call), ret) < 0) fail_msg("%s: no answer", call->path);
}

int api_try(const struct api_call *call, struct api_answer *ret)
{
    struct api_answer answer;
    int fd = loopback_connect(call->port);

    if (fd < 0) return -ECONNREFUSED;
    send_call(fd, call);
    if (receive(fd, &answer) < 0) return -EPROTO;
    if (!is_whole(&answer)) {
        api_answer_done(&answer);
        return -EPROTO;
    }
    *ret = answer;
    return 0;
}

double api_metric(uint16_t port, const char *series)
{
    struct api_answer answer;
    char needle[512];
    const char *at;
    double value;

    api_ask(&(struct api_call){ .port = port, .path = "/metrics" }, &answer);
    assert_int_equal(answer.status, 200);
    snprintf(needle, sizeof needle, "\n%s ", series);
    at = strstr(answer.body.data, needle);
    if (!at) fail_msg("/metrics has no %s", series);
    value = strtod(at + strlen(needle), NULL);
    api_answer_done(&answer);
    return value;
}

void api_answer_done(struct api_answer *answer)
{
    free(answer->head);
    buf_done(&answer->body);
    json_decref(answer->json);
    *answer = (struct api_answer){ 0 };
}

void api_stream_open(struct api_stream *stream, uint16_t port, const char *path)
{
    struct api_call call = { .port = port, .path = path };

    *stream = (struct api_stream){ .fd = api_send(&call), .text = BUF_INIT(ANSWER_SIZE_MAX) };
}

bool api_stream_wait(struct api_stream *stream, const char *needle)
{
    uint64_t deadline_ns = clock_monotonic_ns() + ms_to_ns(WAIT_MS_MAX);

    while (!stream->text.data || !strstr(stream->text.data, needle)) {
        if (!receive_some(stream->fd, &stream->text, deadline_ns)) return false;
    }
    return true;
}

void api_stream_close(struct api_stream *stream)
{
    close(stream->fd);
    buf_done(&stream->text);
}
