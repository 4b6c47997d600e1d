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

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/store/embedded_redis.h"
#include "scheduler/store/store_private.h"

enum { REFRESH_MS = 2000, CLOCK_TRUST_MS = 10000 };

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

/* Judging answers --------------------------------------------------------------------------- */

static int judge_failure(int rc, struct problem *problem)
{
    switch (rc) {
    case -ENOBUFS:
        return problem_set(problem, PROBLEM_BUSY,
                           "Too much is waiting for Redis; try again later.");
    case -ENOTCONN:
        return problem_set(problem, PROBLEM_STORE_DOWN, "Redis does not answer; try again later.");
    default:
        return problem_set(problem, PROBLEM_STORE_DOWN,
                           "The connection to Redis was lost before it answered; try again later.");
    }
}

/* What Redis says no with, by its first word. */
static const struct refusal {
    const char *word;
    enum problem_code code;
    const char *says;
    bool is_another; /* not the Redis that it was: look again */
} refusals[] = {
    { "OOM", PROBLEM_STORE_FULL, "Redis has reached its maxmemory", false },
    { "READONLY", PROBLEM_STORE_DOWN, "this Redis is a replica and takes no writes", true },
    { "LOADING", PROBLEM_STORE_DOWN, "Redis is loading its data", true },
    { "MASTERDOWN", PROBLEM_STORE_DOWN, "this Redis is a replica without its master", true },
    { "MISCONF", PROBLEM_STORE_DOWN, "Redis cannot write to its disk", false },
    { "BUSY", PROBLEM_STORE_DOWN, "Redis is busy with a script", false },
    { "NOREPLICAS", PROBLEM_STORE_DOWN, "Redis has too few replicas to take writes", false },
    { "NOPERM", PROBLEM_STORE_DOWN, "the Redis user may not do this", false },
    { "NOAUTH", PROBLEM_STORE_DOWN, "Redis wants a password", true },
    { "CLUSTERDOWN", PROBLEM_STORE_DOWN, "the Redis Cluster is down", false },
    { "MOVED", PROBLEM_STORE_DOWN, "Redis Cluster is not available in this version", false },
};

static const struct refusal *find_refusal(struct text error)
{
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        if (text_starts_with(error, text_of(refusals[i].word))) return &refusals[i];
    }
    return NULL;
}

struct drop_later {
    struct store *store;
    const char *why;
};

static void drop_now(void *context)
{
    struct drop_later *later = context;

    redis_conn_drop(later->store->conn, later->why);
    free(later);
}

/* Later, because dropping answers everything that is under way. */
static void drop_later(struct store *store, const char *why)
{
    struct drop_later *later = mem_alloc(sizeof(*later));

    *later = (struct drop_later){ store, why };
    store_defer(store, drop_now, later);
}

int store_judge(struct store *store, const struct redis_value *value, int rc,
                struct problem *problem)
{
    struct text error = redis_value_text(value);
    const struct refusal *refusal;

    if (rc < 0) return judge_failure(rc, problem);
    if (!redis_value_is_error(value)) return 0;
    if (error.size > 0 && error.data[error.size - 1] == '.') error.size--; /* ours follows */

    refusal = find_refusal(error);
    if (!refusal) {
        return problem_set(problem, PROBLEM_INTERNAL, "Redis refused a command: %.*s.",
                           TEXT_ARGS(error));
    }
    if (refusal->code == PROBLEM_STORE_FULL) {
        store->refused_full++;
        store->has_problem_full = true;
    }
    if (refusal->is_another && store->is_up) drop_later(store, refusal->says);
    return problem_set(problem, refusal->code, "%s (%.*s).", refusal->says, TEXT_ARGS(error));
}

void store_misread(struct problem *problem, const char *what)
{
    problem_set(problem, PROBLEM_INTERNAL, "What Redis holds of %s cannot be read.", what);
}

/* Functions --------------------------------------------------------------------------------- */

struct redis_command *round_add_function(struct round *round, const char *name, unsigned keys)
{
    struct redis_command *command = round_add(round, "FCALL");

    redis_command_add(command, text_of(name));
    redis_command_add_u64(command, keys);
    return command;
}

static void on_loaded(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct store *store =
        (struct store *)(void *)((char *)request - offsetof(struct store, loader));

    (void)value;
    (void)rc; /* a refusal shows at the next call of a function */
    redis_command_done(&request->command);
    store->is_loading = false;
}

void store_load_functions(struct store *store)
{
    if (store->is_loading) return;
    store->is_loading = true;
    store->function_loads++;
    store->loader =
        (struct redis_request){ .command = redis_command_make("FUNCTION"), .on_answer = on_loaded };
    redis_command_add(&store->loader.command, TEXT("LOAD"));
    redis_command_add(&store->loader.command, TEXT("REPLACE"));
    redis_command_add(&store->loader.command, text_of(store_functions));
    redis_conn_send(store->conn, &store->loader);
}

