/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c: every byte of a connection, seen when it has arrived and before libevent looks at it.
 *
 * A callback on the connection's input has the new bytes cut (cutter.h), and decides what libevent
 * may see of them: a head once it is whole and head_parse() accepted it, and the bytes of bodies.
 * Where these came first they stay where they are; from the first byte on that libevent must not
 * see, or not yet, all is cut off the input, and what it may see later is put back. So libevent
 * never sees a byte of a head that was not accepted, and both always agree where a request ends. Of
 * an accepted one it sees head_brief(), in its place.
 * With the head the gate creates the http_request and asks admit(); libevent's callback later finds
 * it first in the connection's queue.
 *
 * A client may send ahead as much as it likes. Behind PIPELINE_MAX requests that wait for their
 * turn the gate HOLDS what came, not looked at, and reading stops: the input's high watermark is
 * one byte, and of requests that wait there is always more in the input. (To disable EV_READ would
 * not do: libevent enables it behind each answer.) When half of them have had their turn, what is
 * held is looked at (gate_resume()). Behind a body that goes to a sink and could not go wholly yet,
 * it holds as well.
 *
 * INVARIANTS
 *
 * (1) Bytes are held only while more than PIPELINE_MAX / 2 requests wait, and only between two
 *     requests. Hence at most what one read brought is held, and the rest of a record of TLS.
 * (2) coming_since_ns is 0 while bytes are held: it is not the client that is slow.
 * (3) After a refusal nothing more is put back.
 * (4) The last http->undecided_size bytes of the input are those that are being looked at, and were
 *     not decided about: 0 outside of on_input(). */
#include "scheduler/http/private.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/random.h"

#include <string.h>

enum {
    /* Bytes that libevent may hold of one connection: a whole body, and what is pipelined. */
    INPUT_SIZE_MAX = 1024 * 1024 + 64 * 1024,
};

/* --- a head --- */

static size_t size_of_fields(const struct head *head)
{
    size_t size = 0;

    for (int i = 0; i < HEAD_FIELD_COUNT; i++) {
        size += head->fields[i].size;
    }
    return size;
}

static void keep_fields(struct http_request *request, const struct head *head)
{
    char *to = request->kept;

    for (int i = 0; i < HEAD_FIELD_COUNT; i++) {
        struct text field = head->fields[i];

        if (!field.data) continue;
        memcpy(to, field.data, field.size);
        request->fields[i] = (struct text){ to, field.size };
        to += field.size;
    }
}

static struct http_request *enqueue(struct connection *connection, const struct head *head,
                                    const struct verdict *verdict)
{
    struct http_request *request = mem_zalloc(1, sizeof *request + size_of_fields(head));

    keep_fields(request, head);
    request->http = connection->http;
    request->connection = connection;
    request->verdict = *verdict;
    request->method = head->method;
    request->body_size = connection->spill ? 0 : head->body_size;
    request->began_ns = connection->coming_since_ns;
    connection->http->counts.body_size += (size_t)request->body_size;
    TAILQ_INSERT_TAIL(&connection->queue, request, link);
    connection->queue_count++;
    connection->http->counts.waiting_count++;
    return request;
}

static void check_budget(const struct http *http, const struct head *head, struct verdict *verdict)
{
    if (verdict->status != 0 || (verdict->route && verdict->route->sink)) return;
    if (head->body_size + http->counts.body_size <= http->limits.body_budget) return;
    verdict_refuse(verdict, 503, "Too many requests with bodies came at once; try again.");
    verdict->retry_after_s = 1 + random_u64() % 10;
}

/* Where there is an authority for probes, one of its certificates is a probe's second key. */
static void check_certificate(const struct connection *connection, struct verdict *verdict)
{
    const struct tls *tls = connection->http->tls;

    if (verdict->status != 0 || !verdict->route || verdict->route->role != HTTP_PROBE) return;
    if (!tls || !tls_wants_certificates(tls) || tls_has_certificate(connection->bev)) return;
    verdict_refuse(verdict, 403, "A probe must show a client certificate here.");
}

