/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/task/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

static struct task task_of(const char *application, uint64_t created_ms)
{
    struct task task = { .state = TASK_ACTIVE,
                         .created_wall_ms = created_ms,
                         .started_wall_ms = created_ms,
                         .ends_wall_ms = created_ms + 300000 };

    task.id = task_id_make(created_ms);
    snprintf(task.spec.application, sizeof(task.spec.application), "%s", application);
    return task;
}

static void what_was_put_is_found_in_any_order(void **state)
{
    enum { COUNT = 200 };
    struct cache cache = { 0 };
    struct task tasks[COUNT];
    bool changed;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof(name), "app-%zu", i * 37 % 11);
        tasks[i] = task_of(name, 1000 + i * 7919 % COUNT);
        cache_task_put(&cache, &tasks[i], &changed);
        assert_true(changed);
    }
    assert_int_equal(cache.application_count, 11);
    for (size_t i = 0; i < COUNT; i++) {
        struct cached_task *found = cache_task_find(&cache, &tasks[i].id);
        assert_non_null(found);
        assert_string_equal(found->application->name, tasks[i].spec.application);
        cache_task_put(&cache, &tasks[i], &changed);
        assert_false(changed);
    }
    for (size_t i = 0; i < COUNT; i += 2) {
        cache_task_drop(cache_task_find(&cache, &tasks[i].id));
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(cache_task_find(&cache, &tasks[i].id) != NULL, i % 2);
    }
    cache_done(&cache);
}

/* Reports are answered by several connections, in no order among them. */
static void an_older_answer_is_known_by_what_it_says(void **state)
{
    struct cache cache = { 0 };
    struct task task = task_of("shop", 1000), said;
    struct cached_task *cached;
    bool changed;

    (void)state;
    task.sample_count = 9;
    cached = cache_task_put(&cache, &task, &changed);
    said = task;
    assert_false(cache_task_has_overtaken(cached, &said));
    said.sample_count = 8;
    assert_true(cache_task_has_overtaken(cached, &said));
    said.state = TASK_CANCELLED; /* what is over is never older than what is not */
    assert_false(cache_task_has_overtaken(cached, &said));

    task.state = TASK_FILLED;
    task.sample_count = 10;
    cached = cache_task_put(&cache, &task, &changed);
    said.state = TASK_ACTIVE;
    said.sample_count = 10;
    assert_true(cache_task_has_overtaken(cached, &said));
    cached->is_ahead = true; /* it was us who ended it, and it has been extended meanwhile */
    assert_false(cache_task_has_overtaken(cached, &said));
    cache_done(&cache);
}

static void time_moves_a_task_as_far_as_it_goes(void **state)
{
    static const struct {
        const char *says;
        enum task_state from, to;
        uint64_t now_ms;
    } cases[] = {
        { "before its start", TASK_SCHEDULED, TASK_SCHEDULED, 999 },
        { "at its start", TASK_SCHEDULED, TASK_ACTIVE, 1000 },
        { "just before its end", TASK_ACTIVE, TASK_ACTIVE, 1999 },
        { "at its end", TASK_ACTIVE, TASK_EXPIRED, 2000 },
        { "through all of it", TASK_SCHEDULED, TASK_EXPIRED, 5000 },
        { "filled stays filled", TASK_FILLED, TASK_FILLED, 5000 },
        { "cancelled stays cancelled", TASK_CANCELLED, TASK_CANCELLED, 5000 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct task task = { .state = cases[i].from, .ends_wall_ms = 2000 };
        task.spec.start_wall_ms = 1000;
        assert_int_equal(task_is_due(&task, cases[i].now_ms), cases[i].from != cases[i].to);
        assert_int_equal(task_advance(&task, cases[i].now_ms), cases[i].from != cases[i].to);
        if (task.state != cases[i].to) fail_msg("%s", cases[i].says);
        if (task.state == TASK_EXPIRED) assert_int_equal(task.ended_wall_ms, 2000);
    }
}

static void ended_tasks_are_visible_for_120_s(void **state)
{
    struct task task = { .state = TASK_EXPIRED, .ended_wall_ms = 1000 };

    (void)state;
    assert_true(task_is_visible(&task, 1000 + ACCEPT_AFTER_END_MS - 1));
    assert_false(task_is_visible(&task, 1000 + ACCEPT_AFTER_END_MS));
    task.state = TASK_SCHEDULED;
    assert_false(task_is_visible(&task, 1000));
    task.state = TASK_ACTIVE;
    assert_true(task_is_visible(&task, UINT64_MAX));
}

static void a_version_is_that_of_what_is_visible(void **state)
{
    struct cache cache = { 0 };
    struct task task = task_of("shop", 1000);
    struct cached_application *shop = cache_application_open(&cache, TEXT("shop"));
    char first[TASKS_VERSION_SIZE + 1];
    bool changed;

    (void)state;
    assert_true(text_is_equal(cache_version(shop, 1000), cache_version_empty()));
    cache_task_put(&cache, &task, &changed);
    assert_false(text_is_equal(cache_version(shop, 1000), cache_version_empty()));
    snprintf(first, sizeof(first), "%s", shop->version);

    task.sample_count = 1; /* polls are not told of that */
    cache_task_put(&cache, &task, &changed);
    assert_true(changed);
    assert_true(text_is_equal(cache_version(shop, 1000), text_of(first)));

    task.state = TASK_EXPIRED;
    task.ended_wall_ms = 2000;
    cache_task_put(&cache, &task, &changed);
    assert_false(text_is_equal(cache_version(shop, 2000), text_of(first)));
    assert_true(
        text_is_equal(cache_version(shop, 2000 + ACCEPT_AFTER_END_MS), cache_version_empty()));
    cache_done(&cache);
}

static void an_incarnation_is_told_once(void **state)
{
    struct cache cache = { 0 };
    struct task task = task_of("shop", 1000);
    struct cached_task *cached;
    bool changed;

    (void)state;
    cached = cache_task_put(&cache, &task, &changed);
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_true(cache_task_tell(cached, i * UINT64_C(0x9e3779b97f4a7c15)));
    }
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_false(cache_task_tell(cached, i * UINT64_C(0x9e3779b97f4a7c15)));
    }
    cache_task_untell(cached, UINT64_C(0x9e3779b97f4a7c15));
    cache_task_untell(cached, 12345); /* never told */
    assert_true(cache_task_tell(cached, UINT64_C(0x9e3779b97f4a7c15)));
    cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_in_any_order),
        cmocka_unit_test(an_older_answer_is_known_by_what_it_says),
        cmocka_unit_test(time_moves_a_task_as_far_as_it_goes),
        cmocka_unit_test(ended_tasks_are_visible_for_120_s),
        cmocka_unit_test(a_version_is_that_of_what_is_visible),
        cmocka_unit_test(an_incarnation_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
