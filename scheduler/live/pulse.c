/* SPDX-License-Identifier: Apache-2.0 */
/* pulse.c: what a pulse says becomes counts of the last 15 minutes.
 *
 * Everything in a pulse is absolute, since the process began; what is counted is the difference
 * to the baseline. Hence a resend (same sequence) adds nothing, a lost pulse loses nothing, and
 * one that was overtaken (lower sequence) is ignored. A scheduler that starts finds processes with
 * a long past: their first counts are baselines (see `adopting`). */
#include "scheduler/live/census_private.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/model/task_spec.h"
#include "common/wire/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Bytes of rings and baselines, of everything that is known: 4096 busy interfaces of 100
     * instances need some 100 MB. Beyond it the oldest turns go first. */
    CENSUS_SIZE_MAX = 256 * 1024 * 1024,
    BUCKET_SHIFT = 57, /* within a baseline's entry */
};

#define CPU_WINDOW_NS (10 * NS_PER_S) /* the least time that a share of a core is told of */

/* --- baselines --- */

static size_t bucket_of(const struct instance *instance, const struct interface *interface)
{
    uint64_t hash = ((uintptr_t)instance >> 4) * 0x9e3779b97f4a7c15u;

    hash = (hash ^ ((uintptr_t)interface >> 4)) * 0x9e3779b97f4a7c15u;
    return hash >> 48;
}

static struct baseline *baseline_find(struct census *census, const struct instance *instance,
                                      const struct interface *interface)
{
    struct baseline *baseline;

    LIST_FOREACH(baseline, &census->baselines[bucket_of(instance, interface)], hash)
    {
        if (baseline->instance == instance && baseline->interface == interface) return baseline;
    }
    return NULL;
}

static struct baseline *baseline_new(struct census *census, struct instance *instance,
                                     struct interface *interface)
{
    struct baseline *baseline = mem_zalloc(1, sizeof *baseline);

    baseline->instance = instance;
    baseline->interface = interface;
    LIST_INSERT_HEAD(&census->baselines[bucket_of(instance, interface)], baseline, hash);
    LIST_INSERT_HEAD(&instance->baselines, baseline, link);
    interface->baseline_count++;
    census->size += sizeof *baseline;
    return baseline;
}

void baseline_free(struct census *census, struct baseline *baseline)
{
    census->size -= sizeof *baseline + baseline->entry_count * sizeof baseline->entries[0];
    baseline->interface->baseline_count--;
    LIST_REMOVE(baseline, hash);
    LIST_REMOVE(baseline, link);
    free(baseline->entries);
    free(baseline);
}

static void baseline_set(struct census *census, struct baseline *baseline, uint64_t count,
                         const struct histogram *histogram)
{
    uint32_t used = 0, at = 0;

    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        used += histogram->buckets[i] > 0;
    }
    if (used != baseline->entry_count) {
        census->size -= baseline->entry_count * sizeof baseline->entries[0];
        census->size += used * sizeof baseline->entries[0];
        baseline->entries = mem_grow(baseline->entries, used > 0 ? used * 8 : 8);
        baseline->entry_count = used;
    }
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i] == 0) continue;
        baseline->entries[at++] =
            (uint64_t)i << BUCKET_SHIFT | (histogram->buckets[i] & ((1ull << BUCKET_SHIFT) - 1));
    }
    baseline->count = count;
}

/* Takes the baseline off the histogram. A count that went back is a beginning anew. */
static void subtract(struct histogram *from, const struct baseline *baseline)
{
    for (uint32_t i = 0; i < baseline->entry_count; i++) {
        uint64_t *bucket = &from->buckets[baseline->entries[i] >> BUCKET_SHIFT];
        uint64_t count = baseline->entries[i] & ((1ull << BUCKET_SHIFT) - 1);

        *bucket = *bucket >= count ? *bucket - count : 0;
    }
}

/* --- counting --- */

static struct interface *interface_make(struct census *census, struct application *application,
                                        struct text name)
{
    struct interface *interface = census_interface_find(application, name);

    if (interface) return interface;
    if (census->interface_count == INTERFACES_KNOWN_MAX) return NULL;
    interface = mem_zalloc(1, sizeof *interface + name.size + 1);
    interface->application = application;
    interface->name_size = name.size;
    memcpy(interface->name, name.data, name.size);
    LIST_INSERT_HEAD(&application->interfaces[text_hash(name) % INTERFACE_BUCKETS], interface,
                     hash);
    application->interface_count++;
    census->interface_count++;
    return interface;
}

static void add_to_ring(struct census *census, struct interface *interface,
                        const struct histogram *grown, uint64_t max_ns, uint64_t now_ns)
{
    while (census->size > CENSUS_SIZE_MAX && ring_shorten(&interface->ring, &census->size)) {
        census->lost_count++;
    }
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (grown->buckets[i] > 0)
            ring_add(&interface->ring, now_ns, i, grown->buckets[i], &census->size);
    }
    ring_max(&interface->ring, now_ns, max_ns, &census->size);
}

static void count_interface(struct census *census, struct instance *instance,
                            const struct wire_pulse_interface *said,
                            const struct histogram *absolute, uint64_t now_ns)
{
    struct interface *interface = interface_make(census, instance->application, said->name);
    struct histogram grown = *absolute;
    struct baseline *baseline;
    bool is_new, has_grown;

    if (!interface) {
        census->lost_count++;
        return;
    }
    interface->last_seen_ns = now_ns;
    baseline = baseline_find(census, instance, interface);
    is_new = !baseline;
    if (is_new && census->size > CENSUS_SIZE_MAX) {
        census->lost_count++;
        return;
    }
    if (is_new) baseline = baseline_new(census, instance, interface);
    subtract(&grown, baseline);
    has_grown = said->count > baseline->count;
    if (has_grown && !(is_new && instance->adopting > 0)) {
        interface->total_count += said->count - baseline->count;
        add_to_ring(census, interface, &grown, said->max_ns, now_ns);
    }
    baseline_set(census, baseline, said->count, absolute);
}

