/* SPDX-License-Identifier: Apache-2.0 */
/* redis_cluster.h: the masters of a Redis Cluster, a connection to each, kept up for ever.
 *
 *     cluster = redis_cluster_new(&(struct redis_cluster_options){ .base = base, .on_up = ... });
 *     redis_cluster_connect(cluster, &address);          its seeds
 *     redis_cluster_send(cluster, &request, order);      from on_up on
 *
 * It is up while every slot has a master and each of these is connected. A request goes to the
 * master that has its first key, or the slot that it is ordered to, and follows MOVED and ASK. What
 * cannot be answered yet (TRYAGAIN, CLUSTERDOWN, a master that is being connected to) is tried
 * again for 3 s; none of these was carried out. A master without our functions is given them.
 *
 * A request is lent as with redis_conn_send(), and answered once, later; besides the failures named
 * there with -ENOLINK: it was carried out, and no replica confirmed it. Answers of requests of one
 * slot come in the order of the requests, unless the slot moves meanwhile; others in any order.
 *
 * One event-loop thread. Limits: CLUSTER_NODES_MAX masters. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_CLUSTER_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct redis_address;
struct redis_cluster;
struct redis_conn_figures;
struct redis_request;

struct redis_cluster_options {
    struct event_base *base;
    const char *library; /* source of the functions that every master must have; NULL: of none */
    void (*on_up)(void *context);
    void (*on_down)(void *context, const char *why); /* it was up, or could not be reached */
    void (*on_slots)(void *context);                 /* a slot may have another master now */
    void *context;
};

enum { REDIS_SLOT_OF_KEY = -1 };

struct redis_order {
    int slot;          /* REDIS_SLOT_OF_KEY: that of the command's first key; without one, any */
    bool is_witnessed; /* answered when a replica has it, too, if its master has replicas */
};

struct redis_cluster *redis_cluster_new(const struct redis_cluster_options *options);

/* The end, in three steps, as that of a struct redis_conn. */
void redis_cluster_close(struct redis_cluster *cluster);
bool redis_cluster_answer_failed(struct redis_cluster *cluster);
struct redis_cluster *redis_cluster_free(struct redis_cluster *cluster); /* accepts NULL */

/* Begins. The address is copied. */
void redis_cluster_connect(struct redis_cluster *cluster, const struct redis_address *address);
/* Down, until the slots were asked for again. */
void redis_cluster_drop(struct redis_cluster *cluster, const char *why);
/* Asks for the slots again, soon. */
void redis_cluster_learn(struct redis_cluster *cluster);
/* These masters will do: the next loss of each begins with the shortest wait. */
void redis_cluster_note_good(struct redis_cluster *cluster);
bool redis_cluster_is_up(const struct redis_cluster *cluster);
void redis_cluster_send(struct redis_cluster *cluster, struct redis_request *request,
                        struct redis_order order);

/* One slot of each master, CLUSTER_NODES_MAX at most: by it something can be ordered from each.
 * Returns how many. */
size_t redis_cluster_read_slots(const struct redis_cluster *cluster, uint16_t *ret_slots);
/* How often functions were loaded, since its start. */
uint64_t redis_cluster_loads(const struct redis_cluster *cluster);
/* How many replicas follow the master of this slot, as its INFO says. */
void redis_cluster_note_replicas(struct redis_cluster *cluster, uint16_t slot, uint64_t count);
/* Where the slot is, as an address of a single Redis. False: nobody has it. */
bool redis_cluster_read_place(const struct redis_cluster *cluster, uint16_t slot,
                              struct redis_address *ret);
/* The sums of all, `latency_ns` the longest. */
void redis_cluster_read_figures(const struct redis_cluster *cluster,
                                struct redis_conn_figures *ret);

#endif
