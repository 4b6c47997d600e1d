/* SPDX-License-Identifier: Apache-2.0 */
/* redis_link.c: a bufferevent that carries commands, hiredis' parser for the answers, and the
 * greeting.
 *
 *   CLOSED --open--> DIALING --connected--> GREETING --PONG--> UP      (TLS: shaking hands, too)
 *     ^                 |                      |                |
 *     +-----------------+---- error, close ----+----------------+
 *
 * Of hiredis only the parser is used. Its own asynchronous client writes from one string whose
 * front is cut at every partial write, O(n^2) in what waits there (measured: 65 us for a command
 * of 200 KB with 4 in flight, 3500 with 256), and knows no TLS before 1.0. Here a large command is
 * never copied: the stream's buffer refers to the request's own bytes, which are lent until its
 * answer.
 *
 * INVARIANTS
 *
 * (1) `stream` and `reader` are there if and only if the state is GREETING or UP.
 * (2) The stream refers to bytes of requests that have no answer, and of no others. An answer to
 *     what has not been sent whole breaks the link instead of being told (Redis never sends one),
 *     and the stream is emptied before the requests are answered with nothing.
 * (3) Callbacks of ours may close the link, and open it again: `opened` tells. */
#include "scheduler/store/redis/redis_link.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/store/redis/dial.h"
#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/redis_request.h"
#include "scheduler/store/redis/redis_tls.h"
#include "scheduler/store/redis/timer.h"

enum {
    LOADING_MS = 50,              /* between two questions whether it still loads */
    REFER_SIZE_MIN = 16 * 1024,   /* a smaller command costs less copied than referred to */
    WRITE_SIZE_MAX = 1024 * 1024, /* of one write(2); libevent's own is 16 KB */
    READ_SIZE_MAX = 64 * 1024,
    WHY_SIZE = 320,
};

struct redis_link {
    struct redis_link_options options;
    const struct redis_address *address;
    enum redis_link_state state;
    uint64_t since_ns;
    uint64_t opened; /* how often */
    struct dial *dial;
    struct bufferevent *stream;
    redisReader *reader;
    struct redis_request *first, **last; /* sent, and not answered */
    uint64_t sent_size;                  /* bytes given to the stream */
    unsigned greetings;                  /* answers to the greeting that are to come */
    struct event *ping;
};

static void set_state(struct redis_link *link, enum redis_link_state state)
{
    link->state = state;
    link->since_ns = clock_monotonic_ns();
}

/* The end ----------------------------------------------------------------------------------- */

/* A callback of the stream may be on the stack: libevent keeps what we free until it returns. So
 * its output is emptied by us, because the bytes are the requests'. */
static void stream_end(struct redis_link *link)
{
    struct evbuffer *output;

    if (!link->stream) return;
    output = bufferevent_get_output(link->stream);
    evbuffer_unfreeze(output, 1);
    CHECK(evbuffer_drain(output, evbuffer_get_length(output)) == 0);
    bufferevent_free(link->stream);
    redisReaderFree(link->reader);
    link->stream = NULL;
    link->reader = NULL;
}

static struct redis_request *take_first(struct redis_link *link)
{
    struct redis_request *request = link->first;

    if (!request) return NULL;
    link->first = request->behind;
    if (!link->first) link->last = &link->first;
    return request;
}

void redis_link_close(struct redis_link *link)
{
    struct redis_request *request;

    if (link->state == LINK_CLOSED) return;
    link->state = LINK_CLOSED;
    event_del(link->ping);
    dial_stop(link->dial);
    stream_end(link);
    while ((request = take_first(link)) != NULL) {
        link->options.on_answer(link->options.context, request, NULL);
    }
}

/* Redis, or the way to it, was not as it should be. `why` may be a part of what ends with it. */
static void give_up(struct redis_link *link, const char *why)
{
    char kept[WHY_SIZE];

    snprintf(kept, sizeof(kept), "%s", why);
    redis_link_close(link);
    link->options.on_lost(link->options.context, kept);
}

/* The greeting ------------------------------------------------------------------------------ */

