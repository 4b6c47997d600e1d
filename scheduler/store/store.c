/* SPDX-License-Identifier: Apache-2.0 */
/* store.c: from a URL or a directory to a Redis that can be used, and back after each loss.
 *
 *   connection up --> prepare: library there? version, role, durability, clock, tokens
 *                 --> (load the library) --> up: listeners are told
 *   every REFRESH_MS: clock, tokens and figures again
 *   connection down --> down, until the next preparation
 *
 * Preparation may fail for a Redis that is too old, or a node of a Cluster that is named as if it
 * were alone: then the connection is dropped and tried again as if Redis were away, and health says
 * why. "The connection" is what store_route.h makes it: one, or all those of a Cluster. */
#include "scheduler/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "scheduler/store/redis/embedded_redis.h"
#include "scheduler/store/redis/redis_slots.h"
#include "scheduler/store/redis/redis_tls.h"
#include "scheduler/store/redis/timer.h"
#include "scheduler/store/store_lanes.h"
#include "scheduler/store/store_private.h"
#include "scheduler/store/store_route.h"

enum { REFRESH_MS = 2000 };

/* Deferring --------------------------------------------------------------------------------- */

static void run_deferred(struct store *store)
{
    struct store_deferred *it = store->deferred;

    store->deferred = NULL;
    while (it) {
        struct store_deferred *next = it->next;
        it->fn(it->context);
        free(it);
        it = next;
    }
}

static void on_defer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    run_deferred(context);
}

void store_defer(struct store *store, void (*fn)(void *context), void *context)
{
    struct store_deferred *it = mem_zalloc(1, sizeof(*it));

    it->fn = fn;
    it->context = context;
    if (!store->deferred) store->deferred_last = &store->deferred;
    *store->deferred_last = it;
    store->deferred_last = &it->next;
    event_active(store->defer, EV_TIMEOUT, 0);
}

/* Preparing and refreshing ------------------------------------------------------------------ */

/* Of each master its CONFIG and its INFO; then these; then, to prepare, each one's library. */
enum prepare_step {
    STEP_TIME,
    STEP_TOKENS,
    STEP_SETTINGS,
    STEP_SESSIONS,
    STEP_SESSIONS_SEEN,
    STEP_LIBRARY,
};

struct reading {
    struct store *store;
    int slots[CLUSTER_NODES_MAX];
    size_t masters;
};

static void refuse_redis(struct store *store, const char *why)
{
    snprintf(store->down_says, sizeof(store->down_says), "%s", why);
    store_drop_later(store, why);
}

static void on_master_answer(const struct reading *reading, size_t index,
                             const struct redis_value *value)
{
    struct store *store = reading->store;
    size_t master = index / 2;
    struct text info;
    const char *why;

    if (index % 2 == 0) {
        store_read_appendfsync(store, value, master == 0);
        return;
    }
    info = redis_value_is_error(value) ? TEXT("") : redis_value_text(value);
    store_read_info(store, info, master == 0);
    store->health.master_count = reading->masters;
    if (master + 1 == reading->masters) store_note_readings(store);
    store_route_note_replicas(store, reading->slots[master], store_replicas(info));
    why = store_unfit(store, info);
    if (why) refuse_redis(store, why);
}

static void on_reading_answer(void *my, size_t index, const struct redis_value *value)
{
    const struct reading *reading = my;
    struct store *store = reading->store;
    size_t step = index - 2 * reading->masters;

    if (index < 2 * reading->masters) {
        on_master_answer(reading, index, value);
        return;
    }
    switch ((enum prepare_step)(step < STEP_LIBRARY ? step : STEP_LIBRARY)) {
    case STEP_TIME:
        store_read_time(store, value);
        break;
    case STEP_TOKENS:
        store_tokens_read(store, value);
        break;
    case STEP_SETTINGS:
        store_settings_read(store, value);
        break;
    case STEP_SESSIONS:
        store_sessions_read(store, value);
        break;
    case STEP_SESSIONS_SEEN:
        store_sessions_read_seen(store, value);
        break;
    case STEP_LIBRARY:
        store_library_read(store, value, reading->slots[step - STEP_LIBRARY]);
        break;
    }
}

static void refresh_later(struct store *store)
{
    struct timeval after = { .tv_sec = REFRESH_MS / 1000 };

    CHECK(event_add(store->refresh, &after) == 0);
}

static void be_up(struct store *store)
{
    struct redis_address place;

    store->is_up = true;
    store_route_note_good(store);
    if (store->conn) {
        redis_conn_read_place(store->conn, &place);
        store_lanes_open(store->lanes, &place);
    }
    store_news_follow(store->news);
    if (store->embedded) embedded_redis_note_up(store->embedded);
    refresh_later(store);
    for (size_t i = 0; i < store->listener_count; i++) {
        store->listeners[i].fn(store->listeners[i].context);
    }
}

static void on_prepared(void *my, const struct problem *problem)
{
    struct reading *reading = my;
    struct store *store = reading->store;

    free(reading);
    if (problem || store->is_up) return; /* the connection is down again already, or refreshed */
    if (store_route_is_up(store) && !store->down_says[0]) be_up(store);
}

static struct round *reading_begin(struct store *store, round_done_fn on_done,
                                   struct reading **ret_reading)
{
    struct reading *reading = mem_zalloc(1, sizeof(*reading));
    struct round *round = round_new(store, on_reading_answer, on_done, reading);

