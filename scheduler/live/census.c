/* SPDX-License-Identifier: Apache-2.0 */
/* census.c: who has reported, as long as it is remembered.
 *
 * Instances are in instances.c, counting in pulse.c, the ring of turns in ring.c, the lists that
 * are shown in lists.c, likeness of names in nearest.c. Hash tables with lists: names are bounded
 * by limits.h, and found once per pulse or poll. */
#include "scheduler/live/census_private.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/random.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t gone_after_ns = 45 * NS_PER_S;        /* a poll and a half */
static const uint64_t forget_after_ns = 15 * 60 * NS_PER_S; /* the longest window */

struct census *census_new(void)
{
    struct census *census = mem_zalloc(1, sizeof *census);

    census->epoch = random_u64();
    return census;
}

uint64_t census_epoch(const struct census *census)
{
    return census->epoch;
}

uint64_t census_lost_count(const struct census *census)
{
    return census->lost_count;
}

size_t census_instance_count(const struct census *census)
{
    return census->instance_count;
}

/* --- applications --- */

struct application *census_application_find(struct census *census, struct text name)
{
    struct application *application;

    LIST_FOREACH(application, &census->applications[text_hash(name) % APPLICATION_BUCKETS], link)
    {
        if (text_is_equal(application_name(application), name)) return application;
    }
    return NULL;
}

struct application *census_application_make(struct census *census, struct text name)
{
    struct application *application = census_application_find(census, name);

    if (application) return application;
    application = mem_zalloc(1, sizeof *application + name.size + 1);
    application->name_size = name.size;
    if (name.size > 0) memcpy(application->name, name.data, name.size);
    LIST_INSERT_HEAD(&census->applications[text_hash(name) % APPLICATION_BUCKETS], application,
                     link);
    return application;
}

/* --- interfaces --- */

struct interface *census_interface_find(struct application *application, struct text name)
{
    struct interface *interface;

    LIST_FOREACH(interface, &application->interfaces[text_hash(name) % INTERFACE_BUCKETS], hash)
    {
        if (text_is_equal(interface_name(interface), name)) return interface;
    }
    return NULL;
}

/* --- forgetting --- */

static void interface_free(struct census *census, struct interface *interface)
{
    LIST_REMOVE(interface, hash);
    ring_done(&interface->ring, &census->size);
    interface->application->interface_count--;
    census->interface_count--;
    free(interface);
}

static bool is_past(uint64_t since_ns, uint64_t for_ns, uint64_t now_ns)
{
    return now_ns > since_ns && now_ns - since_ns > for_ns;
}

static void sweep_instances(struct census *census, struct application *application, uint64_t now_ns,
                            census_gone_fn on_gone, void *context)
{
    struct instance *instance, *next;

    for (instance = LIST_FIRST(&application->instances); instance; instance = next) {
        struct census_instance *facts = &instance->facts;

        next = LIST_NEXT(instance, link);
        if (!facts->is_gone && is_past(facts->last_seen_ns, gone_after_ns, now_ns)) {
            facts->is_gone = true;
            if (on_gone) on_gone(context, application_name(application), facts);
        }
        if (facts->is_gone && is_past(facts->last_seen_ns, forget_after_ns, now_ns))
            instance_free(census, instance);
    }
}

/* One part of them per sweep: trimming walks over every ring, and 50,000 would hold the loop. */
static void sweep_interfaces(struct census *census, struct application *application,
                             uint64_t now_ns)
{
    struct interface *interface, *next;

    for (size_t i = census->sweep_count % SWEEP_PARTS; i < INTERFACE_BUCKETS; i += SWEEP_PARTS) {
        for (interface = LIST_FIRST(&application->interfaces[i]); interface; interface = next) {
            next = LIST_NEXT(interface, hash);
            ring_trim(&interface->ring, now_ns, &census->size);
            if (interface->baseline_count == 0 &&
                is_past(interface->last_seen_ns, forget_after_ns, now_ns))
                interface_free(census, interface);
        }
    }
}

void census_sweep(struct census *census, uint64_t now_ns, census_gone_fn on_gone, void *context)
{
    struct application *application, *next;

    census->sweep_count++;
    for (size_t i = 0; i < APPLICATION_BUCKETS; i++) {
        for (application = LIST_FIRST(&census->applications[i]); application; application = next) {
            next = LIST_NEXT(application, link);
            sweep_instances(census, application, now_ns, on_gone, context);
            sweep_interfaces(census, application, now_ns);
            if (application->instance_count > 0 || application->interface_count > 0) continue;
            LIST_REMOVE(application, link);
            free(application);
        }
    }
}

struct census *census_free(struct census *census)
{
    struct application *application;
    struct instance *instance;

    if (!census) return NULL;
    for (size_t i = 0; i < APPLICATION_BUCKETS; i++) {
        while ((application = LIST_FIRST(&census->applications[i])) != NULL) {
            while ((instance = LIST_FIRST(&application->instances)) != NULL) {
                instance_free(census, instance);
            }
            for (size_t j = 0; j < INTERFACE_BUCKETS; j++) {
                while (!LIST_EMPTY(&application->interfaces[j])) {
                    interface_free(census, LIST_FIRST(&application->interfaces[j]));
                }
            }
            LIST_REMOVE(application, link);
            free(application);
        }
    }
    CHECK(census->size == 0);
    free(census);
    return NULL;
}
