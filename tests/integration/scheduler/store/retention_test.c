/* SPDX-License-Identifier: Apache-2.0 */
/* Forgetting, by time and by bytes, one step at a time; nothing of what is forgotten stays. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/report.h"
#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

struct step {
    bool done;
    struct store_trimmed trimmed;
};

static int setup(void **state)
{
    *state = fixture_new("maxmemory-policy noeviction\n");
    return 0;
}

static void on_trimmed(void *context, const struct store_trimmed *trimmed,
                       const struct problem *problem)
{
    struct step *step = context;

    if (problem) fail_msg("%s", problem->detail);
    step->done = true;
    step->trimmed = *trimmed;
}

static bool is_done(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct step *)context)->done;
}

static bool is_up(struct fixture *fixture, void *context)
{
    (void)fixture;
    return store_is_up(context);
}

static struct store_trimmed trim(struct fixture *fixture, uint64_t keep_ms, uint64_t bytes_max)
{
    struct step step = { 0 };

    store_trim(fixture->store, TEXT("shop"), keep_ms, bytes_max, on_trimmed, &step);
    fixture_wait(fixture, is_done, &step);
    return step.trimmed;
}

static struct task ended_task(struct fixture *fixture, unsigned samples)
{
    struct task_spec spec = spec_of("shop", "*");
    struct task task;

    spec.sample_cap = 100;
    task = create_ok(fixture, &spec);
    for (unsigned i = 0; i < samples; i++) {
        OWN(sample_freep) struct sample *sample = sample_of(&task);
        assert_int_equal(report(fixture, sample).outcome, REPORT_ACCEPTED);
    }
    return cancel(fixture, &task.id).task;
}

static uint64_t asked_number(struct fixture *fixture, const char *command)
{
    return strtoull(redis_process_ask(&fixture->redis, command), NULL, 10);
}

static void a_task_is_forgotten_when_its_time_is_over_and_leaves_nothing(void **state)
{
    enum { HOUR_MS = 3600000 };
    struct fixture *fixture = *state;
    struct task old = ended_task(fixture, 5), young = ended_task(fixture, 3);
    struct task_spec spec = spec_of("shop", "*");
    struct task active = create_ok(fixture, &spec);
    struct store_trimmed trimmed;

    tasks_delivered(fixture->tasks, TEXT("shop"), TEXT("h"), TEXT("::1"), 7);
    pass_time(fixture, &old, 2 * HOUR_MS);
    trimmed = trim(fixture, HOUR_MS, 0);
    assert_int_equal(trimmed.tasks, 1);
    assert_int_equal(trimmed.samples, 5);
    assert_true(trimmed.more);
    assert_false(trim(fixture, HOUR_MS, 0).more);
    assert_int_equal(find(fixture, &old.id).code, PROBLEM_NO_SUCH_TASK);
    assert_int_equal(find(fixture, &young.id).task.sample_count, 3);
    assert_int_equal(find(fixture, &active.id).task.state, TASK_ACTIVE);

    assert_int_equal(trim(fixture, 0, 0).tasks, 1);
    assert_int_equal(cancel(fixture, &active.id).code, PROBLEM_NONE);
    assert_int_equal(trim(fixture, 0, 0).tasks, 1);
    assert_false(trim(fixture, 0, 0).more);
    assert_int_equal(asked_number(fixture, "GET 'stakeout:{shop}:bytes'"), 0);
    /* The applications, the version (twice), the byte counter, the news and the lease are left. */
    assert_int_equal(fixture_sum(fixture, "DBSIZE"), 6);

    /* An hour later the application goes off the list; and comes back with its next task. */
    redis_process_ask(&fixture->redis, "ZINCRBY stakeout:applications -3600001 shop");
    trim(fixture, 0, 0);
    assert_int_equal(asked_number(fixture, "EXISTS stakeout:applications"), 0);
    create_ok(fixture, &spec);
    assert_int_equal(asked_number(fixture, "ZCARD stakeout:applications"), 1);
}

