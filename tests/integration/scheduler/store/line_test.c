/* SPDX-License-Identifier: Apache-2.0 */
/* The line through task, store, embedded Redis and history: what is created, reported and read
 * back is what was put in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/report.h"
#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

struct line {
    struct told told;
    size_t count;
    struct buf body; /* of the sample that was read back, encoded again */
};

static bool is_done(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct line *)context)->told.done;
}

static void on_tasks(void *context, const struct history_tasks *page, const struct problem *problem)
{
    struct line *line = context;

    assert_null(problem);
    line->count = page->count;
    if (page->count) line->told.task = page->tasks[0];
    line->told.done = true;
}

static void on_sample(void *context, const struct sample_summary *summary, struct sample **sample,
                      const struct problem *problem)
{
    struct line *line = context;

    if (problem) fail_msg("%s", problem->detail);
    assert_string_equal(summary->id.text, (*sample)->id.text);
    assert_int_equal(report_encode(*sample, &line->body), 0);
    line->told.done = true;
}

static void a_sample_is_read_back_as_it_was_reported(void **state)
{
    struct fixture *fixture = fixture_new("appendonly yes\nappendfsync always\n");
    struct task_spec spec = spec_of("shop", "POST /checkout");
    struct line line = { .body = BUF_INIT(REPORT_SIZE_MAX) };
    OWN(buf_done) struct buf sent = BUF_INIT(REPORT_SIZE_MAX);
    struct task task;
    OWN(sample_freep) struct sample *sample = NULL;

    (void)state;
    task = create_ok(fixture, &spec);
    assert_int_equal(task.state, TASK_ACTIVE);
    assert_int_equal(find(fixture, &task.id).task.spec.threshold_ms, 100);

    history_tasks(fixture->history, &(struct history_query){ .state = TASK_ACTIVE, .limit = 10 },
                  on_tasks, &line);
    fixture_wait(fixture, is_done, &line);
    assert_int_equal(line.count, 1);
    assert_string_equal(line.told.task.id.text, task.id.text);

    sample = sample_of(&task);
    assert_int_equal(report(fixture, sample).outcome, REPORT_ACCEPTED);
    line.told.done = false;
    history_sample(fixture->history, &sample->id, on_sample, &line);
    fixture_wait(fixture, is_done, &line);
    assert_int_equal(report_encode(sample, &sent), 0);
    assert_int_equal(line.body.size, sent.size);
    assert_memory_equal(line.body.data, sent.data, sent.size);
    buf_done(&line.body);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_is_read_back_as_it_was_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
