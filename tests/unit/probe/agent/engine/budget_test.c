/* SPDX-License-Identifier: Apache-2.0 */
/* The budget under loads that want more than it gives, with a clock of its own: bounded, fair, and
 * over when the load is. */
#include "probe/agent/engine/budget.h"

#include "probe/agent/base/pace.h"
#include "tests/support/test.h"

#include <string.h>

#define MS    NS_PER_MS
#define START (1000 * MS)

enum { CALLS = 40, SECONDS_MAX = 120 };

/* A sampler in small: calls that are looked at, a clock, and what was spent. */
struct machine {
    struct budget budget;
    struct pace paces[CALLS];
    uint64_t ordered_ns[CALLS], cost_ns[CALLS], looks[CALLS];
    uint32_t call_count;
    uint64_t now_ns, spent_ns;
    uint64_t spent_at[SECONDS_MAX * 10 + 1]; /* every 100 ms */
};

static struct machine machine;

static void machine_new(uint32_t core_ppm)
{
    memset(&machine, 0, sizeof machine);
    machine.now_ns = START;
    budget_set(&machine.budget, core_ppm, 0);
    budget_account(&machine.budget, START, 0);
}

static void machine_add(uint64_t ordered_ns, uint64_t cost_ns)
{
    machine.ordered_ns[machine.call_count] = ordered_ns;
    machine.cost_ns[machine.call_count++] = cost_ns;
}

static void machine_plan(void)
{
    uint64_t wanted_ppm = 0;

    if (!budget_plan_is_due(&machine.budget, machine.now_ns)) return;
    for (uint32_t i = 0; i < machine.call_count; i++) {
        wanted_ppm += pace_cost_ns(&machine.paces[i]) * 1000000 / machine.ordered_ns[i];
    }
    budget_plan(&machine.budget, machine.now_ns, wanted_ppm);
}

static void machine_look(uint32_t i)
{
    struct pace *pace = &machine.paces[i];

    if (!pace_is_due(pace, machine.now_ns)) return;
    if (pace->looked_ns != 0 && !budget_covers(&machine.budget, pace_cost_ns(pace))) {
        pace_put_off(pace,
                     machine.now_ns + budget_wait_ns(&machine.budget, pace_cost_ns(pace)) + MS);
        return;
    }
    machine.spent_ns += machine.cost_ns[i];
    machine.looks[i]++;
    budget_account(&machine.budget, machine.now_ns, machine.spent_ns);
    budget_looked(&machine.budget, machine.cost_ns[i]);
    pace_looked(pace, machine.now_ns, budget_interval_ns(&machine.budget, machine.ordered_ns[i]));
    pace->spent_ns += machine.cost_ns[i];
}

static void machine_run(uint32_t seconds)
{
    uint64_t end_ns = machine.now_ns + seconds * NS_PER_S;

    for (uint32_t turn = 0; machine.now_ns < end_ns; turn++) {
        machine.now_ns += MS;
        budget_account(&machine.budget, machine.now_ns, machine.spent_ns);
        machine_plan();
        for (uint32_t i = 0; i < machine.call_count; i++) {
            machine_look((i + turn) % machine.call_count);
        }
        machine.spent_at[(machine.now_ns - START) / (100 * MS)] = machine.spent_ns;
    }
}

/* The most that any ten seconds hold, beyond the first looks. */
static uint64_t most_in_ten_seconds(void)
{
    uint64_t most_ns = 0;
    size_t count = (machine.now_ns - START) / (100 * MS);

    for (size_t i = 0; i <= count; i++) {
        uint64_t before_ns = i > 100 ? machine.spent_at[i - 101] : 0;

        if (machine.spent_at[i] - before_ns > most_ns) most_ns = machine.spent_at[i] - before_ns;
    }
    return most_ns;
}

static void what_fits_is_not_stretched(void **state)
{
    (void)state;
    machine_new(10000);
    machine_add(100 * MS, 50000);
    machine_run(20);
    assert_int_equal(budget_interval_ns(&machine.budget, 100 * MS), 100 * MS);
    assert_in_range(machine.looks[0], 199, 201);
}

/* 20 calls every 5 ms at 50 us want 20 % of a core. */
static void what_does_not_fit_is_stretched_and_any_ten_seconds_hold_their_share(void **state)
{
    (void)state;
    machine_new(10000);
    for (int i = 0; i < 20; i++) {
        machine_add(5 * MS, 50000);
    }
    machine_run(60);
    assert_in_range(most_in_ten_seconds(), 50 * MS, 100 * MS + 20 * 50000);
    assert_in_range(budget_interval_ns(&machine.budget, 5 * MS), 100 * MS, 200 * MS);
}

