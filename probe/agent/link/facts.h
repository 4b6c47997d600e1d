/* SPDX-License-Identifier: Apache-2.0 */
/* facts.h: what a pulse says of the process as a whole: who it is, what the probe costs in it, what
 * it lost, what does not work.
 *
 * Threads: the link's. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_FACTS_H
#define STAKEOUT_PROBE_AGENT_LINK_FACTS_H

#include "common/wire/messages.h"
#include "probe/agent/engine/sampler.h"

struct settings;

struct facts_options {
    const struct settings *settings;
    uint64_t incarnation, started_ns;
    uint64_t own_cpu_ns; /* of the agent's threads but the sampler's */
    uint64_t own_size;   /* bytes that they hold */
    uint64_t events_lost;
    const char *host_ip;
    bool is_last;
};

/* `head` is all of a pulse but its sequence, interfaces and ledgers; it points into the rest. */
struct facts {
    struct wire_pulse head;
    struct sampler_cost cost;
    struct wire_reason_count notes[NOTE_COUNT];
    struct text troubles[SAMPLER_TROUBLES_MAX + 2];
    char broken[SAMPLER_TROUBLE_SIZE_MAX + 1];
    char lost[SAMPLER_TROUBLE_SIZE_MAX + 1];
};

void facts_gather(const struct facts_options *options, struct facts *ret);

#endif
