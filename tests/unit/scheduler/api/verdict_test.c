/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/api/verdict.h"

#include "common/base/clock.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

/* One instance's ledger, shortened; zero: nothing of it. */
struct row {
    bool is_unknown; /* the application is, and two are like it */
    bool is_there, is_delivered;
    const char *refused;
    uint64_t seen, below, triggered, over_cap, pending, no_sample, lost, slowest_below_ms;
};

/* clang-format off */
static const struct {
    const char *says;
    enum task_state state;
    bool has_started;
    uint32_t samples, instances, admitted;
    bool interface_was_seen;
    size_t nearest;
    struct row rows[2];
    const char *verdict;
} cases[] = {
    { "not begun", TASK_SCHEDULED, false, 0, 3, 3, true, 0, { { 0 } },
      "The task starts at 2026-11-22T01:32:07.000Z." },
    { "cancelled before its start", TASK_CANCELLED, false, 0, 3, 3, true, 0, { { 0 } },
      "The task was cancelled before it started." },
    { "no instance", TASK_ACTIVE, true, 0, 0, 0, false, 0, { { 0 } },
      "No instance: no process of 'shop' polls this scheduler." },
    { "no such application", TASK_ACTIVE, true, 0, 0, 0, false, 0, { { .is_unknown = true } },
      "No instance: no process of 'shop' polls this scheduler. Nearest: 'shop-eu', 'stop'." },
    { "no admitted instance", TASK_EXPIRED, true, 0, 3, 0, true, 0, { { 0 } },
      "No instance: the task admits none of the 3 instances of 'shop' that poll this scheduler." },
    { "not delivered", TASK_ACTIVE, true, 0, 1, 1, true, 0, { { 0 } },
      "Not delivered: the task was fetched by none of the 1 instance of 'shop' that polls this "
      "scheduler." },
    { "refused", TASK_ACTIVE, true, 0, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true, .refused = "no free signal." } },
      "Not delivered: no instance took the task; it was refused: no free signal." },
    { "no such interface, so far", TASK_ACTIVE, true, 0, 1, 1, false, 0,
      { { .is_there = true, .is_delivered = true } },
      "No such interface: no instance has called 'POST /checkout'." },
    { "no such interface, with the nearest", TASK_EXPIRED, true, 0, 1, 1, false, 2,
      { { .is_there = true, .is_delivered = true } },
      "No such interface: no instance called 'POST /checkout'. Nearest: 'POST /checkin' (840 "
      "calls, the slowest took 2.31 s), 'GET /checkout' (1 call, the slowest took 310 ms)." },
    { "known, not called", TASK_EXPIRED, true, 0, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true } },
      "No call of 'POST /checkout' ended while the task was active." },
    { "known, not called yet", TASK_ACTIVE, true, 0, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true } },
      "No call of 'POST /checkout' has ended since the task started." },
    { "all faster, so far", TASK_ACTIVE, true, 0, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true, .seen = 2104, .below = 2104,
          .slowest_below_ms = 171 } },
      "2,104 calls so far, all below 184 ms; the slowest took 171 ms." },
    { "all faster", TASK_EXPIRED, true, 0, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true, .seen = 200, .below = 200,
          .slowest_below_ms = 90 },
        { .is_there = true, .is_delivered = true, .seen = 12, .below = 12,
          .slowest_below_ms = 180 } },
      "All 212 calls were faster than 184 ms; the slowest took 180 ms." },
    { "one call, faster", TASK_EXPIRED, true, 0, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true, .seen = 1, .below = 1, .slowest_below_ms = 9 } },
      "1 call was faster than 184 ms; the slowest took 9.00 ms." },
    { "all sampled", TASK_FILLED, true, 10, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true, .seen = 700, .below = 690, .triggered = 10 } },
      "10 of 10 slow calls sampled." },
    { "a sample ahead of its ledger", TASK_ACTIVE, true, 1, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true } },
      "1 of 1 slow call sampled." },
    { "some sampled", TASK_FILLED, true, 6, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true, .seen = 672, .below = 658, .triggered = 14,
          .over_cap = 5, .pending = 1, .no_sample = 2 } },
      "6 of 14 slow calls sampled; 5 came after the sample cap was reached; 2 dropped (no-sample: "
      "more slow calls at once than samples in flight); 1 is still being listened to." },
    { "dropped, and why", TASK_EXPIRED, true, 0, 1, 1, true, 0,
      { { .is_there = true, .is_delivered = true, .seen = 3, .triggered = 3, .no_sample = 1,
          .lost = 2 } },
      "0 of 3 slow calls sampled; 1 dropped (no-sample: more slow calls at once than samples in "
      "flight); 2 dropped (instance-lost: the instance was gone before its report came)." },
};
/* clang-format on */

