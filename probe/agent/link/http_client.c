/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.c: one request at a time over one non-blocking socket.
 *
 * All waiting is in await(): it ends by the socket, by the wake descriptor, by the deadline, or by
 * the cut. The cut is memory that a thread of the host may write (stakeout_stop), which no poll(2)
 * can see: where there is one, waits are sliced. They are, however, never long there: answers to
 * pulses and reports come at once. The long poll has a wake descriptor and is not sliced.
 *
 * A kept connection may be closed by the scheduler at any time. If it fails before one byte of
 * an answer came, the request is sent again on a new one: everything we send may be sent twice
 * (sequence numbers and sample ids see to that). */
#include "probe/agent/link/http_client.h"

#include "common/base/clock.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/names/descriptors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_SLICE_NS  (20 * NS_PER_MS)
#define CONNECT_NS_MAX (5 * NS_PER_S) /* per address: what does not answer by then is down */
#define RECEIVE_SIZE   8192
#define HEAD_SIZE_MAX  2048

/* ---- where to ---- */

static int refuse(char *ret_why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(char *ret_why, size_t why_size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ret_why, why_size, format, args);
    va_end(args);
    return -EINVAL;
}

/* Splits "host", "host:port", "[v6]" and "[v6]:port". */
static int split_authority(struct text authority, struct text *ret_host, struct text *ret_port)
{
    struct text host = authority, port = { NULL, 0 };
    const char *end, *colon;

    if (authority.size > 0 && authority.data[0] == '[') {
        end = memchr(authority.data, ']', authority.size);
        if (!end) return -EINVAL;
        host = (struct text){ authority.data + 1, (size_t)(end - authority.data) - 1 };
        port = (struct text){ end + 1, authority.size - host.size - 2 };
        if (port.size > 0 && port.data[0] != ':') return -EINVAL;
    } else {
        colon = memchr(authority.data, ':', authority.size);
        if (colon) {
            host.size = (size_t)(colon - authority.data);
            port = (struct text){ colon, authority.size - host.size };
        }
    }
    *ret_host = host;
    *ret_port = port;
    return 0;
}

static bool is_host(struct text host)
{
    for (size_t i = 0; i < host.size; i++) {
        unsigned char c = (unsigned char)host.data[i];

        if (c <= ' ' || c >= 0x7f || strchr("/?#@[]\\%\"<>", c)) return false;
    }
    return host.size > 0 && host.size <= HOST_NAME_SIZE_MAX;
}

int http_target_parse(struct text url, struct http_target *ret, char *ret_why, size_t why_size)
{
    struct text rest = url, host, port;
    uint64_t number = HTTP_PORT_DEFAULT;

    bool is_tls = text_starts_with(url, TEXT("https://"));

    if (!is_tls && !text_starts_with(url, TEXT("http://")))
        return refuse(ret_why, why_size,
                      "the server must be http://HOST:PORT or https://HOST:PORT, not '%.*s'",
                      TEXT_ARGS(url));
    rest.data += is_tls ? 8 : 7;
    rest.size -= is_tls ? 8 : 7;
    if (is_tls) number = HTTPS_PORT_DEFAULT;
    if (rest.size > 0 && rest.data[rest.size - 1] == '/') rest.size--;
    if (split_authority(rest, &host, &port) < 0 || !is_host(host))
        return refuse(ret_why, why_size, "the server's host name is malformed in '%.*s'",
                      TEXT_ARGS(url));
    if (port.size > 0) {
        port = (struct text){ port.data + 1, port.size - 1 };
        if (text_to_u64(port, &number) < 0 || number == 0 || number > UINT16_MAX)
            return refuse(ret_why, why_size, "the server's port must be 1 to 65535, not '%.*s'",
                          TEXT_ARGS(port));
    }
    memset(ret, 0, sizeof *ret);
    memcpy(ret->host, host.data, host.size);
    ret->port = (uint16_t)number;
    ret->is_tls = is_tls;
    return 0;
}

