/* SPDX-License-Identifier: Apache-2.0 */
/* store_route.h: the way to Redis, whatever its shape: one connection, or those of a Cluster.
 *
 * What is sent goes by its key; with one connection an order's slot and its wish for a replica say
 * nothing (WAIT is sent by who wants it). Close, answer what has failed, free: as redis_conn.h. */
#ifndef STAKEOUT_SCHEDULER_STORE_STORE_ROUTE_H
#define STAKEOUT_SCHEDULER_STORE_STORE_ROUTE_H

#include "scheduler/store/redis/redis_cluster.h"

struct redis_conn_figures;
struct redis_request;
struct store;

void store_route_new(struct store *store); /* when the address' shape is known */
void store_route_open(struct store *store);
/* Without effect if it was not made. */
void store_route_close(struct store *store);
bool store_route_answer_failed(struct store *store);
void store_route_free(struct store *store);

void store_route_send(struct store *store, struct redis_request *request, struct redis_order order);
void store_route_drop(struct store *store, const char *why);
void store_route_note_good(struct store *store);
bool store_route_is_up(const struct store *store);
void store_route_read_figures(const struct store *store, struct redis_conn_figures *ret);

/* Where this key is, as an address of a single Redis, or of Sentinels that know it. False: not
 * known yet. */
bool store_route_find(const struct store *store, const char *key, struct redis_address *ret);

/* A Redis said that a key is not there any more. */
void store_route_note_moved(struct store *store);

/* One slot of each master: how many there are. A single Redis is one, REDIS_SLOT_OF_KEY. */
size_t store_route_masters(const struct store *store, int *ret_slots);
void store_route_note_replicas(struct store *store, int slot, uint64_t count);

#endif