/* A whole head. Returns whether libevent may see it. */
static bool take_head(struct connection *connection, struct text text, struct head *ret)
{
    struct verdict verdict = { 0 };
    const char *why = NULL;
    void *sink = NULL;
    int status = head_parse(text, ret, &why);

    if (status != 0) {
        refusal_give_why(connection, status, why);
        return false;
    }
    admit(connection->http, ret, bufferevent_getfd(connection->bev), &verdict);
    check_certificate(connection, &verdict);
    check_budget(connection->http, ret, &verdict);
    if (verdict.status == 0 && verdict.route && verdict.route->sink && ret->body_size > 0)
        spill_begin(connection, text, ret->body_size, &verdict, &sink);
    if (verdict.status != 0 && ret->body_size > 0) {
        refusal_give(connection, &verdict, ret->method == HEAD_HEAD);
        verdict_done(&verdict);
        return false;
    }
    enqueue(connection, ret, &verdict)->sink = sink;
    return true;
}

/* --- what libevent sees --- */

/* What was not decided about is no more in the input: it is in `scratch` alone. */
static void withdraw(struct connection *connection)
{
    struct http *http = connection->http;
    struct evbuffer *input = bufferevent_get_input(connection->bev);
    size_t size = evbuffer_get_length(input) - http->undecided_size;

    if (http->undecided_size == 0) return;
    http->undecided_size = 0;
    connection->is_feeding = true;
    evbuffer_remove_buffer(input, http->spare, size);
    evbuffer_drain(input, evbuffer_get_length(input));
    evbuffer_add_buffer(input, http->spare);
    connection->is_feeding = false;
}

static void add(struct connection *connection, struct text text)
{
    withdraw(connection);
    connection->is_feeding = true;
    CHECK(evbuffer_add(bufferevent_get_input(connection->bev), text.data, text.size) == 0);
    connection->is_feeding = false;
}

static bool is_in_place(const struct connection *connection, const struct cut *cut)
{
    /* A head of which a part was kept is longer than what came of it now. */
    return connection->http->undecided_size > 0 && cut->text.size == cut->used_size;
}

static void pass_body(struct connection *connection, const struct cut *cut)
{
    if (is_in_place(connection, cut))
        connection->http->undecided_size -= cut->used_size;
    else
        add(connection, cut->text);
}

/* Where it came first and whole, the brief head takes the end of its place, so that nothing behind
 * it is moved. */
static void pass_head(struct connection *connection, const struct cut *cut, const struct head *head)
{
    struct http *http = connection->http;
    struct evbuffer *input = bufferevent_get_input(connection->bev);
    size_t size = head_brief(head, http->brief), spare = cut->text.size - size;

    if (!is_in_place(connection, cut) || size > cut->text.size ||
        evbuffer_get_length(input) != http->undecided_size) {
        add(connection, (struct text){ http->brief, size });
        return;
    }
    http->undecided_size -= cut->used_size;
    connection->is_feeding = true;
    memcpy(evbuffer_pullup(input, (ev_ssize_t)cut->text.size) + spare, http->brief, size);
    evbuffer_drain(input, spare);
    connection->is_feeding = false;
}

static void hold(struct connection *connection, struct text bytes)
{
    if (buf_append(&connection->held, bytes.data, bytes.size) < 0) connection->must_close = true;
    connection->coming_since_ns = 0;
    bufferevent_setwatermark(connection->bev, EV_READ, 0, 1);
}

