/* SPDX-License-Identifier: Apache-2.0 */
/* What reporter.c does with samples that are too many, too large, or wrong. What it sends is seen
 * in tests/integration/probe, by the other end. */
#include "probe/agent/link/reporter.h"

#include "probe/agent/engine/sampler.h"
#include "probe/agent/link/settings.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TASK "0123456789abcdef0123"

static struct {
    uint32_t count;
    struct settlement latest;
} settled;

static void settle(const struct settlement *settlement)
{
    settled.count++;
    settled.latest = *settlement;
}

static struct settings settings = { .application = "shop", .instance = "host:1" };

static int setup(void **state)
{
    memset(&settled, 0, sizeof settled);
    *state = reporter_new(
        &(struct reporter_options){ .settings = &settings, .incarnation = 7, .settle = settle });
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    reporter_free(*state);
    return 0;
}

/* A sample whose snapshots each have a stack of `depth` frames, of its own if `is_varied`. */
static struct sample *make_sample(uint32_t number, uint32_t snapshots, uint32_t depth,
                                  bool is_varied)
{
    struct sample *sample = sample_new();
    uint32_t module, frames[STACK_FRAMES_MAX];

    assert_non_null(sample);
    snprintf(sample->id.text, sizeof sample->id.text, "%032x", number + 1);
    snprintf(sample->trace.text, sizeof sample->trace.text, "%032x", number + 1);
    snprintf(sample->task.text, sizeof sample->task.text, "%s", TASK);
    snprintf(sample->interface, sizeof sample->interface, "GET /slow");
    sample->revision = 1;
    sample->began_wall_ns = 1;
    sample->threshold_ns = 50000000;
    sample->frequency_ns = sample->interval_ns = 10000000;
    assert_int_equal(
        stack_table_module(&sample->stacks, TEXT("/nowhere"), (struct text){ 0 }, &module), 0);
    sample->snapshots = calloc(snapshots, sizeof *sample->snapshots);
    sample->snapshot_count = snapshots;
    for (uint32_t i = 0; i < snapshots; i++) {
        for (uint32_t j = 0; j < depth; j++) {
            struct frame frame = { .kind = FRAME_NATIVE, .module = module };

            frame.offset = 4096 + (is_varied ? (i * 7919u + j * 104729u) % 60000 : j);
            assert_int_equal(stack_table_frame(&sample->stacks, &frame, &frames[j]), 0);
        }
        sample->snapshots[i] =
            (struct snapshot){ .offset_ns = (i + 5) * 10000000ull, .syscall = SYSCALL_NONE };
        assert_int_equal(
            stack_table_stack(&sample->stacks, frames, depth, &sample->snapshots[i].stack), 0);
    }
    sample->elapsed_ns = (snapshots + 5) * 10000000ull;
    sample->listened_ns = sample->elapsed_ns - sample->snapshots[0].offset_ns;
    return sample;
}

static void what_does_not_fit_the_queue_is_settled_as_such(void **state)
{
    uint32_t taken = 0;

    while (settled.count == 0) {
        if (reporter_add(*state, make_sample(taken, SNAPSHOTS_MAX, 4, false))) taken++;
        assert_true(taken < 1000);
    }
    assert_true(taken > 1);
    assert_true(reporter_size(*state) <= REPORTS_QUEUED_SIZE_MAX);
    assert_int_equal(settled.latest.drop, CALL_DROP_QUEUE_FULL);
    assert_int_equal(settled.latest.outcome, 0);
    assert_int_equal(settled.latest.revision, 1);
}

static void room_comes_back_when_samples_become_reports(void **state)
{
    struct task_id thinned;
    uint32_t taken = 0;

    for (int round = 0; round < 5; round++) {
        settled.count = 0;
        while (settled.count == 0) {
            if (reporter_add(*state, make_sample(taken, SNAPSHOTS_MAX, 4, false))) taken++;
        }
        assert_int_equal(reporter_encode(*state, "192.0.2.7", &thinned), 0);
    }
    assert_true(taken > 20);
}

static void a_sample_that_makes_too_large_a_report_is_thinned(void **state)
{
    struct task_id thinned = { "" };

    assert_true(reporter_add(*state, make_sample(1, SNAPSHOTS_MAX, 250, true)));
    assert_int_equal(reporter_encode(*state, "192.0.2.7", &thinned), 1);
    assert_string_equal(thinned.text, TASK);
    assert_int_equal(settled.count, 0);
}

static void a_sample_that_cannot_be_encoded_is_settled_as_such(void **state)
{
    struct sample *sample = make_sample(1, 3, 4, false);
    struct task_id thinned;

    snprintf(sample->id.text, sizeof sample->id.text, "not an id");
    assert_true(reporter_add(*state, sample));
    reporter_encode(*state, "192.0.2.7", &thinned);
    assert_int_equal(settled.count, 1);
    assert_int_equal(settled.latest.drop, CALL_DROP_ENCODING);
}

static void what_waits_is_freed_with_it(void **state)
{
    struct task_id thinned;

    assert_true(reporter_add(*state, make_sample(1, 3, 4, false)));
    reporter_encode(*state, "192.0.2.7", &thinned);
    assert_true(reporter_add(*state, make_sample(2, 3, 4, false)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_does_not_fit_the_queue_is_settled_as_such, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(room_comes_back_when_samples_become_reports, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_sample_that_makes_too_large_a_report_is_thinned, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_sample_that_cannot_be_encoded_is_settled_as_such, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_waits_is_freed_with_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
