/* SPDX-License-Identifier: Apache-2.0 */
/* cap_test.c: the cap is exact, whatever the number of instances.
 *
 * 8 processes with 4 threads each, all of their calls slow; caps 1, 7 and 100. Exactly so many
 * samples are taken, the task is FILLED at once, and every instance is told and quiet within a
 * second: its ledger then says that nothing pends, and does not move any more. */
#include "tests/integration/system/house.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>

enum { HOSTS = 8, FILLED_MS = 60000, QUIET_MS = 1000 };

static struct house house;
static struct host_process *hosts[HOSTS];

static int start_all(void **state)
{
    (void)state;
    house_open(&house);
    for (int i = 0; i < HOSTS; i++) {
        char instance[32];

        snprintf(instance, sizeof instance, "host-%d", i);
        hosts[i] = house_host(&house, "shop", instance);
        host_process_tell(hosts[i], "run 4 250 GET /slow");
    }
    for (int i = 0; i < HOSTS; i++) {
        assert_string_equal(host_process_hear(hosts[i]), "running");
    }
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    for (int i = 0; i < HOSTS; i++) {
        host_process_tell(hosts[i], "stop");
    }
    for (int i = 0; i < HOSTS; i++) {
        host_process_end(hosts[i]);
    }
    house_close(&house);
    return 0;
}

static bool is_disarmed_everywhere(void *context)
{
    const struct task_id *task = context;
    json_t *log = house_get(&house, "/api/v1/tasks/%s/log?limit=1000", task->text);
    json_t *event;
    size_t i, count = 0;

    json_array_foreach(json_object_get(log, "events"), i, event)
    {
        const char *what = json_string_value(json_object_get(event, "event"));

        count += what && text_is_equal(text_of(what), TEXT("disarmed"));
    }
    json_decref(log);
    return count == HOSTS;
}

static void takes_exactly(int cap)
{
    struct task_id task;
    json_t *samples;

    house_order(&house, &(struct order){ .interface = "GET /slow", .sample_cap = cap }, &task);
    house_wait_state(&house, &task, "FILLED", FILLED_MS);
    assert_true(wait_until(is_disarmed_everywhere, &task, QUIET_MS));

    samples = house_get(&house, "/api/v1/tasks/%s/samples?limit=1000", task.text);
    assert_int_equal(json_array_size(json_object_get(samples, "samples")), cap);
    json_decref(samples);
    house_assert_ledger_adds_up(&house, &task);
    printf("cap %d: sampled %lld, over cap %lld\n", cap,
           (long long)house_ledger_sum(&house, &task, "sampled"),
           (long long)house_ledger_sum(&house, &task, "over_cap"));
}

static void a_cap_of_1_takes_1_sample(void **state)
{
    (void)state;
    takes_exactly(1);
}

static void a_cap_of_7_takes_7_samples(void **state)
{
    (void)state;
    takes_exactly(7);
}

static void a_cap_of_100_takes_100_samples(void **state)
{
    (void)state;
    takes_exactly(100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cap_of_1_takes_1_sample),
        cmocka_unit_test(a_cap_of_7_takes_7_samples),
        cmocka_unit_test(a_cap_of_100_takes_100_samples),
    };

    return cmocka_run_group_tests(tests, start_all, stop_all);
}
