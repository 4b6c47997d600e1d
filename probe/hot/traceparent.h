/* SPDX-License-Identifier: Apache-2.0 */
/* traceparent.h: reads a W3C `traceparent` header on the host's thread.
 *
 * common/model/id.h has the same rule for the agent's and the scheduler's side; a test holds the
 * two against each other. Async-signal-safe. */
#ifndef STAKEOUT_PROBE_HOT_TRACEPARENT_H
#define STAKEOUT_PROBE_HOT_TRACEPARENT_H

#include <stdbool.h>
#include <stdint.h>

/* Reads the trace ID, most significant half first. False, and *ret untouched, for NULL and for
 * anything that the recommendation tells a receiver to ignore. Reads no byte behind the
 * terminating zero. */
bool traceparent_read(const char *header, uint64_t ret[2]);

#endif
