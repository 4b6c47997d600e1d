/* SPDX-License-Identifier: Apache-2.0 */
/* interface_totals.h: the histograms of all threads, added up per interface.
 *
 * The hot path's buckets are 32 bits wide and never reset; a reading adds what they moved since the
 * one before, modulo 2^32, to 64-bit totals. Only interfaces that were called have a total.
 *
 * Threads: one at a time (under the sampler's lock). */
#ifndef STAKEOUT_PROBE_AGENT_ENGINE_INTERFACE_TOTALS_H
#define STAKEOUT_PROBE_AGENT_ENGINE_INTERFACE_TOTALS_H

#include "probe/agent/engine/sampler.h"
#include "probe/hot/memory.h"

struct interface_total;

struct interface_totals {
    struct interface_total *by_id[INTERFACE_IDS]; /* owned; NULL: never called */
};

void interface_totals_done(struct interface_totals *totals);

/* Brings all totals up to date. */
void interface_totals_refresh(struct interface_totals *totals);

/* Calls back for each interface that was ever called, as of the latest refresh. */
void interface_totals_each(const struct interface_totals *totals,
                           void (*on_interface)(void *context,
                                                const struct interface_statistics *statistics),
                           void *context);

/* Maxima begin anew, from the latest refresh on. */
void interface_totals_acknowledged(struct interface_totals *totals);

#endif