static const struct verdict_name names[] = {
    { { "POST /checkin", 13 }, 840, 2310 * NS_PER_MS },
    { { "GET /checkout", 13 }, 1, 310 * NS_PER_MS },
};

static size_t fill_ledgers(const struct row *rows, struct task_ledger *ret)
{
    size_t count = 0;

    for (size_t i = 0; i < 2 && rows[i].is_there; i++) {
        struct task_ledger *ledger = &ret[count++];

        *ledger = (struct task_ledger){ .delivered_wall_ms = rows[i].is_delivered };
        snprintf(ledger->refused, sizeof ledger->refused, "%s",
                 rows[i].refused ? rows[i].refused : "");
        ledger->counts.seen = rows[i].seen;
        ledger->counts.below = rows[i].below;
        ledger->counts.triggered = rows[i].triggered;
        ledger->counts.over_cap = rows[i].over_cap;
        ledger->counts.pending = rows[i].pending;
        ledger->counts.drops[CALL_DROP_NO_SAMPLE] = rows[i].no_sample;
        ledger->counts.drops[CALL_DROP_INSTANCE_LOST] = rows[i].lost;
        ledger->counts.slowest_below_ns = rows[i].slowest_below_ms * NS_PER_MS;
    }
    return count;
}

static void the_verdict_is_the_first_obstacle_that_calls_met(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(VERDICT_SIZE_MAX);
        struct task_ledger ledgers[2];
        struct task task = { .spec = { .application = "shop",
                                       .interface = "POST /checkout",
                                       .threshold_ms = 184,
                                       .start_wall_ms = UINT64_C(1795311127000) },
                             .state = cases[i].state,
                             .started_wall_ms = cases[i].has_started,
                             .sample_count = cases[i].samples };
        struct verdict_facts facts = { .task = &task,
                                       .ledgers = ledgers,
                                       .instance_count = cases[i].instances,
                                       .admitted_count = cases[i].admitted,
                                       .interface_was_seen = cases[i].interface_was_seen,
                                       .nearest_count = cases[i].nearest,
                                       .applications = { TEXT("shop-eu"), TEXT("stop") },
                                       .application_count = cases[i].rows[0].is_unknown ? 2 : 0 };

        facts.ledger_count = fill_ledgers(cases[i].rows, ledgers);
        memcpy(facts.nearest, names, sizeof names);
        verdict_write(&facts, &text);
        assert_int_equal(text.failed, 0);
        if (strcmp(text.data, cases[i].verdict) != 0)
            fail_msg("%s:\n  %s\nwanted\n  %s", cases[i].says, text.data, cases[i].verdict);
    }
}

static void durations_have_three_digits(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } durations[] = {
        { 0, "0.00 µs" },          { 184 * NS_PER_US, "184 µs" }, { 999499, "999 µs" },
        { 999500, "1.00 ms" },     { 1840000, "1.84 ms" },        { 18400000, "18.4 ms" },
        { 184000000, "184 ms" },   { 999499999, "999 ms" },       { 999500000, "1.00 s" },
        { 18400000000, "18.4 s" }, { 59949999999, "59.9 s" },     { 72000000000, "1 min 12 s" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(durations); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(64);

        verdict_duration(durations[i].ns, &text);
        assert_string_equal(text.data, durations[i].text);
    }
}

static void counts_are_grouped_by_thousands(void **state)
{
    static const struct {
        uint64_t count;
        const char *text;
    } counts[] = { { 0, "0" }, { 999, "999" }, { 1000, "1,000" }, { 12345678, "12,345,678" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        OWN(buf_done) struct buf text = BUF_INIT(64);

        verdict_count(counts[i].count, &text);
        assert_string_equal(text.data, counts[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verdict_is_the_first_obstacle_that_calls_met),
        cmocka_unit_test(durations_have_three_digits),
        cmocka_unit_test(counts_are_grouped_by_thousands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