static void the_byte_budget_takes_the_samples_of_the_oldest_ended_tasks(void **state)
{
    struct fixture *fixture = *state;
    struct task old = ended_task(fixture, 6), young = ended_task(fixture, 6);
    struct task_spec spec = spec_of("shop", "*");
    struct task active = create_ok(fixture, &spec);
    OWN(sample_freep) struct sample *kept = sample_of(&active);
    uint64_t bytes = asked_number(fixture, "GET 'stakeout:{shop}:bytes'");
    struct store_trimmed trimmed;
    char command[128];

    assert_int_equal(report(fixture, kept).outcome, REPORT_ACCEPTED);
    assert_false(trim(fixture, 3600000, 100 * bytes).more);
    trimmed = trim(fixture, 3600000, bytes - 1);
    assert_int_equal(trimmed.samples, 6);
    assert_int_equal(trimmed.tasks, 0);
    snprintf(command, sizeof(command), "EXISTS 'stakeout:{shop}:task:%s:samples'", old.id.text);
    assert_int_equal(asked_number(fixture, command), 0);
    assert_int_equal(find(fixture, &old.id).task.sample_count, 6); /* what it took stays true */
    snprintf(command, sizeof(command), "HLEN 'stakeout:{shop}:task:%s:samples'", young.id.text);
    assert_int_equal(asked_number(fixture, command), 6);

    assert_int_equal(trim(fixture, 3600000, 1).samples, 6);
    assert_false(trim(fixture, 3600000, 1).more); /* the active task's are not taken */
    assert_true(asked_number(fixture, "GET 'stakeout:{shop}:bytes'") > 1);
    assert_int_equal(cancel(fixture, &active.id).code, PROBLEM_NONE);
    assert_int_equal(trim(fixture, 3600000, 1).samples, 1);
    assert_int_equal(asked_number(fixture, "GET 'stakeout:{shop}:bytes'"), 0);
    assert_int_equal(trim(fixture, 0, 0).tasks, 1); /* forgetting what was shed before */
}

/* Two schedulers believe that it is theirs to do. */
static void two_at_once_forget_everything_once(void **state)
{
    enum { TASKS = 20, SAMPLES = 2 };
    struct fixture *fixture = *state;
    struct problem problem;
    struct store *second = store_new(
        &(struct store_options){ .base = fixture->base, .url = fixture->redis.url }, &problem);
    struct store *const stores[] = { fixture->store, second };
    struct store_trimmed sum = { 0 };
    struct step steps[2];

    assert_non_null(second);
    fixture_wait(fixture, is_up, second);
    for (unsigned i = 0; i < TASKS; i++) {
        ended_task(fixture, SAMPLES);
    }
    do {
        for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
            steps[i].done = false;
            store_trim(stores[i], TEXT("shop"), 0, 0, on_trimmed, &steps[i]);
        }
        for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
            fixture_wait(fixture, is_done, &steps[i]);
            sum.tasks += steps[i].trimmed.tasks;
            sum.samples += steps[i].trimmed.samples;
        }
    } while (steps[0].trimmed.more || steps[1].trimmed.more);
    assert_int_equal(sum.tasks, TASKS);
    assert_int_equal(sum.samples, TASKS * SAMPLES);
    assert_int_equal(asked_number(fixture, "GET 'stakeout:{shop}:bytes'"), 0);
    store_free(second);
}

static void a_full_redis_can_be_trimmed(void **state)
{
    struct fixture *fixture = *state;
    struct task task = ended_task(fixture, 4);

    fixture_skip_on_cluster(fixture); /* that is filled by its applications' names */
    redis_process_ask(&fixture->redis, "CONFIG SET maxmemory 100kb");
    assert_int_equal(trim(fixture, 3600000, 1).samples, 4);
    assert_int_equal(trim(fixture, 0, 0).tasks, 1);
    assert_int_equal(find(fixture, &task.id).code, PROBLEM_NO_SUCH_TASK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
        CASE(a_task_is_forgotten_when_its_time_is_over_and_leaves_nothing),
        CASE(the_byte_budget_takes_the_samples_of_the_oldest_ended_tasks),
        CASE(two_at_once_forget_everything_once),
        CASE(a_full_redis_can_be_trimmed),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
