/* SPDX-License-Identifier: Apache-2.0 */
/* spill.h: a body that is not held: it goes to a descriptor as it arrives.
 *
 *     rc = spill_begin(connection, head, body_size, ...);  its route has a sink
 *     spill_take(connection, part);                        what the gate cut of the body
 *     spill_done(connection);                              the connection ends
 *
 * When all of it is there, the request's head is passed to libevent with a length of 0, and its
 * handler runs as any other. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_HTTP_SPILL_H
#define STAKEOUT_SCHEDULER_HTTP_SPILL_H

#include "common/base/text.h"
#include "scheduler/http/http.h"

struct connection;
struct verdict;

/* Opens the sink. 0, or the status of *verdict, which says why not. */
int spill_begin(struct connection *connection, struct text head, uint64_t body_size,
                struct verdict *verdict, void **ret_sink);
void spill_take(struct connection *connection, struct text part);
void spill_done(struct connection *connection); /* if there is none, too */

/* All of the body came, but not all of it went: what follows must wait. */
bool spill_is_full(const struct connection *connection);

#endif