static void the_stretch_is_fair(void **state)
{
    (void)state;
    machine_new(10000);
    for (int i = 0; i < 16; i++) {
        machine_add(i % 2 == 0 ? 5 * MS : 20 * MS, i < 8 ? 20000 : 100000);
    }
    machine_run(60);
    for (int i = 2; i < 16; i++) {
        /* Whatever a look costs: of the same frequency, the same number of looks, by a tenth. */
        assert_in_range(machine.looks[i], machine.looks[i % 2] * 9 / 10,
                        machine.looks[i % 2] * 11 / 10 + 1);
    }
    assert_in_range(machine.looks[0], machine.looks[1] * 3, machine.looks[1] * 5);
}

static void it_is_over_when_the_load_is(void **state)
{
    (void)state;
    machine_new(10000);
    for (int i = 0; i < CALLS; i++) {
        machine_add(5 * MS, 50000);
    }
    machine_run(30);
    assert_true(budget_interval_ns(&machine.budget, 5 * MS) > 20 * MS);
    machine.call_count = 1;
    machine.ordered_ns[0] = 20 * MS;
    machine_run(15);
    assert_int_equal(budget_interval_ns(&machine.budget, 20 * MS), 20 * MS);
}

static void watching_does_not_end_looks(void **state)
{
    (void)state;
    machine_new(10000);
    machine_add(5 * MS, 30000);
    for (int i = 0; i < 300; i++) {
        machine.spent_ns += MS; /* 1 % by itself */
        machine_run(0);
        machine.now_ns += 99 * MS;
        machine_run(0);
        budget_account(&machine.budget, machine.now_ns, machine.spent_ns);
        machine_plan();
        machine_look(0);
        machine.now_ns += MS;
    }
    assert_in_range(budget_interval_ns(&machine.budget, 5 * MS), 6 * MS, 100 * MS);
}

static void without_a_bound_everything_is_covered(void **state)
{
    (void)state;
    machine_new(BUDGET_NONE);
    for (int i = 0; i < 20; i++) {
        machine_add(5 * MS, 2 * MS);
    }
    machine_run(10);
    assert_in_range(machine.looks[0], 1990, 2010);
    budget_set(&machine.budget, 0, BUDGET_NONE);
    assert_true(budget_thread_covers(&machine.budget, 7, machine.now_ns, UINT64_MAX));
}

static void a_thread_is_paused_for_its_share_alone(void **state)
{
    uint64_t paused_ns = 0, first_ns = 0;

    (void)state;
    machine_new(0);
    for (uint64_t now_ns = START; now_ns < START + 10 * NS_PER_S; now_ns += MS) {
        if (!budget_thread_covers(&machine.budget, 7, now_ns, 30000)) continue;
        budget_thread_spend(&machine.budget, 7, now_ns, 30000);
        paused_ns += 30000;
        if (first_ns == 0) first_ns = now_ns;
    }
    assert_in_range(paused_ns, 40 * MS, 50 * MS);
    assert_true(budget_thread_covers(&machine.budget, 8, START + 10 * NS_PER_S, 30000));
    assert_in_range(budget_thread_wait_ns(&machine.budget, 7, START + 10 * NS_PER_S, 30000), 0,
                    10 * MS);
}

static void threads_that_rested_make_way_for_others(void **state)
{
    uint64_t now_ns = START;
    uint32_t slot = 0;

    (void)state;
    machine_new(0);
    for (; slot < 16; slot++) {
        uint32_t place = (slot + 1) * BUDGET_THREADS; /* all want the same places */

        assert_true(budget_thread_covers(&machine.budget, place, now_ns, 1000));
        budget_thread_spend(&machine.budget, place, now_ns, 1000);
    }
    assert_false(budget_thread_covers(&machine.budget, (slot + 1) * BUDGET_THREADS, now_ns, 1000));
    now_ns += NS_PER_MS;
    assert_true(budget_thread_covers(&machine.budget, (slot + 1) * BUDGET_THREADS, now_ns, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_not_stretched),
        cmocka_unit_test(what_does_not_fit_is_stretched_and_any_ten_seconds_hold_their_share),
        cmocka_unit_test(the_stretch_is_fair),
        cmocka_unit_test(it_is_over_when_the_load_is),
        cmocka_unit_test(watching_does_not_end_looks),
        cmocka_unit_test(without_a_bound_everything_is_covered),
        cmocka_unit_test(a_thread_is_paused_for_its_share_alone),
        cmocka_unit_test(threads_that_rested_make_way_for_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
