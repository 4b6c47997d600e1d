/* SPDX-License-Identifier: Apache-2.0 */
/* data_namer.h: the name of what lies at an address: "cart_lock", to say on which lock a call
 * waits.
 *
 *     struct data_namer *namer = data_namer_new();
 *     size = data_namer_find(namer, address, name, sizeof name);      0: there is none
 *     data_namer_free(namer);
 *
 * Globals only: what was allocated, or lies on a stack, has no name. Threads: one at a time; the
 * sampler's. Memory: at most a quarter of SYMBOL_INDEX_SIZE_MAX. */
#ifndef STAKEOUT_PROBE_AGENT_NAMES_DATA_NAMER_H
#define STAKEOUT_PROBE_AGENT_NAMES_DATA_NAMER_H

#include <stddef.h>
#include <stdint.h>

struct data_namer;

struct data_namer *data_namer_new(void); /* NULL without memory */
struct data_namer *data_namer_free(struct data_namer *namer);

/* Returns the size of the object and its name, cut at ret_size; 0 where there is none. */
size_t data_namer_find(struct data_namer *namer, uint64_t address, char *ret, size_t ret_size);

#endif
