/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/wire/report.h"
#include "scheduler/live/census.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct census *census;
static uint64_t now_ns; /* the test's clock */

static int open_census(void **state)
{
    (void)state;
    now_ns = 1000 * NS_PER_S;
    census = census_new(now_ns);
    return 0;
}

static int close_census(void **state)
{
    (void)state;
    census_free(census);
    return 0;
}

/* --- a process that counts, and says so --- */

struct process {
    uint64_t incarnation, sequence, uptime_ns, cpu_ns;
    const char *instance;
    struct histogram total; /* since it began, of its one interface */
};

static void process_calls(struct process *process, uint64_t ns, uint64_t count)
{
    process->total.buckets[histogram_bucket(ns)] += count;
    process->total.count += count;
    if (ns > process->total.max_ns) process->total.max_ns = ns;
}

static void send_pulse(const struct process *process, const char *interface, bool is_last)
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

static void pulse_of(struct process *process, const char *interface)
{
    process->sequence++;
    send_pulse(process, interface, false);
}

/* --- what the census says --- */

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

static struct census_interface interface_of(const char *name)
{
    static struct wanted wanted;

    wanted = (struct wanted){ .name = name };
    census_interfaces(census, TEXT("shop"), now_ns, on_interface, &wanted);
    return wanted.found;
}

static uint64_t count_of(const char *name)
{
    return interface_of(name).window[2].count;
}

static struct process new_process(void)
{
    static uint64_t incarnations = 100;

    return (struct process){ .incarnation = ++incarnations };
}

/* --- counting --- */

static void the_first_pulse_of_a_young_process_counts_in_full(void **state)
{
    struct process process = new_process();

    (void)state;
    process_calls(&process, 5 * NS_PER_MS, 10);
    pulse_of(&process, "a");
    assert_int_equal(count_of("a"), 10);
    assert_int_equal(interface_of("a").total_count, 10);
    assert_int_equal(interface_of("a").window[0].max_ns, 5 * NS_PER_MS);
}

static void a_resend_adds_nothing(void **state)
{
    struct process process = new_process();

    (void)state;
    process_calls(&process, NS_PER_MS, 10);
    pulse_of(&process, "a");
    send_pulse(&process, "a", false);
    send_pulse(&process, "a", false);
    assert_int_equal(count_of("a"), 10);
}

static void a_pulse_that_was_overtaken_is_ignored(void **state)
{
    struct process process = new_process(), old;

    (void)state;
    process_calls(&process, NS_PER_MS, 10);
    pulse_of(&process, "a");
    old = process;
    process_calls(&process, NS_PER_MS, 5);
    pulse_of(&process, "a");
    process_calls(&old, NS_PER_MS, 1);
    send_pulse(&old, "a", false);
    assert_int_equal(count_of("a"), 15);
    process_calls(&process, NS_PER_MS, 1);
    pulse_of(&process, "a");
    assert_int_equal(count_of("a"), 16);
}

static void a_pulse_that_was_lost_loses_nothing(void **state)
{
    struct process process = new_process();

    (void)state;
    process_calls(&process, NS_PER_MS, 10);
    pulse_of(&process, "a");
    process_calls(&process, NS_PER_MS, 5);
    process.sequence += 3;
    pulse_of(&process, "a");
    assert_int_equal(count_of("a"), 15);
}

static void the_past_of_an_old_process_is_not_counted(void **state)
{
    struct process process = new_process();

    (void)state;
    process_calls(&process, NS_PER_MS, 1000000);
    process.sequence = 56;
    pulse_of(&process, "a");
    assert_int_equal(count_of("a"), 0);
    process_calls(&process, NS_PER_MS, 7);
    pulse_of(&process, "a");
    assert_int_equal(count_of("a"), 7);
}

/* Its first pulse waited until a scheduler came. */
static void nor_is_that_of_a_process_that_nobody_heard_before(void **state)
{
    struct process process = new_process();

    (void)state;
    process_calls(&process, NS_PER_MS, 1000000);
    process.uptime_ns = 31 * NS_PER_S;
    pulse_of(&process, "a");
    assert_int_equal(count_of("a"), 0);
    process_calls(&process, NS_PER_MS, 7);
    pulse_of(&process, "a");
    assert_int_equal(count_of("a"), 7);
}

