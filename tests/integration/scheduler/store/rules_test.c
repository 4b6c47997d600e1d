/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of DESIGN section 3 as Redis decides them: overlap, the number of tasks, moves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

/* Overlap ----------------------------------------------------------------------------------- */

#define MINUTE UINT64_C(60000)

/* Two tasks; the second is ordered after the first. Starts are minutes from now, 0: now. */
static const struct {
    const char *says;
    const char *first, *second;
    uint64_t first_start, second_start;
    int64_t first_min, second_min;
    bool overlap;
} overlaps[] = {
    { "the same name", "GET /a", "GET /a", 0, 0, 5, 5, true },
    { "another name", "GET /a", "GET /b", 0, 0, 5, 5, false },
    { "a name and what it begins", "GET /a", "GET /ab", 0, 0, 5, 5, false },
    { "a prefix, then a name in it", "GET *", "GET /a", 0, 0, 5, 5, true },
    { "a name, then a prefix of it", "GET /a", "GET *", 0, 0, 5, 5, true },
    { "a prefix as long as the name", "GET /a*", "GET /a", 0, 0, 5, 5, true },
    { "a prefix longer than the name", "GET /ab*", "GET /a", 0, 0, 5, 5, false },
    { "a prefix in a prefix", "GET /*", "GET /a*", 0, 0, 5, 5, true },
    { "the same, the other way round", "GET /a*", "GET /*", 0, 0, 5, 5, true },
    { "two prefixes apart", "GET /a*", "GET /b*", 0, 0, 5, 5, false },
    { "everything", "*", "POST /x", 0, 0, 5, 5, true },
    { "Lua's pattern characters are plain", "GET /%d+.[a]", "GET /7", 0, 0, 5, 5, false },
    { "Lua's pattern characters, the same", "GET /%d+.[a]*", "GET /%d+.[a]b", 0, 0, 5, 5, true },
    { "later, after the first's end", "GET /a", "GET /a", 0, 20, 15, 5, false },
    { "later, before the first's end", "GET /a", "GET /a", 0, 10, 15, 5, true },
    { "now, before a later one", "GET /a", "GET /a", 20, 0, 5, 15, false },
    { "now, into a later one", "GET /a", "GET /a", 10, 0, 5, 15, true },
    { "both later, side by side", "GET /a", "GET /a", 60, 66, 5, 5, false },
    { "both later, one in the other", "GET /a", "GET /a", 60, 62, 15, 5, true },
};

static void tasks_overlap_if_one_name_at_one_time_could_match_both(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_COUNT(overlaps); i++) {
        char application[32];
        struct task_spec first, second;
        uint64_t now_ms = tasks_now_wall_ms(fixture->tasks);
        struct task task;
        struct told told;

        snprintf(application, sizeof(application), "app-%zu", i);
        first = spec_of(application, overlaps[i].first);
        first.duration_min = overlaps[i].first_min;
        if (overlaps[i].first_start)
            first.start_wall_ms = now_ms + overlaps[i].first_start * MINUTE;
        second = spec_of(application, overlaps[i].second);
        second.duration_min = overlaps[i].second_min;
        if (overlaps[i].second_start) {
            second.start_wall_ms = now_ms + overlaps[i].second_start * MINUTE;
        }
        snprintf(second.instances[0], sizeof(second.instances[0]), "host-b"); /* does not matter */
        second.instance_count = 1;

        task = create_ok(fixture, &first);
        told = create(fixture, &second);
        if (told.code != (overlaps[i].overlap ? PROBLEM_OVERLAP : PROBLEM_NONE)) {
            fail_msg("%s: %s", overlaps[i].says, told.problem.detail);
        }
        if (overlaps[i].overlap && (!strstr(told.problem.detail, task.id.text) ||
                                    !strstr(told.problem.detail, overlaps[i].first))) {
            fail_msg("%s: does not name the one in the way: %s", overlaps[i].says,
                     told.problem.detail);
        }
    }
}

static void other_applications_are_never_in_the_way(void **state)
{
    static const char *const names[] = { "shop", "shop2", "{shop}", "}shop{", "sh%7Bop",
                                         "{}",   "sh:op", "shöp",   "*",      "sh op" };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct task_spec spec = spec_of(names[i], "*");
        struct task task = create_ok(fixture, &spec);
        assert_string_equal(find(fixture, &task.id).task.spec.application, names[i]);
        assert_int_equal(create(fixture, &spec).code, PROBLEM_OVERLAP);
    }
}

static void extending_into_another_task_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec first = spec_of("shop", "GET /a"), second = first;
    struct task task = create_ok(fixture, &first);
    struct told told;

    second.start_wall_ms = tasks_now_wall_ms(fixture->tasks) + 7 * MINUTE;
    second.duration_min = 15;
    create_ok(fixture, &second);
    told = extend(fixture, &task.id);
    assert_int_equal(told.code, PROBLEM_OVERLAP);
    assert_int_equal(find(fixture, &task.id).task.spec.duration_min, 5);
}