/* Returns whether what follows it may be looked at. */
static bool take(struct connection *connection, const struct cut *cut)
{
    struct head head;

    switch (cut->kind) {
    case CUT_HEAD:
        if (!take_head(connection, cut->text, &head)) return false;
        if (connection->spill)
            withdraw(connection);
        else
            pass_head(connection, cut, &head);
        cutter_expect(&connection->cutter, head.body_size);
        return true;
    case CUT_BODY:
        if (connection->spill) {
            withdraw(connection);
            spill_take(connection, cut->text);
        } else {
            pass_body(connection, cut);
        }
        return true;
    case CUT_KEPT:
        return true;
    case CUT_TOO_LONG:
        refusal_give_why(connection, 431, "The head of the request is larger than 8 KB.");
        return false;
    case CUT_NO_HEAD:
        refusal_give_why(connection, 400, "This is not the head of an HTTP/1.1 request.");
        return false;
    }
    return false;
}

static void look_at(struct connection *connection, struct text bytes)
{
    while (bytes.size > 0) {
        struct cut cut;

        if (connection->held.size > 0 || spill_is_full(connection) ||
            (connection->queue_count == PIPELINE_MAX && cutter_is_between(&connection->cutter))) {
            hold(connection, bytes);
            return;
        }
        if (connection->coming_since_ns == 0) connection->coming_since_ns = clock_monotonic_ns();
        cut = cutter_next(&connection->cutter, bytes);
        if (!take(connection, &cut)) return;
        if (cutter_is_between(&connection->cutter)) connection->coming_since_ns = 0;
        bytes.data += cut.used_size;
        bytes.size -= cut.used_size;
    }
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *context)
{
    struct connection *connection = context;
    unsigned char *scratch = connection->http->scratch;
    size_t size = info->n_added;
    struct evbuffer_ptr from;

    if (size == 0 || connection->is_feeding || connection->is_refused) return;
    if (connection->cutter.body_left >= size &&
        !connection->spill) { /* as most of a large body: it stays where it is */
        connection->cutter.body_left -= size;
        if (connection->cutter.body_left == 0) connection->coming_since_ns = 0;
        return;
    }
    CHECK(size <= STEP_SIZE_MAX);
    evbuffer_ptr_set(input, &from, evbuffer_get_length(input) - size, EVBUFFER_PTR_SET);
    evbuffer_copyout_from(input, &from, scratch, size);
    connection->http->undecided_size = size;
    if (!connection->must_close) look_at(connection, (struct text){ (char *)scratch, size });
    withdraw(connection);
}

/* --- the gate --- */

void gate_unlock_input(struct connection *connection)
{
    if (!connection->http->tls) evbuffer_unfreeze(bufferevent_get_input(connection->bev), 0);
}

void gate_lock_input(struct connection *connection)
{
    if (!connection->http->tls) evbuffer_freeze(bufferevent_get_input(connection->bev), 0);
}

void gate_resume(struct connection *connection)
{
    OWN(buf_done) struct buf held = BUF_INIT(HELD_SIZE_MAX);

    if (connection->held.size == 0 || connection->queue_count > PIPELINE_MAX / 2) return;
    held = connection->held;
    connection->held = BUF_INIT(HELD_SIZE_MAX);
    gate_unlock_input(connection);
    look_at(connection, buf_peek(&held));
    gate_lock_input(connection);
    if (connection->held.size == 0)
        bufferevent_setwatermark(connection->bev, EV_READ, 0, INPUT_SIZE_MAX);
}

void gate_open(struct connection *connection)
{
    connection->cutter = CUTTER_INIT;
    connection->held = BUF_INIT(HELD_SIZE_MAX);
    bufferevent_set_max_single_read(connection->bev, READ_SIZE_MAX);
    bufferevent_setwatermark(connection->bev, EV_READ, 0, INPUT_SIZE_MAX);
    CHECK(evbuffer_add_cb(bufferevent_get_input(connection->bev), on_input, connection));
}

void gate_forget(struct connection *connection)
{
    cutter_done(&connection->cutter);
    spill_done(connection);
    buf_done(&connection->held);
    connection->coming_since_ns = 0;
}

void gate_close(struct connection *connection)
{
    gate_forget(connection);
    evbuffer_remove_cb(bufferevent_get_input(connection->bev), on_input, connection);
}
