/* SPDX-License-Identifier: Apache-2.0 */
/* spill.c: from the gate to a descriptor that may be full.
 *
 *     gate --part--> write --all went--> (read on)
 *                      '--full--> rest kept, reading stops --writable--> (read on)
 *     the last byte went --> the head goes to libevent --> on_request() --> handler
 *
 * libevent knows nothing of such a body: until it is whole, the head is kept back, and then it says
 * "Content-Length: 0000". So libevent waits for a request's first byte all the while, and takes no
 * part in the flow; reading is ours to stop. 100 (Continue) is said here, too, straight to the
 * socket: libevent's own output has callbacks that belong to answers.
 *
 * INVARIANTS
 *
 * (1) What is kept of a body is at most what one read brought, and the rest of a record of TLS,
 *     which comes although reading has been stopped.
 * (2) A descriptor that breaks takes no more, but the body is read to its end: its handler can tell
 *     the client why, and a client that writes would not read the answer before. */
#include "scheduler/http/spill.h"

#include "scheduler/http/private.h"

#include "common/base/check.h"
#include "common/base/own.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct spill {
    struct connection *connection;
    int fd; /* -1: it broke */
    uint64_t left;
    struct buf rest; /* came, and did not go yet */
    struct event *on_writable;
    struct buf head; /* for libevent, in the end */
};

/* The line of a header within a head, behind its name and colon; or NULL. */
static char *value_find(char *head, size_t size, const char *name)
{
    size_t name_size = strlen(name);

    for (char *at = head; at + name_size + 2 < head + size; at++)
        if (at[0] == '\n' && strncasecmp(at + 1, name, name_size) == 0 && at[name_size + 1] == ':')
            return at + name_size + 2;
    return NULL;
}

static void length_clear(struct buf *head)
{
    char *at = value_find(head->data, head->size, "content-length");

    CHECK(at); /* there is a body, and it is not chunked: head.c */
    for (; *at != '\r'; at++)
        if (*at >= '0' && *at <= '9') *at = '0';
}

static void say_continue(struct spill *spill)
{
    static const char says[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char *expects = value_find(spill->head.data, spill->head.size, "expect");

    if (!expects) return;
    tls_send(spill->connection->bev, says, sizeof says - 1);
}

static void spill_finish(struct spill *spill, bool from_event)
{
    struct connection *connection = spill->connection;
    struct evbuffer *input = bufferevent_get_input(connection->bev);

    length_clear(&spill->head);
    connection->is_feeding = true;
    if (from_event) gate_unlock_input(connection);
    CHECK(evbuffer_add(input, spill->head.data, spill->head.size) == 0);
    if (from_event) gate_lock_input(connection);
    connection->is_feeding = false;
    spill_done(connection);
    bufferevent_enable(connection->bev, EV_READ);
    if (from_event) bufferevent_trigger(connection->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

/* Writes what it can. */
static size_t spill_write(struct spill *spill, struct text part)
{
    size_t went = 0;

    while (went < part.size) {
        ssize_t size = spill->fd < 0 ? (ssize_t)(part.size - went)
                                     : write(spill->fd, part.data + went, part.size - went);

        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) return went;
        if (size < 0) {
            close(spill->fd);
            spill->fd = -1;
            continue;
        }
        went += (size_t)size;
    }
    return went;
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct spill *spill = context;

    (void)fd, (void)what;
    buf_consume(&spill->rest, spill_write(spill, buf_peek(&spill->rest)));
    if (spill->rest.size > 0) {
        event_add(spill->on_writable, NULL);
        return;
    }
    if (spill->left == 0)
        spill_finish(spill, true);
    else
        bufferevent_enable(spill->connection->bev, EV_READ);
}

void spill_take(struct connection *connection, struct text part)
{
    struct spill *spill = connection->spill;
    size_t went = spill->rest.size > 0 ? 0 : spill_write(spill, part);

    CHECK(part.size <= spill->left);
    spill->left -= part.size;
    if (went == part.size) {
        if (spill->left == 0) spill_finish(spill, false);
        return;
    }
    CHECK(buf_append(&spill->rest, part.data + went, part.size - went) == 0);
    bufferevent_disable(connection->bev, EV_READ);
    event_add(spill->on_writable, NULL);
}

bool spill_is_full(const struct connection *connection)
{
    return connection->spill && connection->spill->left == 0;
}

static void refuse(struct verdict *verdict, const struct http_refusal *why)
{
    verdict_refuse(verdict, why->status, "%s", why->detail);
    verdict->slug = why->slug;
    verdict->title = why->title;
    if (why->status == 503) verdict->retry_after_s = 1;
}

int spill_begin(struct connection *connection, struct text head, uint64_t body_size,
                struct verdict *verdict, void **ret_sink)
{
    struct http_refusal why = { .status = 500, .slug = "internal", .title = "" };
    struct spill *spill;
    int fd;

    if (!connection_is_first_in_line(connection))
        return verdict_refuse(verdict, 503,
                              "This body must not be sent before the answer to the request in "
                              "front of it came.");
    fd = verdict->route->sink->open(verdict->context, body_size, ret_sink, &why);
    if (fd < 0) {
        refuse(verdict, &why);
        return verdict->status;
    }
    spill = mem_zalloc(1, sizeof *spill);
    spill->connection = connection;
    spill->fd = fd;
    spill->left = body_size;
    spill->rest = BUF_INIT(HELD_SIZE_MAX);
    spill->head = BUF_INIT(HEAD_SIZE_MAX);
    spill->on_writable = event_new(connection->http->base, fd, EV_WRITE, on_writable, spill);
    CHECK(spill->on_writable && buf_text(&spill->head, head) == 0);
    connection->spill = spill;
    say_continue(spill);
    return 0;
}

void spill_done(struct connection *connection)
{
    struct spill *spill = connection->spill;

    if (!spill) return;
    connection->spill = NULL;
    event_free(spill->on_writable);
    if (spill->fd >= 0) close(spill->fd);
    buf_done(&spill->rest);
    buf_done(&spill->head);
    free(spill);
}
