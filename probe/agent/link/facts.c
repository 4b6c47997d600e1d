/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/link/facts.h"

#include "common/base/clock.h"
#include "probe/agent/base/invariant.h"
#include "probe/agent/link/settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void add_trouble(struct facts *facts, const char *sentence)
{
    facts->troubles[facts->head.troubles_count++] = text_of(sentence);
}

static void add_troubles(struct facts *facts, uint64_t events_lost)
{
    const char *broken = invariant_broken();

    for (uint32_t i = 0; i < facts->cost.trouble_count && i < SAMPLER_TROUBLES_MAX; i++) {
        add_trouble(facts, facts->cost.troubles[i]);
    }
    if (broken) {
        snprintf(facts->broken, sizeof facts->broken,
                 "the probe switched itself off, because this does not hold: %s", broken);
        add_trouble(facts, facts->broken);
    }
    if (events_lost > 0) {
        snprintf(facts->lost, sizeof facts->lost,
                 "%llu task log events were lost: the queue was full",
                 (unsigned long long)events_lost);
        add_trouble(facts, facts->lost);
    }
}

static void add_notes(struct facts *facts)
{
    for (int i = 0; i < NOTE_COUNT; i++) {
        if (facts->cost.notes[i] == 0) continue;
        facts->notes[facts->head.notes_count++] =
            (struct wire_reason_count){ .reason = text_of(note_slug((enum note)i)),
                                        .count = facts->cost.notes[i] };
    }
}

void facts_gather(const struct facts_options *options, struct facts *ret)
{
    memset(ret, 0, sizeof *ret);
    sampler_cost(&ret->cost);
    ret->head = (struct wire_pulse){
        .protocol = WIRE_PROTOCOL,
        .application = text_of(options->settings->application),
        .instance = text_of(options->settings->instance),
        .incarnation = options->incarnation,
        .clock_wall_ns = clock_wall_ns(),
        .host_ip = text_of(options->host_ip),
        .library = text_of(STAKEOUT_VERSION),
        .language = TEXT("c"),
        .pid = (uint32_t)getpid(),
        .uptime_ns = clock_monotonic_ns() - options->started_ns,
        .is_last = options->is_last,
        .notes = ret->notes,
        .cpu_ns = ret->cost.cpu_ns + options->own_cpu_ns,
        .memory_size = ret->cost.memory_size + options->own_size,
        .thread_count = ret->cost.thread_count,
        .call_count = ret->cost.call_count,
        .troubles = ret->troubles,
        .is_off = ret->cost.is_off,
    };
    add_notes(ret);
    add_troubles(ret, options->events_lost);
}
