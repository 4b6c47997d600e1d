/* SPDX-License-Identifier: Apache-2.0 */
/* store_route.c: `conn`, or `cluster` where the address is that of one. */
#include "scheduler/store/store_route.h"

#include "scheduler/store/redis/redis_slots.h"
#include "scheduler/store/store_private.h"

static void on_up(void *context)
{
    store_on_connected(context);
}

static void on_down(void *context, const char *why)
{
    store_on_lost(context, why);
}

static void on_slots(void *context)
{
    struct store *store = context;

    store_news_follow(store->news);
}

void store_route_new(struct store *store)
{
    struct event_base *base = store->options.base;

    if (store->address.shape == REDIS_CLUSTER) {
        store->cluster =
            redis_cluster_new(&(struct redis_cluster_options){ .base = base,
                                                               .library = store_functions,
                                                               .on_up = on_up,
                                                               .on_down = on_down,
                                                               .on_slots = on_slots,
                                                               .context = store });
    } else {
        store->conn = redis_conn_new(&(struct redis_conn_options){
            .base = base, .on_up = on_up, .on_down = on_down, .context = store });
    }
}

void store_route_open(struct store *store)
{
    if (store->cluster)
        redis_cluster_connect(store->cluster, &store->address);
    else if (!redis_conn_is_up(store->conn))
        redis_conn_connect(store->conn, &store->address);
}

void store_route_close(struct store *store)
{
    if (store->conn) redis_conn_close(store->conn);
    if (store->cluster) redis_cluster_close(store->cluster);
}

bool store_route_answer_failed(struct store *store)
{
    if (store->cluster) return redis_cluster_answer_failed(store->cluster);
    return store->conn && redis_conn_answer_failed(store->conn);
}

void store_route_free(struct store *store)
{
    store->conn = redis_conn_free(store->conn);
    store->cluster = redis_cluster_free(store->cluster);
}

void store_route_send(struct store *store, struct redis_request *request, struct redis_order order)
{
    if (store->cluster)
        redis_cluster_send(store->cluster, request, order);
    else
        redis_conn_send(store->conn, request);
}

void store_route_drop(struct store *store, const char *why)
{
    if (store->cluster)
        redis_cluster_drop(store->cluster, why);
    else
        redis_conn_drop(store->conn, why);
}

void store_route_note_good(struct store *store)
{
    if (store->cluster)
        redis_cluster_note_good(store->cluster);
    else
        redis_conn_note_good(store->conn);
}

bool store_route_is_up(const struct store *store)
{
    if (store->cluster) return redis_cluster_is_up(store->cluster);
    return redis_conn_is_up(store->conn);
}

void store_route_read_figures(const struct store *store, struct redis_conn_figures *ret)
{
    if (store->cluster)
        redis_cluster_read_figures(store->cluster, ret);
    else
        redis_conn_read_figures(store->conn, ret);
}

bool store_route_find(const struct store *store, const char *key, struct redis_address *ret)
{
    if (store->cluster)
        return redis_cluster_read_place(store->cluster, redis_slot_of(text_of(key)), ret);
    *ret = store->address;
    return true;
}

size_t store_route_masters(const struct store *store, int *ret_slots)
{
    uint16_t slots[CLUSTER_NODES_MAX];
    size_t count;

    ret_slots[0] = REDIS_SLOT_OF_KEY;
    if (!store->cluster) return 1;
    count = redis_cluster_read_slots(store->cluster, slots);
    for (size_t i = 0; i < count; i++) {
        ret_slots[i] = slots[i];
    }
    return count;
}

void store_route_note_replicas(struct store *store, int slot, uint64_t count)
{
    if (store->cluster && slot >= 0)
        redis_cluster_note_replicas(store->cluster, (uint16_t)slot, count);
}

void store_route_note_moved(struct store *store)
{
    if (store->cluster) redis_cluster_learn(store->cluster);
}
