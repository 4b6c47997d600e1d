/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/scheduler/live/census_scene.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/wire/report.h"
#include "tests/support/test.h"

#include <string.h>

struct census *census;
uint64_t now_ns;

int open_census(void **state)
{
    (void)state;
    now_ns = 1000 * NS_PER_S;
    census = census_new();
    return 0;
}

int close_census(void **state)
{
    (void)state;
    census_free(census);
    return 0;
}

struct process new_process(void)
{
    static uint64_t incarnations = 100;

    return (struct process){ .incarnation = ++incarnations };
}

void process_calls(struct process *process, uint64_t ns, uint64_t count)
{
    process->total.buckets[histogram_bucket(ns)] += count;
    process->total.count += count;
    if (ns > process->total.max_ns) process->total.max_ns = ns;
}

void send_pulse(const struct process *process, const char *interface, bool is_last)
{
    struct buf buckets = BUF_INIT(4096);
    struct problem problem = { 0 };
    struct wire_pulse_interface said = { .name = text_of(interface),
                                         .count = process->total.count,
                                         .max_ns = process->total.max_ns };
    struct wire_pulse pulse = {
        .protocol = WIRE_PROTOCOL,
        .application = TEXT("shop"),
        .instance = text_of(process->instance ? process->instance : "host:1"),
        .incarnation = process->incarnation,
        .sequence = process->sequence,
        .uptime_ns = process->uptime_ns,
        .cpu_ns = process->cpu_ns,
        .interfaces = &said,
        .interfaces_count = interface ? 1 : 0,
        .is_last = is_last,
    };

    assert_int_equal(histogram_encode(&process->total, &buckets), 0);
    said.buckets = buf_peek(&buckets);
    if (census_pulse(census, &pulse, TEXT("127.0.0.1"), now_ns, now_ns, &problem) < 0)
        fail_msg("%s", problem.detail);
    buf_done(&buckets);
}

void pulse_of(struct process *process, const char *interface)
{
    process->sequence++;
    send_pulse(process, interface, false);
}

bool poll_as(uint64_t incarnation, int64_t offset_ns)
{
    struct wire_poll said = { .protocol = 1,
                              .application = TEXT("shop"),
                              .instance = TEXT("host:1"),
                              .incarnation = incarnation,
                              .clock_wall_ns = (uint64_t)((int64_t)now_ns + offset_ns) };

    return census_poll(census, &said, TEXT("127.0.0.1"), now_ns, now_ns);
}

struct wanted {
    const char *name;
    struct census_interface found;
    size_t count;
};

static void on_interface(void *context, struct text application,
                         const struct census_interface *interface)
{
    struct wanted *wanted = context;

    (void)application;
    wanted->count++;
    if (strcmp(interface->name, wanted->name) == 0) wanted->found = *interface;
}

struct census_interface interface_of(const char *name)
{
    static struct wanted wanted;

    wanted = (struct wanted){ .name = name };
    census_interfaces(census, TEXT("shop"), now_ns, on_interface, &wanted);
    return wanted.found;
}

uint64_t count_of(const char *name)
{
    return interface_of(name).window[2].count;
}

void on_gone(void *context, struct text application, const struct census_instance *instance)
{
    size_t *count = context;

    assert_true(text_is_equal(application, TEXT("shop")));
    assert_string_equal(instance->instance, "host:1");
    ++*count;
}