/* FUNCTION LIST WITHCODE: [[..., "library_code", code]] */
static bool library_is_ours(const struct redis_value *list)
{
    const struct redis_value *library = redis_value_at(list, 0);

    for (size_t i = 0; i + 1 < redis_value_count(library); i += 2) {
        if (!text_is_equal(redis_value_text(redis_value_at(library, i)), TEXT("library_code"))) {
            continue;
        }
        return text_is_equal(redis_value_text(redis_value_at(library, i + 1)),
                             text_of(store_functions));
    }
    return false;
}

/* Clock ------------------------------------------------------------------------------------- */

static int64_t monotonic_ms(void)
{
    return (int64_t)ns_to_ms(clock_monotonic_ns());
}

/* An answer that was long on its way makes Redis' clock look late, never early: so the largest
 * offset is the truest, for CLOCK_TRUST_MS; then a lower one may be a clock that was set back. */
void store_note_clock(struct store *store, uint64_t wall_ms)
{
    int64_t now_ms = monotonic_ms(), offset_ms = (int64_t)wall_ms - now_ms;

    if (wall_ms == 0) return;
    if (store->clock_known && offset_ms < store->clock_offset_ms &&
        now_ms - store->clock_noted_ms < CLOCK_TRUST_MS) {
        return;
    }
    store->clock_offset_ms = offset_ms;
    store->clock_noted_ms = now_ms;
    store->clock_known = true;
}

uint64_t store_now_wall_ms(const struct store *store)
{
    if (!store->clock_known) return ns_to_ms(clock_wall_ns());
    return (uint64_t)(monotonic_ms() + store->clock_offset_ms);
}

static void read_time(struct store *store, const struct redis_value *value)
{
    uint64_t seconds = redis_value_u64(redis_value_at(value, 0));
    uint64_t micros = redis_value_u64(redis_value_at(value, 1));

    store_note_clock(store, seconds * 1000 + micros / 1000);
}

/* Preparing and refreshing ------------------------------------------------------------------ */

enum prepare_step {
    STEP_APPENDFSYNC,
    STEP_INFO,
    STEP_TIME,
    STEP_TOKENS,
    STEP_SETTINGS,
    STEP_LIBRARY,
};

static void refuse_redis(struct store *store, const char *why)
{
    snprintf(store->down_says, sizeof(store->down_says), "%s", why);
    drop_later(store, why);
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
        read_time(store, value);
        break;
    case STEP_TOKENS:
        store_tokens_read(store, value);
        break;
    case STEP_SETTINGS:
        store_settings_read(store, value);
        break;
    case STEP_LIBRARY:
        if (!library_is_ours(value)) store_load_functions(store);
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

    if (problem || store->is_up) return; /* the connection is down again already, or refreshed */
    if (!redis_conn_is_up(store->conn) || store->down_says[0]) return;
    store->is_up = true;
    redis_conn_note_good(store->conn);
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
}

static void on_conn_up(void *context)
{
    struct store *store = context;
    struct round *round = round_new(store, on_prepare_answer, on_prepared, store);
    struct redis_command *list;

    store->down_says[0] = '\0';
    store->clock_noted_ms -= CLOCK_TRUST_MS; /* it may be another Redis: its word counts */
    round_tolerate(round);
    add_readings(round);
    list = round_add(round, "FUNCTION");
    redis_command_add(list, TEXT("LIST"));
    redis_command_add(list, TEXT("LIBRARYNAME"));
    redis_command_add(list, TEXT(STORE_LIBRARY));
    redis_command_add(list, TEXT("WITHCODE"));
    round_send(round);
}

static void on_conn_down(void *context, const char *why)
{
    struct store *store = context;

    store->is_up = false;
    event_del(store->refresh);
    snprintf(store->down_says, sizeof(store->down_says), "%s", why);
}

static void on_refreshed(void *my, const struct problem *problem)
{
    struct store *store = my;

    (void)problem;
    if (store->is_up) refresh_later(store);
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

/* Life -------------------------------------------------------------------------------------- */

static void on_embedded_started(void *context)
{
    struct store *store = context;

    if (!redis_conn_is_up(store->conn)) redis_conn_connect(store->conn, &store->address);
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
    if (!store->options.url) return embed(store, problem);
    if (redis_address_parse(text_of(store->options.url), &store->address, problem) < 0) return -1;
    if (redis_address_resolve(&store->address, problem) < 0) return -1;
    redis_conn_connect(store->conn, &store->address);
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
    if (open_redis(store, problem) < 0) return store_free(store);
    return store;
}

struct store *store_free(struct store *store)
{
    if (!store) return NULL;
    store->listener_count = 0;
    store->is_up = false;
    redis_conn_close(store->conn);
    while (redis_conn_answer_failed(store->conn) || store->deferred) {
        run_deferred(store);
    }
    store->conn = redis_conn_free(store->conn);
    store->embedded = embedded_redis_free(store->embedded);
    event_free(store->defer);
    event_free(store->refresh);
    free(store->tokens);
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
