/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "common/wire/report.h"
#include "tests/unit/scheduler/live/census_scene.h"

#include <stdio.h>

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
    const struct CMUnitTest tests[] = {
        IN_CENSUS(what_is_gone_is_forgotten_after_15_minutes_with_its_interfaces),
        IN_CENSUS(an_interface_of_a_living_instance_stays_known),
        IN_CENSUS(beyond_the_bound_interfaces_are_counted_as_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
