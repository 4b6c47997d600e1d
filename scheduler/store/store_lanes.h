/* SPDX-License-Identifier: Apache-2.0 */
/* store_lanes.h: connections beside the store's own, for reports.
 *
 *     lanes = store_lanes_new(base);
 *     store_lanes_open(lanes, &address);        whenever the store's connection is there
 *     conn = store_lanes_pick(lanes);           NULL: none is up
 *     store_lanes_close(lanes);                 and whenever it is lost
 *
 * Redis reads 16 KB of a connection, then of the next, and writes what they changed to its file
 * once for all: with appendfsync always, reports that come by several connections share that. It
 * also keeps them from standing before everything else. Commands of different lanes have no order.
 *
 * One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_STORE_STORE_LANES_H
#define STAKEOUT_SCHEDULER_STORE_STORE_LANES_H

#include <stdbool.h>

enum { STORE_LANES = 8 };

struct event_base;
struct redis_address;
struct redis_conn;
struct redis_conn_figures;
struct store_lanes;

struct store_lanes *store_lanes_new(struct event_base *base);
/* Accepts NULL. They must be closed, and what failed answered. */
struct store_lanes *store_lanes_free(struct store_lanes *lanes);

void store_lanes_open(struct store_lanes *lanes, const struct redis_address *address);
void store_lanes_close(struct store_lanes *lanes);
/* Like redis_conn_answer_failed(), of all. */
bool store_lanes_answer_failed(struct store_lanes *lanes);

/* In turn, of those that are up. They connect when the first is asked for: who takes no reports
 * has no lanes. */
struct redis_conn *store_lanes_pick(struct store_lanes *lanes);

/* Adds their figures to these. */
void store_lanes_add_figures(const struct store_lanes *lanes, struct redis_conn_figures *figures);

#endif
