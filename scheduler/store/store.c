/* SPDX-License-Identifier: Apache-2.0 */
/* store.c: from a URL or a directory to a Redis that can be used, and back after each loss.
 *
 *   connection up --> prepare: library there? version, role, durability, clock, tokens
 *                 --> (load the library) --> up: listeners are told
 *   every REFRESH_MS: clock, tokens and figures again
 *   connection down --> down, until the next preparation
 *
 * Preparation may fail for a Redis that is too old, or a Cluster: then the connection is dropped
 * and tried again as if Redis were away, and health says why. */
#include "scheduler/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "scheduler/store/redis/embedded_redis.h"
#include "scheduler/store/redis/redis_tls.h"
#include "scheduler/store/redis/timer.h"
#include "scheduler/store/store_lanes.h"
#include "scheduler/store/store_private.h"

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

enum prepare_step {
    STEP_APPENDFSYNC,
    STEP_INFO,
    STEP_TIME,
    STEP_TOKENS,
    STEP_SETTINGS,
    STEP_SESSIONS,
    STEP_SESSIONS_SEEN,
    STEP_LIBRARY,
};

static void refuse_redis(struct store *store, const char *why)
{
    snprintf(store->down_says, sizeof(store->down_says), "%s", why);
    store_drop_later(store, why);
}

static void on_prepare_answer(void *my, size_t index, const struct redis_value *value)
{
    struct store *store = my;
    struct text info;
    const char *why;

    switch ((enum prepare_step)index) {
    case STEP_APPENDFSYNC:
        store_read_appendfsync(store, value);
        break;
    case STEP_INFO:
        info = redis_value_is_error(value) ? TEXT("") : redis_value_text(value);
        store_read_info(store, info);
        why = store_unfit(store, info);
        if (why) refuse_redis(store, why);
        break;
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
        store_library_read(store, value);
        break;
    }
}

static void refresh_later(struct store *store)
{
    struct timeval after = { .tv_sec = REFRESH_MS / 1000 };

    CHECK(event_add(store->refresh, &after) == 0);
}

static void on_prepared(void *my, const struct problem *problem)
{
    struct store *store = my;
    struct redis_address place;

    if (problem || store->is_up) return; /* the connection is down again already, or refreshed */
    if (!redis_conn_is_up(store->conn) || store->down_says[0]) return;
    store->is_up = true;
    redis_conn_note_good(store->conn);
    redis_conn_read_place(store->conn, &place);
    store_lanes_open(store->lanes, &place);
    if (store->embedded) embedded_redis_note_up(store->embedded);
    refresh_later(store);
    for (size_t i = 0; i < store->listener_count; i++) {
        store->listeners[i].fn(store->listeners[i].context);
    }
}

static void add_readings(struct round *round)
{
    struct redis_command *config = round_add(round, "CONFIG");

    redis_command_add(config, TEXT("GET"));
    redis_command_add(config, TEXT("appendfsync"));
    round_add(round, "INFO");
    round_add(round, "TIME");
    store_tokens_request(round);
    store_settings_request(round);
    store_sessions_request(round);
}

static void on_conn_up(void *context)
{
    struct store *store = context;
    struct round *round = round_new(store, on_prepare_answer, on_prepared, store);

    store->down_says[0] = '\0';
    store_distrust_clock(store);
    round_tolerate(round);
    add_readings(round);
    store_library_request(round);
    round_send(round);
}

static void on_conn_down(void *context, const char *why)
{
    struct store *store = context;

    store->is_up = false;
    event_del(store->refresh);
    store_lanes_close(store->lanes);
    snprintf(store->down_says, sizeof(store->down_says), "%s", why);
}

static void on_refreshed(void *my, const struct problem *problem)
{
    struct store *store = my;

    (void)problem;
    if (!store->is_up) return;
    store_tokens_tell_uses(store);
    store_sessions_keep(store);
    refresh_later(store);
}

static void on_refresh(evutil_socket_t fd, short what, void *context)
{
    struct store *store = context;
    struct round *round = round_new(store, on_prepare_answer, on_refreshed, store);

    (void)fd;
    (void)what;
    round_tolerate(round);
    add_readings(round);
    round_send(round);
}

void store_refresh_soon(struct store *store)
{
    if (store->is_up) timer_arm(store->refresh, 0);
}

/* Life -------------------------------------------------------------------------------------- */

static void on_embedded_started(void *context)
{
    struct store *store = context;

    if (!redis_conn_is_up(store->conn)) redis_conn_connect(store->conn, &store->address);
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

    if (!options->url) return embed(store, problem);
    if (redis_address_parse(text_of(options->url), address, problem) < 0) return -1;
    if (options->password_file &&
        redis_address_read_password(address, options->password_file, problem) < 0) {
        return -1;
    }
    address->tls = (struct redis_tls_files){ options->ca, options->cert, options->key };
    if (address->is_tls && redis_tls_check(&address->tls, problem) < 0) return -1;
    redis_conn_connect(store->conn, &store->address);
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
    store->conn = redis_conn_new(&(struct redis_conn_options){
        .base = options->base, .on_up = on_conn_up, .on_down = on_conn_down, .context = store });
    store->lanes = store_lanes_new(options->base);
    snprintf(store->name, sizeof(store->name), "%016" PRIx64, random_u64());
    store->news = store_news_new(store);
    if (open_redis(store, problem) < 0) return store_free(store);
    return store;
}

struct store *store_free(struct store *store)
{
    if (!store) return NULL;
    store->listener_count = 0;
    store->is_up = false;
    store->news = store_news_free(store->news);
    redis_conn_close(store->conn);
    store_lanes_close(store->lanes);
    while (redis_conn_answer_failed(store->conn) || store_lanes_answer_failed(store->lanes) ||
           store->deferred) {
        run_deferred(store);
    }
    store->conn = redis_conn_free(store->conn);
    store->lanes = store_lanes_free(store->lanes);
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
