/* SPDX-License-Identifier: Apache-2.0 */
/* instances.c: the processes that report: met by a poll, a pulse or a refusal, known by application
 * and incarnation, and bounded: a newcomer takes the place of one that is gone, or is not known. */
#include "scheduler/live/census_private.h"

#include "common/base/check.h"

#include <stdio.h>
#include <stdlib.h>

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

void instance_free(struct census *census, struct instance *instance)
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
    instance->application = census_application_make(census, application);
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

    if (!text_is_equal(text_of(facts->instance), name))
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

const struct census_instance *census_instance_find(struct census *census, struct text application,
                                                   uint64_t incarnation)
{
    struct instance *instance = instance_find(census, application, incarnation);

    return instance ? &instance->facts : NULL;
}

void census_heard(struct census *census, census_heard_fn each, void *context)
{
    struct application *application;
    struct instance *instance;

    for (size_t i = 0; i < APPLICATION_BUCKETS; i++) {
        LIST_FOREACH(application, &census->applications[i], link)
        {
            LIST_FOREACH(instance, &application->instances, link)
            {
                if (instance->facts.is_gone) continue;
                each(context, application_name(application), instance->facts.incarnation,
                     instance->facts.last_seen_ns);
            }
        }
    }
}