static void write_bytes(struct redis_link *link, struct text bytes)
{
    struct evbuffer *output = bufferevent_get_output(link->stream);
    int rc;

    if (bytes.size < REFER_SIZE_MIN)
        rc = evbuffer_add(output, bytes.data, bytes.size);
    else
        rc = evbuffer_add_reference(output, bytes.data, bytes.size, NULL, NULL);
    CHECK(rc == 0);
    link->sent_size += bytes.size;
}

static void greet_send(struct redis_link *link, const char *const *words)
{
    struct redis_command command = redis_command_make(words[0]);

    for (size_t i = 1; words[i]; i++) {
        redis_command_add(&command, text_of(words[i]));
    }
    write_bytes(link, redis_command_bytes(&command));
    redis_command_done(&command);
    link->greetings++;
}

static void on_ping_due(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    greet_send(context, (const char *[]){ "PING", NULL });
}

static void greet(struct redis_link *link)
{
    const struct redis_address *address = link->address;
    char db[16];

    if (address->password[0] && address->user[0])
        greet_send(link, (const char *[]){ "AUTH", address->user, address->password, NULL });
    else if (address->password[0])
        greet_send(link, (const char *[]){ "AUTH", address->password, NULL });
    if (address->db) {
        snprintf(db, sizeof(db), "%" PRIu32, address->db);
        greet_send(link, (const char *[]){ "SELECT", db, NULL });
    }
    if (address->wants_master) greet_send(link, (const char *[]){ "ROLE", NULL });
    greet_send(link, (const char *[]){ "PING", NULL });
}

/* ["master", ...], and ["message", channel, ...] */
static bool begins_with(const redisReply *reply, const char *word)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
           reply->element[0]->type == REDIS_REPLY_STRING &&
           strcmp(reply->element[0]->str, word) == 0;
}

/* AUTH and SELECT: anything but OK ends the attempt, and to ROLE anything but a master's answer,
 * the only array. The last answer is that to PING. */
static void take_greeting(struct redis_link *link, const redisReply *reply)
{
    bool is_error = reply->type == REDIS_REPLY_ERROR;

    if (link->greetings == 0) {
        give_up(link, is_error ? reply->str : "Redis answered what was not asked");
        return;
    }
    link->greetings--;
    if (reply->type == REDIS_REPLY_ARRAY && !begins_with(reply, "master")) {
        give_up(link, "it is no master");
    } else if (is_error && link->greetings == 0 && strncmp(reply->str, "LOADING", 7) == 0) {
        link->since_ns = clock_monotonic_ns(); /* it lives; loading may take long */
        timer_arm(link->ping, LOADING_MS);
    } else if (is_error) {
        give_up(link, reply->str);
    } else if (link->greetings == 0) {
        set_state(link, LINK_UP);
        link->options.on_up(link->options.context);
    }
}

/* Answers ----------------------------------------------------------------------------------- */

static void take_reply(struct redis_link *link, const redisReply *reply)
{
    struct redis_request *request;
    uint64_t unsent_size;

    if (link->state == LINK_GREETING) {
        take_greeting(link, reply);
        return;
    }
    if (link->options.on_message && begins_with(reply, "message")) {
        link->options.on_message(link->options.context,
                                 (const struct redis_value *)(const void *)reply);
        return;
    }
    unsent_size = evbuffer_get_length(bufferevent_get_output(link->stream));
    if (!link->first || link->first->ends > link->sent_size - unsent_size) {
        give_up(link, reply->type == REDIS_REPLY_ERROR ? reply->str
                                                       : "Redis answered what was not asked");
        return;
    }
    request = take_first(link);
    link->options.on_answer(link->options.context, request,
                            (const struct redis_value *)(const void *)reply);
}

/* Gives the parser all that came. It copies. */
static void feed(struct redis_link *link)
{
    struct evbuffer *input = bufferevent_get_input(link->stream);
    struct evbuffer_iovec piece;

    while (evbuffer_get_length(input) > 0 && evbuffer_peek(input, -1, NULL, &piece, 1) > 0) {
        redisReaderFeed(link->reader, piece.iov_base, piece.iov_len);
        CHECK(evbuffer_drain(input, piece.iov_len) == 0);
    }
}

