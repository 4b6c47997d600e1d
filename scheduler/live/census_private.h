/* SPDX-License-Identifier: Apache-2.0 */
/* census_private.h: the census as its own files see it.
 *
 *   census --< application --< instance --< baseline >-- interface >-- application
 *
 * A baseline is what one instance last said of one interface: the absolute counts from which the
 * next pulse's differences are taken. An interface stays known while an instance has a baseline
 * of it, and 15 minutes beyond. */
#ifndef STAKEOUT_SCHEDULER_LIVE_CENSUS_PRIVATE_H
#define STAKEOUT_SCHEDULER_LIVE_CENSUS_PRIVATE_H

#include "scheduler/live/census.h"
#include "scheduler/live/ring.h"

#include <sys/queue.h>

enum {
    APPLICATION_BUCKETS = 1024,
    INSTANCE_BUCKETS = 4096,
    INTERFACE_BUCKETS = 256, /* per application */
    BASELINE_BUCKETS = 65536,
    ADOPTING_PULSES = 2,
    SWEEP_PARTS = 16, /* of the interfaces: each is looked at every 16th sweep */
};

struct application {
    LIST_ENTRY(application) link;
    LIST_HEAD(, instance) instances;
    LIST_HEAD(, interface) interfaces[INTERFACE_BUCKETS];
    size_t instance_count, interface_count;
    uint64_t last_seen_ns;
    size_t name_size;
    char name[];
};

/* What the probe had spent when it had been up for so long. */
struct cost_mark {
    uint64_t uptime_ns, cpu_ns;
};

struct instance {
    LIST_ENTRY(instance) link; /* of its application */
    LIST_ENTRY(instance) hash; /* by incarnation */
    LIST_HEAD(, baseline) baselines;
    struct application *application;
    struct census_instance facts;
    struct cost_mark cpu_marks[2]; /* 0: the beginning of the window; 1: where the next begins */
    uint64_t sequence;             /* of the newest pulse; 0: none yet */
    uint64_t delivered_hash;       /* of the version of the tasks that it last confirmed */
    /* While above 0, interfaces that we have not seen of this instance are taken as they stand
     * and not counted: it lived before we did, and what it counts is the past. Two pulses: the
     * one that found us new, and the complete one that it sends after our answer. */
    unsigned adopting;
};

struct interface {
    LIST_ENTRY(interface) hash;
    struct application *application;
    struct ring ring;
    size_t baseline_count;
    uint64_t total_count, last_seen_ns;
    size_t name_size;
    char name[];
};

struct baseline {
    LIST_ENTRY(baseline) hash; /* by both */
    LIST_ENTRY(baseline) link; /* of its instance */
    struct instance *instance;
    struct interface *interface;
    uint64_t count;
    uint32_t entry_count;
    uint64_t *entries; /* bucket << 57 | count, rising by bucket; owned */
};

struct census {
    uint64_t epoch;
    size_t instance_count, interface_count;
    size_t size; /* bytes of rings and baselines */
    uint64_t lost_count;
    uint64_t sweep_count;
    LIST_HEAD(, application) applications[APPLICATION_BUCKETS];
    LIST_HEAD(, instance) instances[INSTANCE_BUCKETS];
    LIST_HEAD(, baseline) baselines[BASELINE_BUCKETS];
};

struct application *census_application_find(struct census *census, struct text name);
struct application *census_application_make(struct census *census, struct text name);
struct instance *census_instance_make(struct census *census, struct text application,
                                      struct text name, uint64_t incarnation,
                                      uint64_t now_ns); /* NULL: too many */
void census_instance_touch(struct instance *instance, struct text name, uint64_t now_ns);
void census_clock(struct instance *instance, uint64_t clock_wall_ns, uint64_t now_wall_ns);
struct interface *census_interface_find(struct application *application, struct text name);

static inline struct text interface_name(const struct interface *interface)
{
    return (struct text){ interface->name, interface->name_size };
}

static inline struct text application_name(const struct application *application)
{
    return (struct text){ application->name, application->name_size };
}

/* All applications, by name. Owned by the caller. */
struct application **census_applications_sorted(struct census *census, size_t *ret_count);

/* All interfaces of an application, by name. Owned by the caller; *ret_count says how many. */
struct interface **census_interfaces_sorted(struct application *application, size_t *ret_count);

/* With its baselines. */
void instance_free(struct census *census, struct instance *instance);
void baseline_free(struct census *census, struct baseline *baseline);

#endif
