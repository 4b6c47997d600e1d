/* SPDX-License-Identifier: Apache-2.0 */
/* Samples as they are looked up: of a task in pages, of a trace, and all of a task at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/scheduler/store/store_fixture.h"
#include "tests/support/test.h"

struct answer {
    bool done;
    enum problem_code code;
    struct sample_summary *summaries;
    size_t count;
    char next[CURSOR_SIZE_MAX + 1];
};

static void answer_done(struct answer *answer)
{
    free(answer->summaries);
    *answer = (struct answer){ 0 };
}

static void answer_end(struct answer *answer, const struct problem *problem)
{
    if (answer->done) fail_msg("a callback came twice");
    answer->done = true;
    answer->code = problem ? problem->code : PROBLEM_NONE;
}

static bool is_done(struct fixture *fixture, void *context)
{
    (void)fixture;
    return ((struct answer *)context)->done;
}

static struct task new_task(struct fixture *fixture)
{
    struct task_spec spec = spec_of("shop", "GET /a");

    return create_ok(fixture, &spec);
}

static void on_samples(void *context, const struct history_samples *page,
                       const struct problem *problem)
{
    struct answer *answer = context;

    answer_end(answer, problem);
    if (problem) return;
    answer->count = page->count;
    answer->summaries = mem_zalloc(page->count + 1, sizeof(*answer->summaries));
    if (page->count) {
        memcpy(answer->summaries, page->samples, page->count * sizeof(*answer->summaries));
    }
    memcpy(answer->next, page->next, sizeof(answer->next));
}

static void samples_come_in_pages_in_the_order_in_which_they_came(void **state)
{
    enum { COUNT = 11 };
    struct fixture *fixture = *state;
    struct task_spec spec = spec_of("shop", "GET /a");
    struct sample *samples[COUNT];
    struct answer page = { 0 };
    char cursor[CURSOR_SIZE_MAX + 1] = "";
    struct task task;
    size_t at = 0;

    spec.sample_cap = 100;
    task = create_ok(fixture, &spec);
    for (size_t i = 0; i < COUNT; i++) {
        samples[i] = sample_of(&task);
        assert_int_equal(report(fixture, samples[i]).outcome, REPORT_ACCEPTED);
    }
    samples[2]->revision = 2; /* keeps its place */
    assert_int_equal(report(fixture, samples[2]).outcome, REPORT_REPLACED);
    do {
        answer_done(&page);
        history_samples(fixture->history, &task.id, text_of(cursor), 4, on_samples, &page);
        fixture_wait(fixture, is_done, &page);
        for (size_t i = 0; i < page.count; i++, at++) {
            const struct sample_summary *it = &page.summaries[i];
            assert_string_equal(it->id.text, samples[at]->id.text);
            assert_string_equal(it->thread_name, samples[at]->thread_name);
            assert_int_equal(it->response_code, samples[at]->response_code);
            assert_int_equal(it->running_ns + it->queued_ns + it->waiting_ns, it->listened_ns);
        }
        memcpy(cursor, page.next, sizeof(cursor));
    } while (cursor[0]);
    assert_int_equal(at, COUNT);
    answer_done(&page);
    for (size_t i = 0; i < COUNT; i++) {
        sample_free(samples[i]);
    }
}

static void a_trace_finds_its_samples_of_all_applications(void **state)
{
    struct fixture *fixture = *state;
    struct task_spec here = spec_of("shop", "GET /a"), there = spec_of("stock", "GET /b");
    struct task first = create_ok(fixture, &here), second = create_ok(fixture, &there);
    OWN(sample_freep) struct sample *a = sample_of(&first);
    OWN(sample_freep) struct sample *b = sample_of(&second);
    struct trace_id unknown = trace_id_make();
    struct answer trace = { 0 };

    b->trace = a->trace;
    assert_int_equal(report(fixture, a).outcome, REPORT_ACCEPTED);
    assert_int_equal(report(fixture, b).outcome, REPORT_ACCEPTED);
    history_trace(fixture->history, &a->trace, on_samples, &trace);
    fixture_wait(fixture, is_done, &trace);
    assert_int_equal(trace.count, 2);
    assert_string_not_equal(trace.summaries[0].application, trace.summaries[1].application);
    assert_true(trace.summaries[0].at_wall_ms <= trace.summaries[1].at_wall_ms);
    answer_done(&trace);
    history_trace(fixture->history, &unknown, on_samples, &trace);
    fixture_wait(fixture, is_done, &trace);
    assert_int_equal(trace.code, PROBLEM_NO_SUCH_TRACE);
    answer_done(&trace);
}

static void on_whole(void *context, struct sample **samples, size_t count,
                     const struct problem *problem)
{
    struct answer *answer = context;

    answer_end(answer, problem);
    answer->count = count;
    for (size_t i = 0; i < count; i++) {
        struct problem wrong;
        if (sample_check(samples[i], &wrong) < 0) fail_msg("%s", wrong.detail);
    }
    if (count) sample_free(sample_take(&samples[0])); /* one may be taken over */
}

static void a_whole_task_is_all_its_samples_with_their_stacks(void **state)
{
    enum { COUNT = 5 };
    struct fixture *fixture = *state;
    struct task task = new_task(fixture);
    struct task_id unknown = task_id_make(1);
    struct answer whole = { 0 };

    for (size_t i = 0; i < COUNT; i++) {
        OWN(sample_freep) struct sample *sample = sample_of(&task);
        assert_int_equal(report(fixture, sample).outcome, REPORT_ACCEPTED);
    }
    history_whole_task(fixture->history, &task.id, on_whole, &whole);
    fixture_wait(fixture, is_done, &whole);
    assert_int_equal(whole.count, COUNT);
    whole = (struct answer){ 0 };
    history_whole_task(fixture->history, &unknown, on_whole, &whole);
    fixture_wait(fixture, is_done, &whole);
    assert_int_equal(whole.code, PROBLEM_NO_SUCH_TASK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        CASE(samples_come_in_pages_in_the_order_in_which_they_came),
        CASE(a_trace_finds_its_samples_of_all_applications),
        CASE(a_whole_task_is_all_its_samples_with_their_stacks),
#undef CASE
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