/* A new scheduler: the process learns of it by the answer, and then sends all its interfaces. */
static void nor_are_its_other_interfaces_that_come_with_the_next_pulse(void **state)
{
    struct process process = new_process();

    (void)state;
    process_calls(&process, NS_PER_MS, 1000);
    process.sequence = 56;
    pulse_of(&process, "a");
    pulse_of(&process, "b");
    assert_int_equal(count_of("b"), 0);
    pulse_of(&process, "c"); /* by now it would have sent it: it is new */
    assert_int_equal(count_of("c"), 1000);
}

static void two_instances_add_up(void **state)
{
    struct process first = new_process(), second = new_process();

    (void)state;
    process_calls(&first, NS_PER_MS, 10);
    process_calls(&second, 100 * NS_PER_MS, 10);
    pulse_of(&first, "a");
    pulse_of(&second, "a");
    assert_int_equal(count_of("a"), 20);
    assert_int_equal(interface_of("a").window[0].max_ns, 100 * NS_PER_MS);
}

static void counts_leave_the_windows_one_after_the_other(void **state)
{
    struct process process = new_process();

    (void)state;
    process_calls(&process, NS_PER_MS, 10);
    pulse_of(&process, "a");
    now_ns += 50 * NS_PER_S;
    assert_int_equal(interface_of("a").window[0].count, 10);
    now_ns += 30 * NS_PER_S;
    assert_int_equal(interface_of("a").window[0].count, 0);
    assert_int_equal(interface_of("a").window[1].count, 10);
    now_ns += 240 * NS_PER_S;
    assert_int_equal(interface_of("a").window[1].count, 0);
    assert_int_equal(interface_of("a").window[2].count, 10);
    now_ns += 600 * NS_PER_S;
    assert_int_equal(interface_of("a").window[2].count, 0);
    assert_int_equal(interface_of("a").total_count, 10);
}

static void percentiles_are_of_the_window(void **state)
{
    struct process process = new_process();
    uint64_t ns = 0;

    (void)state;
    process_calls(&process, 10 * NS_PER_MS, 98);
    process_calls(&process, 1000 * NS_PER_MS, 2);
    pulse_of(&process, "a");
    assert_int_equal(census_percentile_ns(census, TEXT("shop"), TEXT("a"), 2, 50, now_ns, &ns), 0);
    assert_in_range(ns, 8 * NS_PER_MS, 12 * NS_PER_MS);
    assert_int_equal(census_percentile_ns(census, TEXT("shop"), TEXT("a"), 2, 99, now_ns, &ns), 0);
    assert_in_range(ns, 800 * NS_PER_MS, 1000 * NS_PER_MS);
    assert_int_equal(census_percentile_ns(census, TEXT("shop"), TEXT("b"), 2, 99, now_ns, &ns),
                     -ENOENT);
    assert_int_equal(census_percentile_ns(census, TEXT("none"), TEXT("a"), 2, 99, now_ns, &ns),
                     -ENOENT);
    now_ns += 1000 * NS_PER_S;
    assert_int_equal(census_percentile_ns(census, TEXT("shop"), TEXT("a"), 2, 99, now_ns, &ns),
                     -ENOENT);
}

static void a_pulse_with_a_bad_interface_changes_nothing(void **state)
{
    static const char *const names[] = { "good", "b\x1b[2Jad", "" };
    struct wire_pulse_interface said[3] = { 0 };
    struct problem problem = { 0 };
    struct wire_pulse pulse = { .application = TEXT("shop"),
                                .instance = TEXT("host:1"),
                                .incarnation = 5,
                                .sequence = 1,
                                .interfaces = said,
                                .interfaces_count = 2 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        said[i].name = text_of(names[i]);
        said[i].count = 1;
    }
    assert_int_equal(census_pulse(census, &pulse, TEXT("127.0.0.1"), now_ns, now_ns, &problem), -1);
    assert_null(census_instance_find(census, TEXT("shop"), 5));
    assert_int_equal(count_of("good"), 0);
    said[1] = (struct wire_pulse_interface){ .name = TEXT("x"), .buckets = TEXT("\xff\xff\xff") };
    assert_int_equal(census_pulse(census, &pulse, TEXT("127.0.0.1"), now_ns, now_ns, &problem), -1);
    assert_null(census_instance_find(census, TEXT("shop"), 5));
}

