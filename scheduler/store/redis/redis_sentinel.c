/* SPDX-License-Identifier: Apache-2.0 */
/* redis_sentinel.c: one link, to one Sentinel after the other.
 *
 *   IDLE --ask--> ASKING --it names a master: told--> LISTENING --SUBSCRIBE +switch-master
 *     ^             | ^                                |    ^
 *     |             | +---silent or lost (the next)----+    +-- it names another: told
 *     +-- all were asked: told
 *
 * A Sentinel that we listen to is asked for a PONG every PING_MS, because one that is cut off says
 * nothing. When it is lost the next one is asked, and that one's answer is told if it is another
 * than before: a switch that nobody told us of is noticed so. If then none answers, they are asked
 * again after AGAIN_MS, and nobody is told: the master may be as well as before.
 *
 * A Sentinel may be wrong for a while. Whoever connects to its master asks for its ROLE, and comes
 * back here when that is not what it should be; then another Sentinel is asked. */
#include "scheduler/store/redis/redis_sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/redis_link.h"
#include "scheduler/store/redis/redis_request.h"
#include "scheduler/store/redis/redis_value.h"
#include "scheduler/store/redis/timer.h"

enum {
    ANSWER_MS_MAX = 3000, /* longer than a dial: then the reason is known */
    PING_MS = 1000,
    AGAIN_MS = 1000,
    WHY_SIZE = 512,
};

enum sentinel_state { SENTINEL_IDLE, SENTINEL_ASKING, SENTINEL_LISTENING };

struct redis_sentinel {
    struct redis_sentinel_options options;
    const struct redis_address *address;
    enum sentinel_state state;
    size_t next;                /* of the address' seeds: to be asked next */
    size_t asked;               /* how many were asked in this turn */
    bool is_awaited;            /* somebody waits for the answer */
    bool pong_is_due;           /* PING was sent */
    struct redis_place master;  /* told last */
    struct redis_address place; /* of the Sentinel that is asked */
    struct redis_link *link;
    struct redis_request name, subscribe, ping;
    struct event *patience, *beat;
};

static void ask_next(struct redis_sentinel *sentinel);

/* Telling ----------------------------------------------------------------------------------- */

static void give_up(struct redis_sentinel *sentinel, const char *why)
{
    char says[WHY_SIZE + REDIS_USER_SIZE_MAX + 64];
    bool is_awaited = sentinel->is_awaited;

    snprintf(says, sizeof(says), "no Sentinel names a master '%s': %s", sentinel->address->master,
             why);
    sentinel->state = SENTINEL_IDLE;
    sentinel->is_awaited = false;
    if (is_awaited)
        sentinel->options.on_nobody(sentinel->options.context, says);
    else
        timer_arm(sentinel->beat, AGAIN_MS);
}

/* This Sentinel is of no use. */
static void leave(struct redis_sentinel *sentinel, const char *why)
{
    char kept[WHY_SIZE];

    snprintf(kept, sizeof(kept), "%s:%u: %s", sentinel->place.host, sentinel->place.port, why);
    redis_link_close(sentinel->link);
    event_del(sentinel->patience);
    event_del(sentinel->beat);
    if (sentinel->state == SENTINEL_LISTENING) sentinel->asked = 0;
    if (sentinel->asked < sentinel->address->seed_count)
        ask_next(sentinel);
    else
        give_up(sentinel, kept);
}

static bool read_place(struct text host, uint64_t port, struct redis_place *ret)
{
    if (host.size == 0 || host.size > REDIS_HOST_SIZE_MAX || !text_is_printable(host)) return false;
    if (port == 0 || port > UINT16_MAX) return false;
    memcpy(ret->host, host.data, host.size);
    ret->host[host.size] = '\0';
    ret->port = (uint16_t)port;
    return true;
}

static void tell(struct redis_sentinel *sentinel, const struct redis_place *master)
{
    bool is_another =
        master->port != sentinel->master.port || strcmp(master->host, sentinel->master.host) != 0;
    bool is_awaited = sentinel->is_awaited;

    sentinel->master = *master;
    sentinel->is_awaited = false;
    if (is_awaited || is_another) sentinel->options.on_master(sentinel->options.context, master);
}

/* Asking ------------------------------------------------------------------------------------ */

static void send_words(struct redis_sentinel *sentinel, struct redis_request *request,
                       const char *const *words)
{
    redis_command_done(&request->command);
    request->command = redis_command_make(words[0]);
    for (size_t i = 1; words[i]; i++) {
        redis_command_add(&request->command, text_of(words[i]));
    }
    redis_link_send(sentinel->link, redis_command_bytes(&request->command), request);
}

static void on_up(void *context)
{
    struct redis_sentinel *sentinel = context;

    send_words(
        sentinel, &sentinel->name,
        (const char *[]){ "SENTINEL", "get-master-addr-by-name", sentinel->address->master, NULL });
    send_words(sentinel, &sentinel->subscribe,
               (const char *[]){ "SUBSCRIBE", "+switch-master", NULL });
}

static void on_lost(void *context, const char *why)
{
    leave(context, why);
}