static void on_readable(struct bufferevent *stream, void *context)
{
    struct redis_link *link = context;
    uint64_t opened = link->opened;
    void *reply;

    (void)stream;
    feed(link);
    while (link->opened == opened && link->reader) {
        if (redisReaderGetReply(link->reader, &reply) != REDIS_OK) {
            give_up(link, link->reader->errstr);
            break;
        }
        if (!reply) break;
        take_reply(link, reply);
        freeReplyObject(reply);
    }
    if (link->options.on_read) link->options.on_read(link->options.context);
}

/* The stream -------------------------------------------------------------------------------- */

static const char *stream_failure(struct redis_link *link, short what, int error)
{
    const char *of_tls = redis_tls_failure(link->stream);

    if (of_tls) return of_tls;
    if ((what & BEV_EVENT_EOF) || error == 0) return "the connection was closed";
    return evutil_socket_error_to_string(error);
}

/* CONNECTED is said by TLS alone: the server has proved who it is. */
static void on_stream_event(struct bufferevent *stream, short what, void *context)
{
    struct redis_link *link = context;
    int error = EVUTIL_SOCKET_ERROR();

    (void)stream;
    if (what & BEV_EVENT_CONNECTED)
        greet(link);
    else
        give_up(link, stream_failure(link, what, error));
}

static struct bufferevent *stream_new(struct redis_link *link, int fd, char *ret_why,
                                      size_t why_size)
{
    struct bufferevent *stream;

    if (link->address->is_tls) {
        return redis_tls_stream(link->options.base, fd, link->address, ret_why, why_size);
    }
    stream = bufferevent_socket_new(link->options.base, fd, BEV_OPT_CLOSE_ON_FREE);
    CHECK(stream);
    return stream;
}

static void on_connected(void *context, int fd)
{
    struct redis_link *link = context;
    char why[WHY_SIZE];

    link->stream = stream_new(link, fd, why, sizeof(why));
    if (!link->stream) {
        close(fd);
        give_up(link, why);
        return;
    }
    link->reader = redisReaderCreate();
    CHECK(link->reader);
    link->sent_size = 0;
    link->greetings = 0;
    CHECK(bufferevent_set_max_single_write(link->stream, WRITE_SIZE_MAX) == 0);
    CHECK(bufferevent_set_max_single_read(link->stream, READ_SIZE_MAX) == 0);
    bufferevent_setcb(link->stream, on_readable, NULL, on_stream_event, link);
    CHECK(bufferevent_enable(link->stream, EV_READ | EV_WRITE) == 0);
    set_state(link, LINK_GREETING);
    if (!link->address->is_tls) greet(link);
}

static void on_dial_failed(void *context, const char *why)
{
    give_up(context, why);
}

void redis_link_open(struct redis_link *link, const struct redis_address *address)
{
    CHECK(link->state == LINK_CLOSED);
    link->address = address;
    link->opened++;
    set_state(link, LINK_DIALING);
    dial_start(link->dial, address);
}

/* Commands ---------------------------------------------------------------------------------- */

void redis_link_send(struct redis_link *link, struct text bytes, struct redis_request *request)
{
    CHECK(link->state == LINK_UP);
    write_bytes(link, bytes);
    request->ends = link->sent_size;
    request->behind = NULL;
    *link->last = request;
    link->last = &request->behind;
}

/* Life -------------------------------------------------------------------------------------- */

enum redis_link_state redis_link_state(const struct redis_link *link)
{
    return link->state;
}

uint64_t redis_link_since_ns(const struct redis_link *link)
{
    return link->since_ns;
}

struct redis_link *redis_link_new(const struct redis_link_options *options)
{
    struct redis_link *link = mem_zalloc(1, sizeof(*link));

    link->options = *options;
    link->last = &link->first;
    link->ping = evtimer_new(options->base, on_ping_due, link);
    link->dial = dial_new(&(struct dial_options){
        .base = options->base,
        .on_connected = on_connected,
        .on_failed = on_dial_failed,
        .context = link,
    });
    CHECK(link->ping);
    return link;
}

struct redis_link *redis_link_free(struct redis_link *link)
{
    if (!link) return NULL;
    redis_link_close(link);
    dial_free(link->dial);
    event_free(link->ping);
    free(link);
    return NULL;
}
