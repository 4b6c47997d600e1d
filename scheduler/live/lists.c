/* SPDX-License-Identifier: Apache-2.0 */
/* lists.c: what is known, as it is shown: sorted by name, each with its figures of the last 1, 5
 * and 15 minutes. Lists are made when they are asked for; nothing is kept sorted. */
#include "scheduler/live/census_private.h"

#include "common/base/check.h"
#include "common/model/task_spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void census_applications(struct census *census, census_application_fn each, void *context)
{
    size_t count;
    struct application **all = census_applications_sorted(census, &count);

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