/* --- instances --- */

static bool poll(uint64_t incarnation, int64_t offset_ns)
{
    struct wire_poll said = { .protocol = 1,
                              .application = TEXT("shop"),
                              .instance = TEXT("host:1"),
                              .incarnation = incarnation,
                              .clock_wall_ns = (uint64_t)((int64_t)now_ns + offset_ns) };

    return census_poll(census, &said, TEXT("127.0.0.1"), now_ns, now_ns);
}

static void on_gone(void *context, struct text application, const struct census_instance *instance)
{
    size_t *count = context;

    assert_true(text_is_equal(application, TEXT("shop")));
    assert_string_equal(instance->instance, "host:1");
    ++*count;
}

static void an_instance_is_gone_after_45_seconds_of_silence_and_told_once(void **state)
{
    size_t gone = 0;

    (void)state;
    assert_true(poll(1, 0));
    assert_false(poll(1, 0));
    now_ns += 45 * NS_PER_S;
    census_sweep(census, now_ns, on_gone, &gone);
    assert_int_equal(gone, 0);
    now_ns += NS_PER_S;
    census_sweep(census, now_ns, on_gone, &gone);
    census_sweep(census, now_ns, on_gone, &gone);
    assert_int_equal(gone, 1);
    assert_true(census_instance_find(census, TEXT("shop"), 1)->is_gone);
    assert_true(poll(1, 0)); /* it was only late */
    assert_false(census_instance_find(census, TEXT("shop"), 1)->is_gone);
}

static void what_is_gone_is_forgotten_after_15_minutes_with_its_interfaces(void **state)
{
    struct process process = new_process();
    size_t gone = 0;

    (void)state;
    process_calls(&process, NS_PER_MS, 10);
    pulse_of(&process, "a");
    now_ns += 900 * NS_PER_S;
    census_sweep(census, now_ns, on_gone, &gone);
    assert_int_equal(gone, 1);
    assert_int_equal(interface_of("a").total_count, 10);
    now_ns += NS_PER_S;
    for (int i = 0; i < 16; i++) { /* in 16 parts */
        census_sweep(census, now_ns, on_gone, &gone);
    }
    assert_null(census_instance_find(census, TEXT("shop"), process.incarnation));
    assert_int_equal(interface_of("a").total_count, 0);
    assert_int_equal(gone, 1);
}

static void an_interface_of_a_living_instance_stays_known(void **state)
{
    struct process process = new_process();

    (void)state;
    process_calls(&process, NS_PER_MS, 10);
    pulse_of(&process, "a");
    for (int i = 0; i < 100; i++) {
        now_ns += 20 * NS_PER_S;
        pulse_of(&process, NULL);
        census_sweep(census, now_ns, NULL, NULL);
    }
    assert_int_equal(interface_of("a").total_count, 10);
}

static void a_last_pulse_says_goodbye_also_when_it_is_sent_again(void **state)
{
    struct process process = new_process();
    size_t gone = 0;

    (void)state;
    pulse_of(&process, NULL);
    process.sequence++;
    send_pulse(&process, NULL, true);
    assert_true(census_instance_find(census, TEXT("shop"), process.incarnation)->is_gone);
    send_pulse(&process, NULL, true);
    assert_true(census_instance_find(census, TEXT("shop"), process.incarnation)->is_gone);
    census_sweep(census, now_ns + 60 * NS_PER_S, on_gone, &gone);
    assert_int_equal(gone, 0); /* whoever took the pulse knows */
}

