/* SPDX-License-Identifier: Apache-2.0 */
/* redis_house.h: a private, real Redis Cluster of three masters, each on a port of loopback.
 *
 *     struct redis_house house;
 *     redis_house_start(&house, &(struct redis_house_order){ .has_replicas = true });
 *     ... house.url ...
 *     redis_house_move(&house, slot, from, to);
 *     redis_house_stop(&house);
 *
 * Nodes 0 to 2 are the masters, of a third of the slots each, 3 to 5 their replicas in that order.
 * They die with the test, however it ends. */
#ifndef STAKEOUT_TESTS_SUPPORT_REDIS_HOUSE_H
#define STAKEOUT_TESTS_SUPPORT_REDIS_HOUSE_H

#include <stddef.h>
#include <stdint.h>

#include "tests/support/redis_process.h"

enum { HOUSE_MASTERS = 3, HOUSE_NODES_MAX = 2 * HOUSE_MASTERS };

struct redis_house {
    struct redis_process nodes[HOUSE_NODES_MAX];
    uint16_t ports[HOUSE_NODES_MAX];
    char ids[HOUSE_NODES_MAX][48];
    size_t count;
    char url[128];
};

struct redis_house_order {
    const char *config; /* of each; NULL: nothing more */
    bool has_replicas;
    bool is_tls; /* the ports are TLS ports; config says with which files */
};

/* Returns when every node sees all of them, and every slot has its master. */
void redis_house_start(struct redis_house *house, const struct redis_house_order *order);
void redis_house_stop(struct redis_house *house);

/* Which of the masters has the slot of this key, by the shares that they began with. */
size_t redis_house_place(const struct redis_house *house, const char *key, unsigned *ret_slot);

/* What moving a slot takes, in steps: ASK is said between the first and the last. The middle one
 * moves `max` of its keys, and returns whether there were so many. */
void redis_house_move_begin(struct redis_house *house, unsigned slot, size_t from, size_t to);
bool redis_house_move_keys(struct redis_house *house, unsigned slot, size_t from, size_t to,
                           unsigned max);
void redis_house_move_end(struct redis_house *house, unsigned slot, size_t from, size_t to);

#endif
