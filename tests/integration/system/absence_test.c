/* SPDX-License-Identifier: Apache-2.0 */
/* absence_test.c: hosts outlive their scheduler, and are heard again.
 *
 * The scheduler is not there when the host starts, comes late, is started again with what it kept,
 * and with nothing: each time a task that is ordered afterwards catches calls, and the host makes
 * its calls all along. */
#include "tests/integration/system/house.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CAUGHT_MS = 45000 }; /* the host may rest up to 30 s after many vain tries */

static long calls_of(struct host_process *host)
{
    long calls, slow;

    assert_int_equal(sscanf(host_process_ask(host, "count"), "calls=%ld slow=%ld", &calls, &slow),
                     2);
    return calls;
}

struct progress {
    struct host_process *host;
    long calls;
};

static bool has_gone_on(void *context)
{
    struct progress *progress = context;

    return calls_of(progress->host) > progress->calls;
}

static void assert_goes_on(struct host_process *host)
{
    struct progress progress = { host, calls_of(host) };

    assert_true(wait_until(has_gone_on, &progress, CAUGHT_MS));
}

static void assert_caught(struct house *house)
{
    struct task_id task;

    house_order(house, &(struct order){ .interface = "GET /slow", .sample_cap = 2 }, &task);
    house_wait_state(house, &task, "FILLED", CAUGHT_MS);
    assert_int_equal(house_samples_count(house, &task), 2);
}

static struct host_process *start_host(struct house *house)
{
    struct host_process *host = house_host(house, "shop", "host-1");

    assert_string_equal(host_process_ask(host, "run 2 250 GET /slow"), "running");
    return host;
}

static void end_host(struct host_process *host)
{
    host_process_ask(host, "stop");
    assert_int_equal(host_process_end(host), 0);
}

/* A port on which nobody listens, and where the scheduler will: it had it before. */
static void a_host_that_was_first_is_heard_when_the_scheduler_comes(void **state)
{
    struct house house = { 0 };
    struct host_process *host;

    (void)state;
    house_open(&house);
    scheduler_process_stop(&house.scheduler);
    host = start_host(&house);
    assert_goes_on(host);
    scheduler_process_start(&house.scheduler);
    assert_caught(&house);
    end_host(host);
    house_close(&house);
}

struct filling {
    struct house *house;
    struct host_process *host;
    const struct task_id *task;
};

static bool is_filled_by_slow_calls(void *context)
{
    struct filling *filling = context;

    assert_string_equal(host_process_ask(filling->host, "slow 2 250"), "done");
    return house_samples_count(filling->house, filling->task) >= 2;
}

static void a_task_outlives_its_scheduler_and_is_filled_after_its_return(void **state)
{
    struct house house = { 0 };
    struct host_process *host;
    struct task_id task;

    (void)state;
    house_open(&house);
    host = house_host(&house, "shop", "host-1");
    assert_string_equal(host_process_ask(host, "run 1 20 GET /slow"), "running");
    house_order(&house, &(struct order){ .interface = "GET /slow", .sample_cap = 2 }, &task);
    assert_int_equal(scheduler_process_stop(&house.scheduler), 0);
    assert_goes_on(host);
    scheduler_process_start(&house.scheduler);
    if (!wait_until(is_filled_by_slow_calls, &(struct filling){ &house, host, &task }, CAUGHT_MS))
        fail_msg("the task that was there before is not filled");
    assert_int_equal(house_samples_count(&house, &task), 2);
    end_host(host);
    house_close(&house);
}

/* The tasks that the host knew are unknown to the new scheduler: it is told so, and obeys. */
static void a_scheduler_that_forgot_everything_is_obeyed(void **state)
{
    struct house house = { 0 };
    struct host_process *host;
    struct task_id task;
    char kept[96], put_away[96];

    (void)state;
    house_open(&house);
    host = start_host(&house);
    house_order(&house, &(struct order){ .interface = "GET /*", .threshold_ms = 20000 }, &task);
    assert_int_equal(scheduler_process_stop(&house.scheduler), 0);
    snprintf(kept, sizeof kept, "%s/state", house.scheduler.directory);
    snprintf(put_away, sizeof put_away, "%s/before", house.scheduler.directory);
    assert_int_equal(rename(kept, put_away), 0);
    assert_goes_on(host);
    scheduler_process_start(&house.scheduler);
    assert_null(house_try(&house, "/api/v1/tasks/%s", task.text));
    assert_caught(&house);
    end_host(host);
    house_close(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_was_first_is_heard_when_the_scheduler_comes),
        cmocka_unit_test(a_task_outlives_its_scheduler_and_is_filled_after_its_return),
        cmocka_unit_test(a_scheduler_that_forgot_everything_is_obeyed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