bool http_token_is_valid(struct text token)
{
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] <= ' ' || token.data[i] >= 0x7f) return false;
    }
    return token.size > 0 && token.size <= HTTP_TOKEN_SIZE_MAX;
}

/* ---- waiting ---- */

void http_client_init(struct http_client *client, const struct http_client_options *options)
{
    *client = (struct http_client){ .options = *options, .fd = -1 };
}

/* A number that leads elsewhere by now is not ours to close. */
static void disconnect(struct http_client *client)
{
    tls_line_end(&client->tls);
    if (descriptor_is(client->fd, client->fd_identity)) close(client->fd);
    client->fd = -1;
}

void http_client_done(struct http_client *client)
{
    disconnect(client);
    tls_line_done(&client->tls);
}

static uint64_t moment_of_giving_up(const struct http_client *client)
{
    const _Atomic uint64_t *cut = client->options.cut_ns;
    uint64_t cut_ns = cut ? atomic_load_explicit(cut, memory_order_relaxed) : UINT64_MAX;

    return cut_ns < client->deadline_ns ? cut_ns : client->deadline_ns;
}

/* Waits until `fd` (-1: none) is ready for `events`. Returns 0, -ETIMEDOUT, -ECANCELED; or
 * -EAGAIN when a slice is over without news. */
static int await_slice(const struct http_client *client, int fd, short events)
{
    struct pollfd fds[2] = { { .fd = fd, .events = events },
                             { .fd = client->options.wake_fd, .events = POLLIN } };
    uint64_t now_ns = clock_monotonic_ns(), end_ns = moment_of_giving_up(client), left_ns;
    struct timespec timeout;
    int rc;

    if (now_ns >= end_ns) return -ETIMEDOUT;
    left_ns = end_ns - now_ns;
    if (client->options.cut_ns && left_ns > WAIT_SLICE_NS) left_ns = WAIT_SLICE_NS;
    timeout = ns_to_timespec(left_ns);
    rc = ppoll(fds, 2, &timeout, NULL);
    if (rc < 0) return errno == EINTR ? -EAGAIN : -errno;
    filters_heed(0);
    if (fds[1].revents != 0) return -ECANCELED;
    return fds[0].revents != 0 ? 0 : -EAGAIN;
}

/* In a table that is shared with the host, the number may lead elsewhere after any slice. */
static int await(const struct http_client *client, short events)
{
    int rc;

    do {
        if (!descriptor_is(client->fd, client->fd_identity)) return -EBADF;
        rc = await_slice(client, client->fd, events);
    } while (rc == -EAGAIN);
    return rc;
}

/* The patience of name_lookup(): a look at cut, deadline and wake, without waiting. */
static int still_patient(void *context)
{
    const struct http_client *client = context;
    struct pollfd wake = { .fd = client->options.wake_fd, .events = POLLIN };

    if (clock_monotonic_ns() >= moment_of_giving_up(client)) return -ETIMEDOUT;
    if (poll(&wake, 1, 0) > 0) return -ECANCELED;
    return 0;
}

/* ---- connecting ---- */

static void remember_local_address(struct http_client *client)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } local = { 0 };
    socklen_t size = sizeof local;

    if (getsockname(client->fd, &local.any, &size) < 0) return;
    if (local.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &local.v4.sin_addr, client->local_ip, sizeof client->local_ip);
    } else if (local.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &local.v6.sin6_addr, client->local_ip, sizeof client->local_ip);
    }
}

static int finish_connect(struct http_client *client)
{
    uint64_t deadline_ns = client->deadline_ns, soon_ns = clock_monotonic_ns() + CONNECT_NS_MAX;
    socklen_t size = sizeof(int);
    int rc, error = 0;

    if (soon_ns < deadline_ns) client->deadline_ns = soon_ns;
    rc = await(client, POLLOUT);
    client->deadline_ns = deadline_ns;
    if (rc < 0) return rc;
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -errno;
    return -error;
}

