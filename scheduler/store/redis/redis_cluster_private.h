/* SPDX-License-Identifier: Apache-2.0 */
/* redis_cluster_private.h: a Cluster as its own files see it: redis_cluster.c has the nodes and the
 * map of slots, redis_errand.c the requests on their way, redis_witness.c those that wait for a
 * replica. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_CLUSTER_PRIVATE_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_CLUSTER_PRIVATE_H

#include "scheduler/store/redis/redis_address.h"
#include "scheduler/store/redis/redis_cluster.h"
#include "scheduler/store/redis/redis_conn.h"
#include "scheduler/store/redis/redis_slots.h"

struct event;

/* One request on its way. */
struct errand {
    struct redis_request request; /* first: it is found by this. Its command is lent by `outer` */
    struct redis_request *outer;  /* the caller's */
    struct redis_cluster *cluster;
    struct cluster_node *node; /* where it was sent last */
    uint16_t slot;
    bool is_witnessed, is_asking, has_loaded, is_late;
    struct redis_place asked; /* with is_asking: to whom ASK sent us */
    unsigned redirects;
    uint64_t deadline_ns;
    struct redis_value *kept; /* the answer that waits, or that it is held for; owned */
    int rc;
    struct errand *next;
};

struct errand_list {
    struct errand *first, **last;
    size_t count, size; /* size in bytes of their commands */
};

struct cluster_node {
    struct redis_cluster *cluster;
    struct redis_place place;
    struct redis_conn *conn;
    bool is_owner;    /* it has slots, as we know */
    uint64_t used_ns; /* when ASK last sent us there */
    uint64_t replica_count;
    struct redis_request ask; /* CLUSTER SLOTS */
    bool is_asked;
    struct redis_request wait; /* WAIT, for `witnessing` */
    bool is_waiting;
    struct errand_list witnessing, unwitnessed;
};

enum { NODES_MAX = CLUSTER_NODES_MAX + 16 /* seeds, and nodes that are being given slots */ };

struct redis_cluster {
    struct redis_cluster_options options;
    struct redis_address address;
    struct cluster_node *nodes[NODES_MAX];
    size_t node_count;
    size_t next_asked; /* of `nodes`: for the map */
    struct redis_slots slots;
    struct cluster_node *owners[CLUSTER_NODES_MAX]; /* of slots.nodes */
    bool is_known, is_stale, is_up, is_closed;
    uint64_t connects, disconnects, loads;
    struct redis_conn_figures left;       /* of nodes that are no more */
    struct errand_list held, failed;      /* to be sent again; to be answered */
    uint16_t held_by_slot[CLUSTER_SLOTS]; /* how many of `held` */
    struct event *learn, *again, *fail;
};

/* The node at a place, which is connected to if it is new. NULL: there are too many. */
struct cluster_node *cluster_node_at(struct redis_cluster *cluster,
                                     const struct redis_place *place);
struct cluster_node *cluster_owner(const struct redis_cluster *cluster, uint16_t slot);
/* A node said so. */
void cluster_note_moved(struct redis_cluster *cluster, uint16_t slot,
                        const struct redis_place *place);
/* The map may be wrong: it is asked for soon. */
void cluster_note_stale(struct redis_cluster *cluster);

/* Adds one; takes all, chained by `next`. */
void errand_list_put(struct errand_list *list, struct errand *errand);
struct errand *errand_list_take(struct errand_list *list);

/* Tells the caller, and frees it. */
void errand_end(struct errand *errand, const struct redis_value *value, int rc);
/* All that are held fail, later. */
void errands_fail_held(struct redis_cluster *cluster, int rc);
void errands_on_again(int fd, short what, void *cluster);
void errands_on_fail(int fd, short what, void *cluster);

/* Answers it when a replica has confirmed what its node did until now. */
void cluster_witness(struct cluster_node *node, struct errand *errand,
                     const struct redis_value *value);

#endif