static void the_clocks_offset_is_measured_at_each_poll(void **state)
{
    (void)state;
    poll(1, -3600 * (int64_t)NS_PER_S);
    assert_int_equal(census_instance_find(census, TEXT("shop"), 1)->clock_offset_ns,
                     -3600 * (int64_t)NS_PER_S);
    poll(1, 5 * (int64_t)NS_PER_MS);
    assert_int_equal(census_instance_find(census, TEXT("shop"), 1)->clock_offset_ns,
                     5 * (int64_t)NS_PER_MS);
}

static void an_instance_of_another_protocol_is_shown_as_refused(void **state)
{
    (void)state;
    census_refused(census, TEXT("shop"), TEXT("host:9"), 9, 7, now_ns);
    assert_true(census_instance_find(census, TEXT("shop"), 9)->is_refused);
    assert_int_equal(census_instance_find(census, TEXT("shop"), 9)->protocol, 7);
}

static void a_version_is_delivered_once(void **state)
{
    (void)state;
    poll(1, 0);
    assert_true(census_delivered(census, TEXT("shop"), 1, 11));
    assert_false(census_delivered(census, TEXT("shop"), 1, 11));
    assert_true(census_delivered(census, TEXT("shop"), 1, 12));
    assert_false(census_delivered(census, TEXT("shop"), 2, 12)); /* nobody knows it */
}

/* --- reading --- */

struct names {
    char text[256];
    size_t count;
};

static void add_name(struct names *names, const char *name)
{
    size_t at = strlen(names->text);

    snprintf(names->text + at, sizeof names->text - at, "%s ", name);
    names->count++;
}

static void on_name(void *context, struct text application,
                    const struct census_interface *interface)
{
    (void)application;
    add_name(context, interface->name);
}

static void on_instance(void *context, struct text application,
                        const struct census_instance *instance)
{
    (void)application;
    add_name(context, instance->instance);
}

static void on_application(void *context, struct text application, size_t instance_count,
                           size_t interface_count, uint64_t last_seen_ns)
{
    char line[64];

    snprintf(line, sizeof line, "%.*s/%zu/%zu", TEXT_ARGS(application), instance_count,
             interface_count);
    assert_int_equal(last_seen_ns, now_ns);
    add_name(context, line);
}

static void lists_are_by_name(void **state)
{
    static const char *const names[] = { "c", "a", "b", "aa" };
    struct process process = new_process(), other = new_process();
    struct names interfaces = { 0 }, instances = { 0 }, applications = { 0 };

    (void)state;
    process.instance = "z:1";
    other.instance = "y:1";
    for (size_t i = 0; i < 4; i++) {
        pulse_of(&process, names[i]);
    }
    pulse_of(&other, "a");
    census_interfaces(census, TEXT("shop"), now_ns, on_name, &interfaces);
    assert_string_equal(interfaces.text, "a aa b c ");
    census_instances(census, TEXT("shop"), on_instance, &instances);
    assert_string_equal(instances.text, "y:1 z:1 ");
    census_instances(census, TEXT(""), on_instance, &instances);
    assert_int_equal(instances.count, 4);
    census_applications(census, now_ns, on_application, &applications);
    assert_string_equal(applications.text, "shop/2/4 ");
    census_interfaces(census, TEXT("none"), now_ns, on_name, &interfaces);
    assert_int_equal(interfaces.count, 4);
}