static int check_interfaces(const struct wire_pulse *pulse, struct problem *problem)
{
    for (uint32_t i = 0; i < pulse->interfaces_count; i++) {
        struct histogram histogram;

        if (interface_name_check(pulse->interfaces[i].name, problem) < 0) return -1;
        if (histogram_decode(pulse->interfaces[i].buckets, &histogram, problem) < 0) return -1;
    }
    return 0;
}

/* --- facts --- */

static void copy(char *to, size_t size, struct text from)
{
    snprintf(to, size, "%.*s", TEXT_ARGS(from));
}

static void take_notes(struct census_instance *facts, const struct wire_pulse *pulse)
{
    for (uint32_t i = 0; i < pulse->notes_count; i++) {
        for (enum note note = 0; note < NOTE_COUNT; note++) {
            if (text_is_equal(pulse->notes[i].reason, text_of(note_slug(note))))
                facts->notes[note] = pulse->notes[i].count;
        }
    }
}

/* Pulses come as close as a second, or less at a task's end, and a share of so little time says
 * nothing. So there is a window, from 10 to 20 s long, which begins at one of two marks; before
 * the process began, it spent nothing. Of one that we meet late, the first share is of its life. */
static uint64_t cpu_share_ppm(struct cost_mark marks[2], const struct wire_pulse *pulse)
{
    struct cost_mark now = { pulse->uptime_ns, pulse->cpu_ns };
    uint64_t span_ns;

    if (now.uptime_ns < marks[1].uptime_ns || now.cpu_ns < marks[1].cpu_ns)
        marks[0] = marks[1] = (struct cost_mark){ 0 }; /* it began anew */
    span_ns = now.uptime_ns - marks[0].uptime_ns;
    if (span_ns < CPU_WINDOW_NS) span_ns = CPU_WINDOW_NS;
    now.cpu_ns -= marks[0].cpu_ns;
    if (pulse->uptime_ns - marks[1].uptime_ns >= CPU_WINDOW_NS) {
        marks[0] = marks[1];
        marks[1] = (struct cost_mark){ pulse->uptime_ns, pulse->cpu_ns };
    }
    return (uint64_t)((double)now.cpu_ns * 1e6 / (double)span_ns);
}

static void take_cost(struct instance *instance, const struct wire_pulse *pulse)
{
    struct census_instance *facts = &instance->facts;

    facts->cpu_ppm = cpu_share_ppm(instance->cpu_marks, pulse);
    facts->cpu_ns = pulse->cpu_ns;
    facts->uptime_ns = pulse->uptime_ns;
    facts->memory_size = pulse->memory_size;
    facts->thread_count = pulse->thread_count;
    facts->call_count = pulse->call_count;
}

static void take_facts(struct instance *instance, const struct wire_pulse *pulse, struct text peer)
{
    struct census_instance *facts = &instance->facts;

    copy(facts->host_ip, sizeof facts->host_ip, pulse->host_ip.size > 0 ? pulse->host_ip : peer);
    copy(facts->library, sizeof facts->library, pulse->library);
    copy(facts->language, sizeof facts->language, pulse->language);
    facts->pid = pulse->pid;
    facts->protocol = pulse->protocol;
    facts->trouble_count = 0;
    facts->is_off = pulse->is_off;
    for (uint32_t i = 0; i < pulse->troubles_count && i < ARRAY_COUNT(facts->troubles); i++) {
        copy(facts->troubles[i], sizeof facts->troubles[i], pulse->troubles[i]);
        facts->trouble_count++;
    }
    take_cost(instance, pulse);
    take_notes(facts, pulse);
}

/* It has told others before us, or nobody was there to be told for a while. */
static bool has_past(const struct wire_pulse *pulse)
{
    return pulse->sequence > 1 || pulse->uptime_ns > 3 * ms_to_ns(PULSE_INTERVAL_MS);
}

static void count_all(struct census *census, struct instance *instance,
                      const struct wire_pulse *pulse, uint64_t now_ns)
{
    struct problem ignored;

    if (instance->sequence == 0 && has_past(pulse)) instance->adopting = ADOPTING_PULSES;
    for (uint32_t i = 0; i < pulse->interfaces_count; i++) {
        struct histogram absolute;

        CHECK(histogram_decode(pulse->interfaces[i].buckets, &absolute, &ignored) == 0);
        count_interface(census, instance, &pulse->interfaces[i], &absolute, now_ns);
    }
    if (instance->adopting > 0) instance->adopting--;
    instance->sequence = pulse->sequence;
}

int census_pulse(struct census *census, const struct wire_pulse *pulse, struct text peer,
                 uint64_t now_ns, uint64_t now_wall_ns, struct problem *problem)
{
    struct instance *instance;

    if (check_interfaces(pulse, problem) < 0) return -1;
    instance = census_instance_make(census, pulse->application, pulse->instance, pulse->incarnation,
                                    now_ns);
    if (!instance)
        return problem_set(problem, PROBLEM_BUSY, "More than %d instances have reported.",
                           INSTANCES_KNOWN_MAX);
    census_instance_touch(instance, pulse->instance, now_ns);
    instance->facts.last_pulse_ns = now_ns;
    instance->facts.is_gone = pulse->is_last;
    if (pulse->sequence <= instance->sequence) return 0;

    census_clock(instance, pulse->clock_wall_ns, now_wall_ns);
    take_facts(instance, pulse, peer);
    count_all(census, instance, pulse, now_ns);
    return 0;
}
