/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h: the names of the interfaces, and their ids.
 *
 * Names are put in for ever: an id stays valid for the life of the process, in forked children
 * too. Ids are 1 to INTERFACES_MAX; INTERFACE_OTHER stands for all that came later, or when the
 * names, 1 MB of them, were more than 256 bytes long on average.
 *
 * Threads: any, without a lock. Signals: none. */
#ifndef STAKEOUT_PROBE_HOT_REGISTRY_H
#define STAKEOUT_PROBE_HOT_REGISTRY_H

#include "common/base/text.h"
#include "common/model/limits.h"

enum { INTERFACE_OTHER = INTERFACES_MAX + 1 };

/* Registers a name, or finds it. Returns its id, or 0 if the name is not acceptable. */
uint32_t registry_add(struct text name);

/* The name of an id; empty if there is none. It lives as long as the process. */
struct text registry_name(uint32_t id);

/* Ids are [1, registry_end()), some of which may have no name: not yet, or never. And
 * INTERFACE_OTHER, once it was needed. */
uint32_t registry_end(void);

/* Will an id never have a name? (Two threads registered the same one at once.) */
bool registry_is_vacant(uint32_t id);

uint64_t registry_size(void); /* bytes reserved */

#endif