/* Numbers ----------------------------------------------------------------------------------- */

static struct told create_nth(struct fixture *fixture, unsigned n, uint64_t start_ms)
{
    char interface[32];
    struct task_spec spec;

    snprintf(interface, sizeof(interface), "GET /%u/", n);
    spec = spec_of("shop", interface);
    spec.start_wall_ms = start_ms;
    return create(fixture, &spec);
}

static void at_most_64_tasks_run_at_one_time(void **state)
{
    struct fixture *fixture = *state;
    uint64_t later_ms = tasks_now_wall_ms(fixture->tasks) + 60 * MINUTE;

    for (unsigned n = 0; n < TASKS_ACTIVE_MAX; n++) {
        assert_int_equal(create_nth(fixture, n, 0).code, PROBLEM_NONE);
    }
    assert_string_equal(create_nth(fixture, 1000, 0).problem.detail,
                        "The application 'shop' has 64 tasks at one time already, which is the "
                        "most.");
    /* At another time, there is room for as many again; one after the other, for more. */
    for (unsigned n = 0; n < TASKS_ACTIVE_MAX; n++) {
        assert_int_equal(create_nth(fixture, n, later_ms + n * MINUTE).code, PROBLEM_NONE);
    }
    assert_int_equal(create_nth(fixture, 1000, later_ms).code, PROBLEM_NONE);
}

static void at_most_1000_tasks_are_not_over(void **state)
{
    struct fixture *fixture = *state;
    uint64_t later_ms = tasks_now_wall_ms(fixture->tasks) + 60 * MINUTE;

    for (unsigned n = 0; n < STORE_LIVE_MAX; n++) {
        assert_int_equal(create_nth(fixture, n, later_ms + n * 20 * MINUTE).code, PROBLEM_NONE);
    }
    assert_string_equal(create_nth(fixture, 1000, 0).problem.detail,
                        "The application 'shop' has 1000 tasks that are not over yet, which is "
                        "the most.");
}

/* Moves ------------------------------------------------------------------------------------- */

static bool has_state(struct fixture *fixture, void *context)
{
    const struct task *wanted = context;

    return fixture->last_change.state == wanted->state &&
           strcmp(fixture->last_change.id.text, wanted->id.text) == 0;
}

/* Waits until somebody was told that the task is in that state; and Redis agrees. */
static struct task wait_state(struct fixture *fixture, const struct task *task,
                              enum task_state state)
{
    struct task wanted = *task;

    wanted.state = state;
    fixture_wait(fixture, has_state, &wanted);
    /* Loaded late, it was told of before Redis was asked to move it. */
    for (unsigned i = 0; i < 1000 && find(fixture, &task->id).task.state != state; i++) {
        event_base_loop(fixture->base, EVLOOP_ONCE);
    }
    return find(fixture, &task->id).task;
}

static size_t polled(struct fixture *fixture, const struct task **ret)
{
    return tasks_for_instance(fixture->tasks, TEXT("shop"), TEXT("host:1"), TEXT("10.0.0.1"), ret,
                              8);
}

static void a_task_expires_when_its_duration_is_over(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "GET /a");
    struct task task = create_ok(fixture, &spec);
    const struct task *told[8];

    assert_int_equal(task.state, TASK_ACTIVE);
    assert_int_equal(task.ends_wall_ms - task.started_wall_ms, 5 * MINUTE);
    assert_int_equal(polled(fixture, told), 1);
    pass_time(fixture, &task, 5 * MINUTE);
    task = wait_state(fixture, &task, TASK_EXPIRED);
    assert_int_equal(task.state, TASK_EXPIRED);
    assert_int_equal(task.ended_wall_ms, task.ends_wall_ms);
    assert_int_equal(polled(fixture, told), 1); /* for ACCEPT_AFTER_END_MS more */
    assert_int_equal(told[0]->state, TASK_EXPIRED);
    create_ok(fixture, &spec); /* and is in nobody's way */
}

static void a_scheduled_task_starts_when_its_time_comes(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "GET /a");
    const struct task *told[8];
    struct task task;

    spec.start_wall_ms = tasks_now_wall_ms(fixture->tasks) + 10 * MINUTE;
    task = create_ok(fixture, &spec);
    assert_int_equal(task.state, TASK_SCHEDULED);
    assert_int_equal(task.started_wall_ms, 0);
    assert_int_equal(task.ends_wall_ms, spec.start_wall_ms + 5 * MINUTE);
    assert_int_equal(polled(fixture, told), 0);
    pass_time(fixture, &task, 10 * MINUTE);
    task = wait_state(fixture, &task, TASK_ACTIVE);
    assert_int_equal(task.state, TASK_ACTIVE);
    assert_int_equal(task.started_wall_ms, task.spec.start_wall_ms);
    assert_int_equal(polled(fixture, told), 1);
}