static int connect_address(struct http_client *client, const struct sockaddr_storage *address,
                           socklen_t size)
{
    int on = 1, rc = 0;

    client->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) return -errno;
    client->fd = descriptor_place(client->fd);
    client->fd_identity = descriptor_identity(client->fd);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (const struct sockaddr *)address, size) < 0)
        rc = errno == EINPROGRESS ? finish_connect(client) : -errno;
    if (rc < 0) {
        disconnect(client);
        return rc;
    }
    remember_local_address(client);
    return 0;
}

/* ---- bytes, and TLS on them ---- */

static int send_bytes(struct http_client *client, struct text bytes)
{
    size_t at = 0;

    while (at < bytes.size) {
        ssize_t sent = send(client->fd, bytes.data + at, bytes.size - at, MSG_NOSIGNAL);

        if (sent >= 0) {
            at += (size_t)sent;
        } else if (errno == EAGAIN) {
            int rc = await(client, POLLOUT);

            if (rc < 0) return rc;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

/* Bytes; 0: the peer has ended; -EAGAIN: nothing yet, and it was waited for. */
static ssize_t receive_bytes(struct http_client *client, char *ret, size_t size)
{
    ssize_t got;
    int rc;

    if (!descriptor_is(client->fd, client->fd_identity)) return -EBADF;
    got = recv(client->fd, ret, size, 0);
    if (got >= 0) return got;
    if (errno == EINTR) return -EAGAIN;
    if (errno != EAGAIN) return -errno;
    rc = await(client, POLLIN);
    return rc < 0 ? rc : -EAGAIN;
}

/* What TLS has for the server goes out, then what the server says comes in. */
static int carry_out(struct http_client *client)
{
    char bytes[RECEIVE_SIZE];
    size_t size;

    while ((size = tls_line_take(&client->tls, bytes, sizeof bytes)) > 0) {
        int rc = send_bytes(client, (struct text){ bytes, size });

        if (rc < 0) return rc;
    }
    return 0;
}

static int carry_in(struct http_client *client)
{
    char bytes[RECEIVE_SIZE];
    ssize_t got;

    do {
        got = receive_bytes(client, bytes, sizeof bytes);
    } while (got == -EAGAIN);
    if (got <= 0) return got == 0 ? -ECONNRESET : (int)got;
    return tls_line_feed(&client->tls, (struct text){ bytes, (size_t)got });
}

static int shake_hands(struct http_client *client)
{
    int rc = tls_line_begin(&client->tls, client->options.identity, client->options.target->host);

    if (rc < 0) return rc;
    for (;;) {
        int said = tls_line_shake(&client->tls);

        rc = carry_out(client);
        if (said != -EAGAIN) return said;
        if (rc == 0) rc = carry_in(client);
        if (rc < 0) return rc;
    }
}

static int connect_target(struct http_client *client)
{
    const struct http_target *target = client->options.target;
    struct name_query query = { target->host, target->port };
    struct name_addresses found;
    int rc;

    rc = name_lookup(&query, still_patient, client, &found);
    if (rc < 0) return rc;
    for (size_t i = 0; i < found.count; i++) {
        rc = connect_address(client, &found.addresses[i], found.sizes[i]);
        if (rc == 0 || rc == -ECANCELED) break;
    }
    return rc == 0 && target->is_tls ? shake_hands(client) : rc;
}

/* A kept connection has nothing to say between requests: if it does, it is closed or confused. */
static bool is_usable(const struct http_client *client)
{
    struct pollfd idle = { .fd = client->fd, .events = POLLIN };

    return descriptor_is(client->fd, client->fd_identity) && poll(&idle, 1, 0) == 0;
}

/* ---- the exchange ---- */

static int send_all(struct http_client *client, struct text bytes)
{
    if (!client->options.target->is_tls) return send_bytes(client, bytes);
    while (bytes.size > 0) {
        ssize_t put = tls_line_write(&client->tls, bytes);
        int rc = carry_out(client);

        if (rc == 0 && put == -EAGAIN) rc = carry_in(client);
        if (rc < 0) return rc;
        if (put == 0) return -ECONNRESET;
        if (put < 0 && put != -EAGAIN) return (int)put;
        if (put > 0) bytes = (struct text){ bytes.data + put, bytes.size - (size_t)put };
    }
    return 0;
}

/* As receive_bytes(). */
static ssize_t receive_plain(struct http_client *client, char *ret, size_t size)
{
    ssize_t got;
    int rc;

    if (!client->options.target->is_tls) return receive_bytes(client, ret, size);
    got = tls_line_read(&client->tls, ret, size);
    rc = carry_out(client);
    if (rc == 0 && got == -EAGAIN) rc = carry_in(client);
    return rc < 0 ? rc : got;
}

static int send_request(struct http_client *client, const struct http_request *request)
{
    const struct http_target *target = client->options.target;
    const char *token = client->options.token ? client->options.token : "";
    bool is_v6 = strchr(target->host, ':') != NULL;
    char head[HEAD_SIZE_MAX];
    int size, rc;

    size = snprintf(head, sizeof head,
                    "POST %s HTTP/1.1\r\n"
                    "Host: %s%s%s:%u\r\n"
                    "%s%s%s"
                    "Content-Type: application/msgpack\r\n"
                    "Content-Length: %zu\r\n\r\n",
                    request->path, is_v6 ? "[" : "", target->host, is_v6 ? "]" : "",
                    (unsigned)target->port, *token ? "Authorization: Bearer " : "", token,
                    *token ? "\r\n" : "", request->body.size);
    if (size < 0 || (size_t)size >= sizeof head) return -ENOBUFS;
    rc = send_all(client, (struct text){ head, (size_t)size });
    if (rc < 0) return rc;
    return send_all(client, request->body);
}

static int receive_some(struct http_client *client, struct http_answer *ret)
{
    char bytes[RECEIVE_SIZE];
    size_t taken;
    ssize_t got;
    int rc;

    got = receive_plain(client, bytes, sizeof bytes);
    if (got == 0) return http_answer_end(ret);
    if (got < 0) return got == -EAGAIN ? 0 : (int)got;
    rc = http_answer_feed(ret, (struct text){ bytes, (size_t)got }, &taken);
    if (rc < 0) return rc;
    return taken < (size_t)got ? -EPROTO : 0; /* more than one answer to one request */
}

static int exchange(struct http_client *client, const struct http_request *request,
                    struct http_answer *ret)
{
    int rc = send_request(client, request);

    while (rc == 0 && !http_answer_is_complete(ret)) {
        rc = receive_some(client, ret);
    }
    return rc;
}

static void reset_answer(struct http_answer *answer)
{
    size_t size_max = answer->body.size_max;

    http_answer_done(answer);
    http_answer_init(answer, size_max);
}

static bool is_broken_pipe(int rc)
{
    return rc == -ECONNRESET || rc == -EPIPE;
}

int http_client_post(struct http_client *client, const struct http_request *request,
                     struct http_answer *ret)
{
    bool was_kept;
    int rc;

    client->deadline_ns = clock_monotonic_ns() + request->timeout_ns;
    was_kept = is_usable(client);
    if (!was_kept) disconnect(client);
    do {
        reset_answer(ret);
        rc = client->fd >= 0 ? 0 : connect_target(client);
        if (rc == 0) rc = exchange(client, request, ret);
        if (rc < 0 || !ret->is_kept_alive) disconnect(client);
        if (!was_kept || !is_broken_pipe(rc) || http_answer_has_begun(ret)) break;
        was_kept = false;
    } while (true);
    return rc;
}