    reading->store = store;
    reading->masters = store_route_masters(store, reading->slots);
    round_tolerate(round);
    for (size_t i = 0; i < reading->masters; i++) {
        struct redis_command *config = round_add_at(round, "CONFIG", reading->slots[i]);

        redis_command_add(config, TEXT("GET"));
        redis_command_add(config, TEXT("appendfsync"));
        round_add_at(round, "INFO", reading->slots[i]);
    }
    round_add(round, "TIME");
    store_tokens_request(round);
    store_settings_request(round);
    store_sessions_request(round);
    *ret_reading = reading;
    return round;
}

void store_on_connected(struct store *store)
{
    struct reading *reading;
    struct round *round = reading_begin(store, on_prepared, &reading);

    store->down_says[0] = '\0';
    store_distrust_clock(store);
    for (size_t i = 0; i < reading->masters; i++) {
        store_library_request(round, reading->slots[i]);
    }
    round_send(round);
}

void store_on_lost(struct store *store, const char *why)
{
    store->is_up = false;
    event_del(store->refresh);
    store_lanes_close(store->lanes);
    snprintf(store->down_says, sizeof(store->down_says), "%s", why);
}

static void on_refreshed(void *my, const struct problem *problem)
{
    struct reading *reading = my;
    struct store *store = reading->store;

    (void)problem;
    free(reading);
    if (!store->is_up) return;
    store_tokens_tell_uses(store);
    store_sessions_keep(store);
    refresh_later(store);
}

static void on_refresh(evutil_socket_t fd, short what, void *context)
{
    struct reading *reading;

    (void)fd;
    (void)what;
    round_send(reading_begin(context, on_refreshed, &reading));
}

void store_refresh_soon(struct store *store)
{
    if (store->is_up) timer_arm(store->refresh, 0);
}

/* Life -------------------------------------------------------------------------------------- */

static void on_embedded_started(void *context)
{
    struct store *store = context;

    store_route_open(store);
    store_news_connect(store->news);
}

static void on_embedded_given_up(void *context, const struct problem *problem)
{
    struct store *store = context;

    snprintf(store->down_says, sizeof(store->down_says), "%s", problem->detail);
    if (store->options.on_given_up) store->options.on_given_up(store->options.context, problem);
}

static int embed(struct store *store, struct problem *problem)
{
    const struct store_options *options = &store->options;

    store->embedded = embedded_redis_new(
        &(struct embedded_redis_options){
            .base = options->base,
            .state_dir = options->state_dir,
            .redis_path = options->redis_path,
            .memory_size_max = options->memory_size_max,
            .share = options->share,
            .on_started = on_embedded_started,
            .on_given_up = on_embedded_given_up,
            .context = store,
        },
        problem);
    if (!store->embedded) return -1;
    snprintf(store->address.path, sizeof(store->address.path), "%s",
             embedded_redis_socket(store->embedded));
    return 0;
}

static int open_redis(struct store *store, struct problem *problem)
{
    const struct store_options *options = &store->options;
    struct redis_address *address = &store->address;

    if (!options->url) {
        store_route_new(store);
        return embed(store, problem);
    }
    if (redis_address_parse(text_of(options->url), address, problem) < 0) return -1;
    if (options->password_file &&
        redis_address_read_password(address, options->password_file, problem) < 0) {
        return -1;
    }
    address->tls = (struct redis_tls_files){ options->ca, options->cert, options->key };
    if (address->is_tls && redis_tls_check(&address->tls, problem) < 0) return -1;
    store_route_new(store);
    store_route_open(store);
    store_news_connect(store->news);
    return 0;
}

struct store *store_new(const struct store_options *options, struct problem *problem)
{
    struct store *store = mem_zalloc(1, sizeof(*store));

    store->options = *options;
    store->defer = event_new(options->base, -1, 0, on_defer, store);
    store->refresh = evtimer_new(options->base, on_refresh, store);
    CHECK(store->defer && store->refresh);
    snprintf(store->down_says, sizeof(store->down_says), "it has not been reached yet");
    store->lanes = store_lanes_new(options->base);
    snprintf(store->name, sizeof(store->name), "%016" PRIx64, random_u64());
    store->news = store_news_new(store);
    store->tell = store_tell_new(store);
    if (open_redis(store, problem) < 0) return store_free(store);
    return store;
}

struct store *store_free(struct store *store)
{
    if (!store) return NULL;
    store->listener_count = 0;
    store->is_up = false;
    store->news = store_news_free(store->news);
    store_route_close(store);
    store_lanes_close(store->lanes);
    while (store_route_answer_failed(store) || store_lanes_answer_failed(store->lanes) ||
           store->deferred) {
        run_deferred(store);
    }
    store_route_free(store);
    store->lanes = store_lanes_free(store->lanes);
    store->tell = store_tell_free(store->tell);
    store->embedded = embedded_redis_free(store->embedded);
    event_free(store->defer);
    event_free(store->refresh);
    store_tokens_forget(store);
    free(store->sessions);
    free(store->settings);
    free(store);
    return NULL;
}

struct listener {
    struct store *store;
    size_t index;
};

static void tell_listener(void *context)
{
    struct listener *listener = context;
    struct store *store = listener->store;

    if (store->is_up && listener->index < store->listener_count) {
        store->listeners[listener->index].fn(store->listeners[listener->index].context);
    }
    free(listener);
}

void store_on_up(struct store *store, store_up_fn on_up, void *context)
{
    CHECK(store->listener_count < STORE_LISTENERS_MAX);
    store->listeners[store->listener_count].fn = on_up;
    store->listeners[store->listener_count++].context = context;
    if (store->is_up) {
        struct listener *listener = mem_alloc(sizeof(*listener));
        *listener = (struct listener){ store, store->listener_count - 1 };
        store_defer(store, tell_listener, listener);
    }
}

bool store_is_up(const struct store *store)
{
    return store->is_up;
}
