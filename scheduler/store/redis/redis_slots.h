/* SPDX-License-Identifier: Apache-2.0 */
/* redis_slots.h: which node of a Redis Cluster has a key.
 *
 *     slot = redis_slot_of(key);
 *     redis_slots_read(&slots, answer_to_CLUSTER_SLOTS, &asked_of);
 *     node = redis_slots_node(&slots, slot);                 -1: nobody has it
 *
 * And what a node says of a key that it has not: MOVED (from now on) and ASK (this once).
 *
 * Values: no sockets, no clocks. Limits: CLUSTER_NODES_MAX masters. */
#ifndef STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_SLOTS_H
#define STAKEOUT_SCHEDULER_STORE_REDIS_REDIS_SLOTS_H

#include "common/base/text.h"
#include "scheduler/store/redis/redis_address.h"

struct redis_value;

enum { CLUSTER_SLOTS = 16384, CLUSTER_NODES_MAX = 64 };

struct redis_slots {
    struct redis_place nodes[CLUSTER_NODES_MAX]; /* masters */
    size_t node_count;
    int8_t owner[CLUSTER_SLOTS]; /* an index of `nodes`; -1: nobody */
    size_t owned;                /* slots that somebody has */
};

/* CRC16 of the key, or of what stands between its first '{' and the next '}' if that is not
 * empty. */
uint16_t redis_slot_of(struct text key);

/* The key by which a command is sent to a node: the first. False: it has none (INFO, WAIT). */
bool redis_command_key(struct text command, struct text *ret);

void redis_slots_init(struct redis_slots *slots);
/* Replaces all. A node without a host is where we asked. 0, or -1 for what is no such answer: then
 * nothing has changed. */
int redis_slots_read(struct redis_slots *slots, const struct redis_value *value,
                     const struct redis_place *asked);
int redis_slots_node(const struct redis_slots *slots, uint16_t slot);
/* Adds a node where it is not known yet. Its index, or -1: there are too many. */
int redis_slots_add_node(struct redis_slots *slots, const struct redis_place *place);
void redis_slots_give(struct redis_slots *slots, uint16_t slot, int node);

enum redis_redirect { REDIRECT_NONE, REDIRECT_MOVED, REDIRECT_ASK };

/* "MOVED 3999 127.0.0.1:6381"; without a host it is who said so. */
enum redis_redirect redis_redirect_read(struct text error, const struct redis_place *said,
                                        uint16_t *ret_slot, struct redis_place *ret_place);

#endif