static void the_nearest_names_come_first(void **state)
{
    static const char *const known[] = { "POST /checkout",  "GET /cart",     "POST /cart",
                                         "GET /item/{id}",  "POST /payment", "GET /health",
                                         "POST /v2/orders", "cart.Total",    "search.Query" };
    static const struct {
        const char *asked, *nearest;
    } cases[] = {
        { "POST /chekout", "POST /checkout" },
        { "POST /CHECKOUT", "POST /checkout" },
        { "checkout", "POST /checkout" },
        { "POST /checkout", "POST /checkout" },
        { "GET /crat", "GET /cart" },
        { "GET /items/{id}", "GET /item/{id}" },
        { "orders", "POST /v2/orders" },
        { "cart.total", "cart.Total" },
        { "Search.Querry", "search.Query" },
        { "POST /pay*", "POST /payment" },
        { "HTTP POST /payment", "POST /payment" },
    };
    struct process process = new_process();

    (void)state;
    process_calls(&process, 250 * NS_PER_MS, 3);
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        pulse_of(&process, known[i]);
    }
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct census_nearest found[3];
        size_t count = census_nearest(census, TEXT("shop"), text_of(cases[i].asked), now_ns, found,
                                      ARRAY_COUNT(found));

        assert_int_equal(count, 3);
        if (strcmp(found[0].name, cases[i].nearest) != 0)
            fail_msg("'%s' found '%s'", cases[i].asked, found[0].name);
        assert_int_equal(found[0].count, 3);
        assert_int_equal(found[0].max_ns, 250 * NS_PER_MS);
    }
    assert_int_equal(census_nearest(census, TEXT("none"), TEXT("a"), now_ns, NULL, 3), 0);
}

static void add_application(const char *name, uint64_t incarnation)
{
    struct wire_poll poll = { .protocol = WIRE_PROTOCOL,
                              .application = text_of(name),
                              .instance = TEXT("host:1"),
                              .incarnation = incarnation };

    census_poll(census, &poll, TEXT("127.0.0.1"), now_ns, now_ns);
}

static void a_misspelt_application_finds_the_nearest(void **state)
{
    struct census_application_name found[3];

    (void)state;
    assert_int_equal(census_nearest_applications(census, TEXT("shpo"), found, 3), 0);
    add_application("payment", 1);
    add_application("shop", 2);
    add_application("shop-eu", 3);
    add_application("stock", 4);
    assert_true(census_application_is_known(census, TEXT("shop")));
    assert_false(census_application_is_known(census, TEXT("shpo")));
    assert_false(census_application_is_known(census, TEXT("sho")));
    assert_int_equal(census_nearest_applications(census, TEXT("shpo"), found, 3), 3);
    assert_string_equal(found[0].name, "shop");
    assert_int_equal(census_nearest_applications(census, TEXT("PAYMENTS"), found, 1), 1);
    assert_string_equal(found[0].name, "payment");
    assert_int_equal(census_nearest_applications(census, TEXT("shpo"), NULL, 0), 0);
}

/* --- cost --- */

static void on_cost(void *context, struct text application, const struct census_instance *instance)
{
    (void)application;
    *(uint64_t *)context = instance->cpu_ppm;
}

/* The share after a pulse of a process that was up for so long, and has spent so much. */
static uint64_t share_after(struct process *process, uint64_t uptime_ms, uint64_t cpu_ms)
{
    uint64_t ppm = UINT64_MAX;

    process->uptime_ns = uptime_ms * NS_PER_MS;
    process->cpu_ns = cpu_ms * NS_PER_MS;
    pulse_of(process, NULL);
    census_instances(census, TEXT("shop"), on_cost, &ppm);
    return ppm;
}

static void the_share_of_a_core_is_of_ten_seconds_or_more(void **state)
{
    struct process process = new_process();

    (void)state;
    assert_int_equal(share_after(&process, 20, 12), 1200); /* of 10 s, not of 20 ms */
    assert_int_equal(share_after(&process, 2800, 22), 2200);
    assert_int_equal(share_after(&process, 2900, 30), 3000); /* a pulse close behind */
    assert_int_equal(share_after(&process, 9999, 30), 3000);
    assert_int_equal(share_after(&process, 10000, 30), 3000);
    assert_int_equal(share_after(&process, 15000, 30), 2000);
    assert_int_equal(share_after(&process, 20000, 30), 1500);
    assert_int_equal(share_after(&process, 21000, 1130), 100000); /* the beginning is forgotten */
}

static void the_share_of_a_process_that_is_met_late_is_of_its_life_at_first(void **state)
{
    struct process process = new_process();

    (void)state;
    assert_int_equal(share_after(&process, 1000000, 5000), 5000);
    assert_int_equal(share_after(&process, 1010000, 5050), 5000);
    assert_int_equal(share_after(&process, 1020000, 7000), 100000);
}

/* --- bounds --- */