static void cancel_ends_what_is_not_over_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "GET /a");
    struct task_id unknown = task_id_make(1);
    struct task task = create_ok(fixture, &spec);
    struct told told = cancel(fixture, &task.id);

    assert_int_equal(told.code, PROBLEM_NONE);
    assert_int_equal(told.task.state, TASK_CANCELLED);
    assert_true(told.task.ended_wall_ms >= told.task.started_wall_ms);
    told = cancel(fixture, &task.id);
    assert_int_equal(told.code, PROBLEM_TASK_OVER);
    assert_non_null(strstr(told.problem.detail, "CANCELLED"));
    assert_int_equal(extend(fixture, &task.id).code, PROBLEM_TASK_OVER);
    assert_int_equal(cancel(fixture, &unknown).code, PROBLEM_NO_SUCH_TASK);
    assert_int_equal(extend(fixture, &unknown).code, PROBLEM_NO_SUCH_TASK);

    spec.start_wall_ms = tasks_now_wall_ms(fixture->tasks) + MINUTE;
    task = create_ok(fixture, &spec);
    assert_int_equal(cancel(fixture, &task.id).task.state, TASK_CANCELLED);
}

static void extend_goes_to_the_next_duration_and_no_further(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "GET /a");
    struct task task = create_ok(fixture, &spec);

    for (int64_t minutes = 10; minutes <= 15; minutes += 5) {
        struct told told = extend(fixture, &task.id);
        assert_int_equal(told.code, PROBLEM_NONE);
        assert_int_equal(told.task.spec.duration_min, minutes);
        assert_int_equal(told.task.ends_wall_ms,
                         told.task.started_wall_ms + (uint64_t)minutes * MINUTE);
    }
    assert_int_equal(extend(fixture, &task.id).code, PROBLEM_LONGEST);
}

static void what_is_out_of_its_range_is_refused_before_redis_is_asked(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "GET /a");
    struct told told;

    spec.threshold_ms = THRESHOLD_MS_MIN - 1;
    told = create(fixture, &spec);
    assert_int_equal(told.code, PROBLEM_BAD_FIELD);
    assert_string_equal(told.problem.field, "threshold_ms");
}

/* Versions ---------------------------------------------------------------------------------- */

static void a_version_changes_with_what_polls_may_be_told_and_only_then(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "GET /a");
    char versions[6][32];
    struct task task;
    size_t count = 0;

#define NOTE()                                               \
    snprintf(versions[count++], sizeof(versions[0]), "%.*s", \
             TEXT_ARGS(tasks_version(fixture->tasks, TEXT("shop"))))
    NOTE(); /* 0: nothing */
    task = create_ok(fixture, &spec);
    NOTE(); /* 1: a task */
    extend(fixture, &task.id);
    NOTE(); /* 2: another end */
    spec.start_wall_ms = tasks_now_wall_ms(fixture->tasks) + 60 * MINUTE;
    create_ok(fixture, &spec);
    NOTE(); /* 3: one that polls are not told of yet */
    cancel(fixture, &task.id);
    NOTE(); /* 4: another state */
#undef NOTE
    assert_string_not_equal(versions[0], versions[1]);
    assert_string_not_equal(versions[1], versions[2]);
    assert_string_equal(versions[2], versions[3]);
    assert_string_not_equal(versions[3], versions[4]);
    assert_string_not_equal(versions[0], versions[4]);
}

static bool is_same_version(struct fixture *fixture, void *context)
{
    struct fixture *other = context;

    event_base_loop(other->base, EVLOOP_NONBLOCK);
    return text_is_equal(tasks_version(fixture->tasks, TEXT("shop")),
                         tasks_version(other->tasks, TEXT("shop")));
}

static void another_scheduler_on_the_same_redis_learns_of_every_change(void **state)
{
    struct fixture *fixture = *state, *other = fixture_join(fixture);
    struct task_spec spec = spec_of("shop", "GET /a");
    struct task task = create_ok(fixture, &spec);
    const struct task *told[8];

    fixture_wait(fixture, is_same_version, other);
    assert_int_equal(polled(other, told), 1);
    assert_int_equal(cancel(other, &task.id).code, PROBLEM_NONE);
    fixture_wait(fixture, is_same_version, other);
    assert_int_equal(polled(fixture, told), 1);
    assert_int_equal(told[0]->state, TASK_CANCELLED);
    assert_int_equal(create(other, &spec).code, PROBLEM_NONE);
    fixture_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        CASE(tasks_overlap_if_one_name_at_one_time_could_match_both),
        CASE(other_applications_are_never_in_the_way),
        CASE(extending_into_another_task_is_refused),
        CASE(at_most_64_tasks_run_at_one_time),
        CASE(at_most_1000_tasks_are_not_over),
        CASE(a_task_expires_when_its_duration_is_over),
        CASE(a_scheduled_task_starts_when_its_time_comes),
        CASE(cancel_ends_what_is_not_over_and_nothing_else),
        CASE(extend_goes_to_the_next_duration_and_no_further),
        CASE(what_is_out_of_its_range_is_refused_before_redis_is_asked),
        CASE(a_version_changes_with_what_polls_may_be_told_and_only_then),
        CASE(another_scheduler_on_the_same_redis_learns_of_every_change),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
