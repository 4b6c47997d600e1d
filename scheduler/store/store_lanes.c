/* SPDX-License-Identifier: Apache-2.0 */
/* store_lanes.c: a few connections that come and go with the store's own.
 *
 * A lane lives no longer than that one: after a failover it might still reach a Redis that is the
 * master no more. Hence it is given a place, never Sentinels to ask. */
#include "scheduler/store/store_lanes.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/redis_conn.h"

struct store_lanes {
    struct redis_conn *conns[STORE_LANES];
    size_t next;
    struct redis_address address;
    bool is_open, is_used; /* may be used; was picked from since then */
};

static void on_up(void *context)
{
    (void)context;
}

/* Tried again by itself; meanwhile the others take its reports. */
static void on_down(void *context, const char *why)
{
    (void)context;
    (void)why;
}

struct store_lanes *store_lanes_new(struct event_base *base)
{
    struct store_lanes *lanes = mem_zalloc(1, sizeof(*lanes));

    for (size_t i = 0; i < STORE_LANES; i++) {
        lanes->conns[i] = redis_conn_new(&(struct redis_conn_options){
            .base = base, .on_up = on_up, .on_down = on_down, .context = lanes });
    }
    return lanes;
}

struct store_lanes *store_lanes_free(struct store_lanes *lanes)
{
    if (!lanes) return NULL;
    for (size_t i = 0; i < STORE_LANES; i++) {
        redis_conn_free(lanes->conns[i]);
    }
    free(lanes);
    return NULL;
}

void store_lanes_open(struct store_lanes *lanes, const struct redis_address *address)
{
    CHECK(address->shape == REDIS_SINGLE);
    lanes->address = *address;
    lanes->is_open = true;
    lanes->is_used = false;
}

void store_lanes_close(struct store_lanes *lanes)
{
    lanes->is_open = false;
    for (size_t i = 0; i < STORE_LANES; i++) {
        redis_conn_close(lanes->conns[i]);
    }
}

bool store_lanes_answer_failed(struct store_lanes *lanes)
{
    bool had_some = false;

    for (size_t i = 0; i < STORE_LANES; i++) {
        had_some = redis_conn_answer_failed(lanes->conns[i]) || had_some;
    }
    return had_some;
}

static void connect_all(struct store_lanes *lanes)
{
    lanes->is_used = true;
    for (size_t i = 0; i < STORE_LANES; i++) {
        redis_conn_connect(lanes->conns[i], &lanes->address);
    }
}

struct redis_conn *store_lanes_pick(struct store_lanes *lanes)
{
    if (lanes->is_open && !lanes->is_used) connect_all(lanes);
    for (size_t i = 0; i < STORE_LANES; i++) {
        struct redis_conn *conn = lanes->conns[lanes->next++ % STORE_LANES];

        if (redis_conn_is_up(conn)) return conn;
    }
    return NULL;
}

void store_lanes_add_figures(const struct store_lanes *lanes, struct redis_conn_figures *figures)
{
    for (size_t i = 0; i < STORE_LANES; i++) {
        struct redis_conn_figures more;

        redis_conn_read_figures(lanes->conns[i], &more);
        figures->commands += more.commands;
        figures->errors += more.errors;
        figures->timeouts += more.timeouts;
        figures->in_flight_count += more.in_flight_count;
        figures->in_flight_size += more.in_flight_size;
        figures->queued_count += more.queued_count;
        figures->queued_size += more.queued_size;
    }
}
