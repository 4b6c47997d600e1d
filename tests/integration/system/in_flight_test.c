/* SPDX-License-Identifier: Apache-2.0 */
/* in_flight_test.c: a call that is merely watched takes no place from another.
 *
 * 2000 calls of the watched interface are in flight in one process at every moment, all but the
 * last ones to begin fast; every one that turns slow is sampled while the cap allows, and the
 * ledger accounts for every call, at every reading. */
#include "tests/integration/system/house.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>

enum { IN_FLIGHT = 2000, SLOW = 40, ROUND_MS = 20000 };

struct settled {
    struct house *house;
    const struct task_id *task;
};

/* Nothing pends, and the readings on the way add up. */
static bool is_settled(void *context)
{
    struct settled *settled = context;

    house_assert_ledger_adds_up(settled->house, settled->task);
    return house_ledger_sum(settled->house, settled->task, "triggered") >= SLOW &&
           house_ledger_sum(settled->house, settled->task, "pending") == 0;
}

static void every_slow_call_among_2000_is_sampled_and_every_call_is_accounted_for(void **state)
{
    struct house house = { 0 };
    struct host_process *host;
    struct task_id task;
    struct settled settled = { &house, &task };
    char slow[64];
    long calls, slow_calls;

    (void)state;
    house_open(&house);
    host = house_host(&house, "shop", "host-1");
    assert_string_equal(host_process_ask(host, "run 2000 70 GET /fast"), "running");
    house_order(
        &house,
        &(struct order){
            .interface = "GET /fast", .threshold_ms = 400, .frequency_ms = 50, .sample_cap = 100 },
        &task);
    snprintf(slow, sizeof slow, "slow %d 900", SLOW);
    assert_string_equal(host_process_ask(host, slow), "done");

    assert_true(wait_until(is_settled, &settled, ROUND_MS));
    assert_int_equal(house_ledger_sum(&house, &task, "drops"), 0);
    assert_true(house_ledger_sum(&house, &task, "sampled") >= SLOW);

    house_cancel(&house, &task);
    assert_int_equal(
        sscanf(host_process_ask(host, "stop"), "calls=%ld slow=%ld", &calls, &slow_calls), 2);
    host_process_end(host);
    house_assert_ledger_adds_up(&house, &task);
    assert_true(house_ledger_sum(&house, &task, "seen") <= calls);
    printf("in flight %d, calls %ld, seen %lld, sampled %lld of %ld ordered slow\n", IN_FLIGHT,
           calls, (long long)house_ledger_sum(&house, &task, "seen"),
           (long long)house_ledger_sum(&house, &task, "sampled"), slow_calls);
    house_close(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slow_call_among_2000_is_sampled_and_every_call_is_accounted_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
