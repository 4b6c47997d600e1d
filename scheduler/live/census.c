/* SPDX-License-Identifier: Apache-2.0 */
/* census.c: who has reported: applications and instances, and the ways to read all of it.
 *
 * Counting is in pulse.c, the ring of turns in ring.c, likeness of names in nearest.c. Hash
 * tables with lists: names are bounded by limits.h, and found once per pulse or poll. */
#include "scheduler/live/census_private.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/model/task_spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t gone_after_ns = 45 * NS_PER_S;        /* a poll and a half */
static const uint64_t forget_after_ns = 15 * 60 * NS_PER_S; /* the longest window */

struct census *census_new(uint64_t now_ns)
{
    struct census *census = mem_zalloc(1, sizeof *census);

    (void)now_ns;
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

static struct application *application_make(struct census *census, struct text name)
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

/* --- instances --- */

static struct instance *instance_find(struct census *census, struct text application,
                                      uint64_t incarnation)
{
    struct instance *instance;

    LIST_FOREACH(instance, &census->instances[incarnation % INSTANCE_BUCKETS], hash)
    {
        if (instance->facts.incarnation == incarnation &&
            text_is_equal(application_name(instance->application), application))
            return instance;
    }
    return NULL;
}

static void instance_free(struct census *census, struct instance *instance)
{
    struct baseline *baseline;

    while ((baseline = LIST_FIRST(&instance->baselines)) != NULL) {
        baseline_free(census, baseline);
    }
    LIST_REMOVE(instance, link);
    LIST_REMOVE(instance, hash);
    instance->application->instance_count--;
    census->instance_count--;
    free(instance);
}

/* At the bound, the instance that has been gone for longest makes room. */
static bool make_room(struct census *census)
{
    struct instance *instance, *oldest = NULL;

    if (census->instance_count < INSTANCES_KNOWN_MAX) return true;
    for (size_t i = 0; i < INSTANCE_BUCKETS; i++) {
        LIST_FOREACH(instance, &census->instances[i], hash)
        {
            if (!instance->facts.is_gone) continue;
            if (!oldest || instance->facts.last_seen_ns < oldest->facts.last_seen_ns)
                oldest = instance;
        }
    }
    if (!oldest) return false;
    instance_free(census, oldest);
    return true;
}

struct instance *census_instance_make(struct census *census, struct text application,
                                      struct text name, uint64_t incarnation, uint64_t now_ns)
{
    struct instance *instance = instance_find(census, application, incarnation);