static void beyond_the_bound_the_longest_gone_instance_makes_room(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= INSTANCES_KNOWN_MAX; i++) {
        assert_true(poll(i, 0));
    }
    assert_false(poll(INSTANCES_KNOWN_MAX + 1, 0)); /* all live */
    assert_null(census_instance_find(census, TEXT("shop"), INSTANCES_KNOWN_MAX + 1));
    now_ns += 46 * NS_PER_S;
    poll(1, 0);
    census_sweep(census, now_ns, NULL, NULL);
    assert_true(poll(INSTANCES_KNOWN_MAX + 1, 0));
    assert_non_null(census_instance_find(census, TEXT("shop"), 1));
}

static void beyond_the_bound_interfaces_are_counted_as_lost(void **state)
{
    static struct wire_pulse_interface said[INTERFACES_MAX];
    static char names[INTERFACES_MAX][24];
    struct problem problem = { 0 };
    uint64_t incarnation = 1, known = 0;

    (void)state;
    while (census_lost_count(census) == 0 && incarnation < 100) {
        struct wire_pulse pulse = { .application = TEXT("shop"),
                                    .instance = TEXT("host:1"),
                                    .incarnation = incarnation,
                                    .sequence = 1,
                                    .interfaces = said,
                                    .interfaces_count = INTERFACES_MAX };

        for (size_t i = 0; i < INTERFACES_MAX; i++) {
            snprintf(names[i], sizeof names[i], "%llu/%zu", (unsigned long long)incarnation, i);
            said[i] = (struct wire_pulse_interface){ .name = text_of(names[i]) };
        }
        assert_int_equal(census_pulse(census, &pulse, TEXT("127.0.0.1"), now_ns, now_ns, &problem),
                         0);
        incarnation++;
        known += INTERFACES_MAX;
    }
    assert_int_equal(census_lost_count(census), known - INTERFACES_KNOWN_MAX);
}

int main(void)
{
#define IN_CENSUS(test) cmocka_unit_test_setup_teardown(test, open_census, close_census)
    const struct CMUnitTest tests[] = {
        IN_CENSUS(the_first_pulse_of_a_young_process_counts_in_full),
        IN_CENSUS(a_resend_adds_nothing),
        IN_CENSUS(a_pulse_that_was_overtaken_is_ignored),
        IN_CENSUS(a_pulse_that_was_lost_loses_nothing),
        IN_CENSUS(the_past_of_an_old_process_is_not_counted),
        IN_CENSUS(nor_is_that_of_a_process_that_nobody_heard_before),
        IN_CENSUS(nor_are_its_other_interfaces_that_come_with_the_next_pulse),
        IN_CENSUS(two_instances_add_up),
        IN_CENSUS(counts_leave_the_windows_one_after_the_other),
        IN_CENSUS(percentiles_are_of_the_window),
        IN_CENSUS(a_pulse_with_a_bad_interface_changes_nothing),
        IN_CENSUS(an_instance_is_gone_after_45_seconds_of_silence_and_told_once),
        IN_CENSUS(what_is_gone_is_forgotten_after_15_minutes_with_its_interfaces),
        IN_CENSUS(an_interface_of_a_living_instance_stays_known),
        IN_CENSUS(a_last_pulse_says_goodbye_also_when_it_is_sent_again),
        IN_CENSUS(the_clocks_offset_is_measured_at_each_poll),
        IN_CENSUS(an_instance_of_another_protocol_is_shown_as_refused),
        IN_CENSUS(a_version_is_delivered_once),
        IN_CENSUS(lists_are_by_name),
        IN_CENSUS(the_nearest_names_come_first),
        IN_CENSUS(a_misspelt_application_finds_the_nearest),
        IN_CENSUS(the_share_of_a_core_is_of_ten_seconds_or_more),
        IN_CENSUS(the_share_of_a_process_that_is_met_late_is_of_its_life_at_first),
        IN_CENSUS(beyond_the_bound_the_longest_gone_instance_makes_room),
        IN_CENSUS(beyond_the_bound_interfaces_are_counted_as_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