static void take_name(struct redis_sentinel *sentinel, const struct redis_value *value)
{
    struct redis_place master;

    if (redis_value_is_error(value)) {
        leave(sentinel, redis_value_text(value).data);
    } else if (!read_place(redis_value_text(redis_value_at(value, 0)),
                           redis_value_u64(redis_value_at(value, 1)), &master)) {
        leave(sentinel, "it knows none");
    } else {
        sentinel->state = SENTINEL_LISTENING;
        event_del(sentinel->patience);
        timer_arm(sentinel->beat, PING_MS);
        tell(sentinel, &master);
    }
}

static void on_answer(void *context, struct redis_request *request, const struct redis_value *value)
{
    struct redis_sentinel *sentinel = context;

    if (!value) return; /* the link ends, and somebody is about to say why */
    if (request == &sentinel->name) take_name(sentinel, value);
    if (request == &sentinel->subscribe && redis_value_is_error(value))
        leave(sentinel, redis_value_text(value).data);
    if (request == &sentinel->ping) sentinel->pong_is_due = false;
}

/* ["message", "+switch-master", "NAME old-host old-port new-host new-port"] */
static void on_message(void *context, const struct redis_value *message)
{
    struct redis_sentinel *sentinel = context;
    struct text words[5] = { { 0 } }, rest = redis_value_text(redis_value_at(message, 2));
    struct redis_place master;
    uint64_t port;

    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        const char *blank = rest.size ? memchr(rest.data, ' ', rest.size) : NULL;
        size_t size = blank ? (size_t)(blank - rest.data) : rest.size;

        words[i] = (struct text){ rest.data, size };
        rest.data += size + (blank != NULL);
        rest.size -= size + (blank != NULL);
    }
    if (!text_is_equal(words[0], text_of(sentinel->address->master))) return;
    if (text_to_u64(words[4], &port) < 0 || !read_place(words[3], port, &master)) return;
    tell(sentinel, &master);
}

static void ask_next(struct redis_sentinel *sentinel)
{
    const struct redis_address *address = sentinel->address;
    const struct redis_place *seed = &address->seeds[sentinel->next];
    struct redis_address *place = &sentinel->place;

    sentinel->next = (sentinel->next + 1) % address->seed_count;
    sentinel->asked++;
    sentinel->state = SENTINEL_ASKING;
    sentinel->pong_is_due = false;
    *place = (struct redis_address){ .port = seed->port, .is_tls = address->is_tls };
    place->tls = address->tls;
    memcpy(place->host, seed->host, sizeof(place->host));
    memcpy(place->user, address->sentinel_user, sizeof(place->user));
    memcpy(place->password, address->sentinel_password, sizeof(place->password));
    timer_arm(sentinel->patience, ANSWER_MS_MAX);
    redis_link_open(sentinel->link, place);
}

static void on_patience(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    leave(context, "no answer");
}

static void on_beat(evutil_socket_t fd, short what, void *context)
{
    struct redis_sentinel *sentinel = context;

    (void)fd;
    (void)what;
    if (sentinel->state == SENTINEL_IDLE) {
        sentinel->asked = 0;
        ask_next(sentinel);
    } else if (sentinel->pong_is_due) {
        leave(sentinel, "no answer");
    } else {
        sentinel->pong_is_due = true;
        send_words(sentinel, &sentinel->ping, (const char *[]){ "PING", NULL });
        timer_arm(sentinel->beat, PING_MS);
    }
}

/* Life -------------------------------------------------------------------------------------- */

void redis_sentinel_ask(struct redis_sentinel *sentinel, const struct redis_address *address)
{
    CHECK(address->seed_count > 0);
    redis_sentinel_stop(sentinel);
    if (sentinel->address != address) sentinel->next = 0;
    sentinel->address = address;
    sentinel->asked = 0;
    sentinel->is_awaited = true;
    ask_next(sentinel);
}

void redis_sentinel_stop(struct redis_sentinel *sentinel)
{
    redis_link_close(sentinel->link);
    event_del(sentinel->patience);
    event_del(sentinel->beat);
    sentinel->state = SENTINEL_IDLE;
    sentinel->is_awaited = false;
}

struct redis_sentinel *redis_sentinel_new(const struct redis_sentinel_options *options)
{
    struct redis_sentinel *sentinel = mem_zalloc(1, sizeof(*sentinel));

    sentinel->options = *options;
    sentinel->patience = evtimer_new(options->base, on_patience, sentinel);
    sentinel->beat = evtimer_new(options->base, on_beat, sentinel);
    CHECK(sentinel->patience && sentinel->beat);
    sentinel->link = redis_link_new(&(struct redis_link_options){
        .base = options->base,
        .on_up = on_up,
        .on_lost = on_lost,
        .on_answer = on_answer,
        .on_message = on_message,
        .context = sentinel,
    });
    return sentinel;
}

struct redis_sentinel *redis_sentinel_free(struct redis_sentinel *sentinel)
{
    if (!sentinel) return NULL;
    redis_link_free(sentinel->link);
    event_free(sentinel->patience);
    event_free(sentinel->beat);
    redis_command_done(&sentinel->name.command);
    redis_command_done(&sentinel->subscribe.command);
    redis_command_done(&sentinel->ping.command);
    free(sentinel);
    return NULL;
}