    if (instance) return instance;
    if (!make_room(census)) return NULL;
    instance = mem_zalloc(1, sizeof *instance);
    instance->application = application_make(census, application);
    instance->application->instance_count++;
    census->instance_count++;
    instance->facts.incarnation = incarnation;
    instance->facts.first_seen_ns = now_ns;
    instance->facts.is_gone = true; /* until census_instance_touch() */
    LIST_INSERT_HEAD(&instance->application->instances, instance, link);
    LIST_INSERT_HEAD(&census->instances[incarnation % INSTANCE_BUCKETS], instance, hash);
    census_instance_touch(instance, name, now_ns);
    instance->facts.is_gone = true;
    return instance;
}

void census_instance_touch(struct instance *instance, struct text name, uint64_t now_ns)
{
    struct census_instance *facts = &instance->facts;

    snprintf(facts->instance, sizeof facts->instance, "%.*s", TEXT_ARGS(name));
    facts->last_seen_ns = now_ns;
    facts->is_gone = false;
    facts->is_refused = false;
    instance->application->last_seen_ns = now_ns;
}

void census_clock(struct instance *instance, uint64_t clock_wall_ns, uint64_t now_wall_ns)
{
    if (clock_wall_ns != 0)
        instance->facts.clock_offset_ns = (int64_t)(clock_wall_ns - now_wall_ns);
}

bool census_poll(struct census *census, const struct wire_poll *poll, struct text peer,
                 uint64_t now_ns, uint64_t now_wall_ns)
{
    struct instance *instance =
        census_instance_make(census, poll->application, poll->instance, poll->incarnation, now_ns);
    struct census_instance *facts;
    bool is_new;

    if (!instance) return false;
    facts = &instance->facts;
    is_new = facts->is_gone;
    census_instance_touch(instance, poll->instance, now_ns);
    census_clock(instance, poll->clock_wall_ns, now_wall_ns);
    facts->last_poll_ns = now_ns;
    facts->protocol = poll->protocol;
    if (facts->host_ip[0] == '\0')
        snprintf(facts->host_ip, sizeof facts->host_ip, "%.*s", TEXT_ARGS(peer));
    return is_new;
}

bool census_delivered(struct census *census, struct text application, uint64_t incarnation,
                      uint64_t version_hash)
{
    struct instance *instance = instance_find(census, application, incarnation);

    if (!instance || instance->delivered_hash == version_hash) return false;
    instance->delivered_hash = version_hash;
    return true;
}

void census_refused(struct census *census, struct text application, struct text instance,
                    uint64_t incarnation, uint32_t protocol, uint64_t now_ns)
{
    struct instance *found =
        census_instance_make(census, application, instance, incarnation, now_ns);

    if (!found) return;
    census_instance_touch(found, instance, now_ns);
    found->facts.is_refused = true;
    found->facts.protocol = protocol;
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

/* --- reading --- */

static int by_application(const void *left, const void *right)
{
    const struct application *const *a = left, *const *b = right;

    return text_compare(application_name(*a), application_name(*b));
}

struct application **census_applications_sorted(struct census *census, size_t *ret_count)
{
    struct application **all, *application;
    size_t count = 0, at = 0;

    for (size_t i = 0; i < APPLICATION_BUCKETS; i++) {
        LIST_FOREACH(application, &census->applications[i], link)
        {
            count++;
        }
    }
    all = mem_zalloc(count + 1, sizeof(struct application *));
    for (size_t i = 0; i < APPLICATION_BUCKETS; i++) {
        LIST_FOREACH(application, &census->applications[i], link)
        {
            all[at++] = application;
        }
    }
    qsort(all, count, sizeof(struct application *), by_application);
    *ret_count = count;
    return all;
}

bool census_application_is_known(struct census *census, struct text application)
{
    return census_application_find(census, application) != NULL;
}

void census_applications(struct census *census, uint64_t now_ns, census_application_fn each,
                         void *context)
{
    size_t count;
    struct application **all = census_applications_sorted(census, &count);

    (void)now_ns;
    for (size_t i = 0; i < count; i++) {
        each(context, application_name(all[i]), all[i]->instance_count, all[i]->interface_count,
             all[i]->last_seen_ns);
    }
    free(all);
}

static int by_instance(const void *left, const void *right)
{
    const struct instance *const *a = left, *const *b = right;
    int order = strcmp((*a)->facts.instance, (*b)->facts.instance);

    if (order != 0) return order;
    return ((*a)->facts.incarnation > (*b)->facts.incarnation) -
           ((*a)->facts.incarnation < (*b)->facts.incarnation);
}

static void instances_of(struct application *application, census_instance_fn each, void *context)
{
    struct instance **all = mem_zalloc(application->instance_count + 1, sizeof(struct instance *));
    struct instance *instance;
    size_t count = 0;

    LIST_FOREACH(instance, &application->instances, link)
    {
        all[count++] = instance;
    }
    qsort(all, count, sizeof(struct instance *), by_instance);
    for (size_t i = 0; i < count; i++) {
        each(context, application_name(application), &all[i]->facts);
    }
    free(all);
}

void census_instances(struct census *census, struct text application, census_instance_fn each,
                      void *context)
{
    struct application **all;
    size_t count;

    if (application.size > 0) {
        struct application *one = census_application_find(census, application);

        if (one) instances_of(one, each, context);
        return;
    }
    all = census_applications_sorted(census, &count);
    for (size_t i = 0; i < count; i++) {
        instances_of(all[i], each, context);
    }
    free(all);
}

struct interface *census_interface_find(struct application *application, struct text name)
{
    struct interface *interface;

    LIST_FOREACH(interface, &application->interfaces[text_hash(name) % INTERFACE_BUCKETS], hash)
    {
        if (text_is_equal(interface_name(interface), name)) return interface;
    }
    return NULL;
}

static int by_interface(const void *left, const void *right)
{
    const struct interface *const *a = left, *const *b = right;

    return text_compare(interface_name(*a), interface_name(*b));
}

struct interface **census_interfaces_sorted(struct application *application, size_t *ret_count)
{
    struct interface **all =
        mem_zalloc(application->interface_count + 1, sizeof(struct interface *));
    struct interface *interface;
    size_t count = 0;

    for (size_t i = 0; i < INTERFACE_BUCKETS; i++) {
        LIST_FOREACH(interface, &application->interfaces[i], hash)
        {
            all[count++] = interface;
        }
    }
    qsort(all, count, sizeof(struct interface *), by_interface);
    *ret_count = count;
    return all;
}

static const uint32_t window_s[] = { 60, 300, 900 };

void census_interfaces(struct census *census, struct text application, uint64_t now_ns,
                       census_interface_fn each, void *context)
{
    struct application *found = census_application_find(census, application);
    struct interface **all;
    size_t count;

    if (!found) return;
    all = census_interfaces_sorted(found, &count);
    for (size_t i = 0; i < count; i++) {
        struct census_interface said = { .total_count = all[i]->total_count,
                                         .last_seen_ns = all[i]->last_seen_ns };

        snprintf(said.name, sizeof said.name, "%s", all[i]->name);
        for (size_t window = 0; window < ARRAY_COUNT(window_s); window++) {
            ring_sum(&all[i]->ring, now_ns, window_s[window], &said.window[window]);
        }
        each(context, application, &said);
    }
    free(all);
}

const struct census_instance *census_instance_find(struct census *census, struct text application,
                                                   uint64_t incarnation)
{
    struct instance *instance = instance_find(census, application, incarnation);

    return instance ? &instance->facts : NULL;
}

bool census_interface_is_known(struct census *census, struct text application, struct text pattern)
{
    struct application *found = census_application_find(census, application);
    const struct interface *interface;

    if (!found) return false;
    if (census_interface_find(found, pattern)) return true;
    if (pattern.size == 0 || pattern.data[pattern.size - 1] != '*') return false;
    for (size_t i = 0; i < ARRAY_COUNT(found->interfaces); i++) {
        LIST_FOREACH(interface, &found->interfaces[i], hash)
        {
            if (interface_matches(pattern, interface_name(interface))) return true;
        }
    }
    return false;
}

int census_percentile_ns(struct census *census, struct text application, struct text interface,
                         unsigned window, unsigned percent, uint64_t now_ns, uint64_t *ret)
{
    struct application *found = census_application_find(census, application);
    struct interface *known = found ? census_interface_find(found, interface) : NULL;
    struct histogram histogram;

    CHECK(window < ARRAY_COUNT(window_s));
    if (!known) return -ENOENT;
    ring_sum(&known->ring, now_ns, window_s[window], &histogram);
    if (histogram.count == 0) return -ENOENT;
    *ret = histogram_percentile_ns(&histogram, percent);
    return 0;
}
