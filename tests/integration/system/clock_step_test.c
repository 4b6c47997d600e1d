/* SPDX-License-Identifier: Apache-2.0 */
/* clock_step_test.c: the wall clock of an instance is set forward and back by an hour, and another
 * instance's never is. Nobody's task starts or ends by it: what is told is the time that is left.
 *
 * The clock is that of one process, by libfaketime, which reads from a file how far it is off. */
#include "common/base/clock.h"
#include "common/base/wall_time.h"
#include "tests/integration/system/ends.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HOUR_MS = 3600 * 1000,
    OFFSET_ERROR_MS = 1000, /* of a poll, on a machine that is busy */
    CAP = 5,
    WAIT_MS = 45000, /* the longest rest of a link, and some */
};

static struct house house;
static struct host_process *stepped, *steady;
static char step_file[96];

static void step_to(int64_t ms)
{
    FILE *file = fopen(step_file, "we");

    assert_non_null(file);
    fprintf(file, "%+" PRId64 "s\n", ms / 1000);
    assert_int_equal(fclose(file), 0);
}

static void hosts_start(void)
{
    char file_is[128];
    const char *more[] = { "LD_PRELOAD=" FAKETIME, file_is, "FAKETIME_NO_CACHE=1",
                           "FAKETIME_DONT_FAKE_MONOTONIC=1", NULL };

    snprintf(step_file, sizeof step_file, "%s/step", house.scheduler.directory);
    snprintf(file_is, sizeof file_is, "FAKETIME_TIMESTAMP_FILE=%s", step_file);
    step_to(0);
    stepped = house_host_with(&house, "shop", "stepped", more);
    steady = house_host(&house, "other", "steady");
    assert_string_equal(host_process_ask(stepped, "run 2 150 GET /slow"), "running");
    assert_string_equal(host_process_ask(steady, "run 2 150 GET /slow"), "running");
}

static void hosts_stop(void)
{
    assert_true(strncmp(host_process_ask(stepped, "stop"), "calls=", 6) == 0);
    assert_true(strncmp(host_process_ask(steady, "stop"), "calls=", 6) == 0);
    assert_int_equal(host_process_end(stepped), 0);
    assert_int_equal(host_process_end(steady), 0);
}

/* ---- what is shown ---- */

struct shown {
    const char *application;
    int64_t offset_ms, wanted_ms;
};

static bool is_shown(void *context)
{
    struct shown *shown = context;
    json_t *list = house_get(&house, "/api/v1/instances?application=%s", shown->application);
    const json_t *instance = json_array_get(json_object_get(list, "instances"), 0);

    shown->offset_ms = (int64_t)json_number_value(json_object_get(instance, "clock_offset_ms"));
    json_decref(list);
    return llabs(shown->offset_ms - shown->wanted_ms) <= OFFSET_ERROR_MS;
}

static void assert_offset(const char *application, int64_t wanted_ms)
{
    struct shown shown = { application, 0, wanted_ms };

    if (!wait_until(is_shown, &shown, WAIT_MS))
        fail_msg("%s: off by %" PRId64 " ms, not %" PRId64, application, shown.offset_ms,
                 wanted_ms);
}

/* When its samples were, by the scheduler's clock. */
static void assert_samples_are_of_now(const struct task_id *task, uint64_t since_ms)
{
    json_t *list = house_get(&house, "/api/v1/tasks/%s/samples", task->text), *sample;
    uint64_t until_ms = ns_to_ms(clock_wall_ns()), at_ms;
    size_t i;

    json_array_foreach(json_object_get(list, "samples"), i, sample)
    {
        const char *at = json_string_value(json_object_get(sample, "at"));

        assert_int_equal(wall_time_parse(text_of(at), &at_ms), 0);
        assert_in_range(at_ms, since_ms - OFFSET_ERROR_MS, until_ms + OFFSET_ERROR_MS);
    }
    json_decref(list);
}

/* ---- the claims ---- */

static void order_slow(const char *application, int cap, struct task_id *ret)
{
    house_order(
        &house,
        &(struct order){ .application = application, .interface = "GET /slow", .sample_cap = cap },
        ret);
}

/* Takes what is there to take, by its own time. */
static void assert_catches(const char *application)
{
    uint64_t since_ms = ns_to_ms(clock_wall_ns());
    struct task_id task;

    order_slow(application, CAP, &task);
    house_wait_state(&house, &task, "FILLED", WAIT_MS);
    assert_int_equal(house_samples_count(&house, &task), CAP);
    assert_samples_are_of_now(&task, since_ms);
    house_assert_ledger_adds_up(&house, &task);
}

/* The step comes while a task is watched for, and calls are listened to. */
static void assert_survives_step(int64_t to_ms)
{
    struct task_id task;

    order_slow("shop", 100, &task);
    house_wait_armed(&house, &task, 1);
    step_to(to_ms);
    house_wait_state(&house, &task, "FILLED", WAIT_MS);
    assert_int_equal(house_samples_count(&house, &task), 100);
    house_assert_ledger_adds_up(&house, &task);
    assert_offset("shop", to_ms);
}

static void tasks_start_and_end_on_time_by_clocks_that_are_off(void **state)
{
    static const int64_t steps_ms[] = { HOUR_MS, -HOUR_MS, 0 };

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer's library wants to be the first */
#endif
    house_open(&house);
    hosts_start();
    assert_catches("shop");
    for (size_t i = 0; i < ARRAY_COUNT(steps_ms); i++) {
        struct task_id task;
        uint64_t ends_ms;

        assert_survives_step(steps_ms[i]);
        assert_catches("shop");
        ends_ms = ends_order(&house, &task);
        printf("off by %+" PRId64 " s: the instance stopped %+" PRId64 " ms from the end\n",
               steps_ms[i] / 1000, ends_assert_on_time(&house, &task, ends_ms));
        assert_catches("other");
        assert_offset("other", 0);
    }
    hosts_stop();
    unlink(step_file);
    house_close(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_start_and_end_on_time_by_clocks_that_are_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
