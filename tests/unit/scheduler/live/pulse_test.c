/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "common/wire/report.h"
#include "tests/unit/scheduler/live/census_scene.h"

#include <errno.h>
#include <string.h>

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

int main(void)
{
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
        IN_CENSUS(a_last_pulse_says_goodbye_also_when_it_is_sent_again),
        IN_CENSUS(the_share_of_a_core_is_of_ten_seconds_or_more),
        IN_CENSUS(the_share_of_a_process_that_is_met_late_is_of_its_life_at_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
