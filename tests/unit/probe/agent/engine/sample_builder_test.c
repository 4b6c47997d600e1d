/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/sample_builder.h"

#include "common/base/clock.h"
#include "common/model/problem.h"
#include "probe/agent/unwind/modules.h"
#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

#define MS NS_PER_MS

static const struct modules no_modules;

static void builder_make(struct sample_builder *builder)
{
    struct sample *sample = sample_new();

    assert_non_null(sample);
    sample->frequency_ns = 10 * MS;
    builder_init(builder, sample, 1000 * MS);
}

static uint32_t stack_make(struct sample_builder *builder, uint64_t pc)
{
    static struct walk walk;
    uint32_t stack;

    walk.count = 1;
    walk.is_complete = true;
    walk.frames[0] = (struct walk_frame){ pc, 0 };
    assert_int_equal(builder_stack(builder, &walk, &no_modules, &stack), 0);
    return stack;
}

static void add(struct sample_builder *builder, uint64_t at_ms, uint64_t cpu_ms, uint64_t queue_ms)
{
    struct look look = { .at_ns = (1000 + at_ms) * MS,
                         .cpu_ns = cpu_ms * MS,
                         .queue_ns = queue_ms * MS,
                         .syscall = SYSCALL_NONE,
                         .stack = stack_make(builder, at_ms + 1) };

    assert_int_equal(builder_add(builder, &look), 0);
}

/* Checks the whole, and that the weights add up; returns their sums. */
static struct weight check_sample(const struct sample *sample)
{
    struct problem problem = { 0 };
    struct weight sum = { 0 };

    if (sample_check(sample, &problem) != 0) fail_msg("%s", problem.detail);
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        struct weight weight = sample_weight(sample, i);

        assert_int_equal(weight.cpu_ns + weight.queue_ns + weight.wait_ns, weight.weight_ns);
        sum.weight_ns += weight.weight_ns;
        sum.cpu_ns += weight.cpu_ns;
        sum.queue_ns += weight.queue_ns;
        sum.wait_ns += weight.wait_ns;
    }
    assert_int_equal(sum.weight_ns, sample->listened_ns);
    return sum;
}

static void times_add_up_and_split(void **state)
{
    struct sample_builder builder;
    struct sample *sample;
    struct weight sum;

    (void)state;
    builder_make(&builder);
    add(&builder, 100, 0, 0);
    add(&builder, 110, 10, 0);
    add(&builder, 120, 15, 3);
    add(&builder, 130, 15, 0);
    sample = builder_end(&builder, &(struct call_end){ .ended_ns = 1145 * MS,
                                                       .cpu_ns = 20 * MS,
                                                       .queue_ns = 4 * MS,
                                                       .response_code = 503 });
    assert_non_null(sample);
    assert_int_equal(sample->elapsed_ns, 145 * MS);
    assert_int_equal(sample->listened_ns, 45 * MS);
    assert_int_equal(sample->response_code, 503);
    assert_int_equal(sample->revision, 1);
    sum = check_sample(sample);
    assert_int_equal(sum.cpu_ns, 20 * MS);
    assert_int_equal(sum.queue_ns, 7 * MS);
    assert_int_equal(sum.wait_ns, 18 * MS);
    sample_free(sample);
}

/* 34 ms in the queue come to light at one look; the looks before have found the thread
 * unchanged. */
static void a_long_spell_in_the_queue_is_given_to_the_looks_it_spans(void **state)
{
    struct sample_builder builder;
    struct sample *sample;
    struct weight sum;

    (void)state;
    builder_make(&builder);
    add(&builder, 100, 0, 0);
    add(&builder, 110, 10, 0);
    add(&builder, 120, 14, 0);
    add(&builder, 130, 14, 0);
    add(&builder, 140, 14, 0);
    add(&builder, 150, 16, 34);
    sample = builder_end(&builder, &(struct call_end){ .ended_ns = 1150 * MS, .cpu_ns = 16 * MS });
    sum = check_sample(sample);
    assert_int_equal(sum.queue_ns, 34 * MS);
    assert_int_equal(sum.wait_ns, 0);
    assert_int_equal(sample_weight(sample, 4).queue_ns, 8 * MS);
    assert_int_equal(sample_weight(sample, 3).queue_ns, 10 * MS);
    assert_int_equal(sample_weight(sample, 2).queue_ns, 10 * MS);
    assert_int_equal(sample_weight(sample, 1).queue_ns, 6 * MS);
    assert_int_equal(sample_weight(sample, 0).queue_ns, 0);
    sample_free(sample);
}

static void a_look_that_is_not_later_is_refused(void **state)
{
    struct sample_builder builder;
    struct look look = { .at_ns = 1100 * MS, .syscall = SYSCALL_NONE };

    (void)state;
    builder_make(&builder);
    look.stack = stack_make(&builder, 5);
    assert_int_equal(builder_add(&builder, &look), 0);
    assert_int_equal(builder_add(&builder, &look), -EALREADY);
    look.at_ns--;
    assert_int_equal(builder_add(&builder, &look), -EALREADY);
    builder_done(&builder);
}

static void a_call_of_any_length_fits(void **state)
{
    struct sample_builder builder;
    struct sample *sample;
    struct weight sum;
    uint64_t at_ms = 100, looks = 0;

    (void)state;
    builder_make(&builder);
    while (at_ms < 3600 * 1000) {
        add(&builder, at_ms, at_ms / 2, 0);
        looks++;
        at_ms += builder.sample->interval_ns / MS;
    }
    assert_true(looks > SNAPSHOTS_MAX);
    sample = builder_end(
        &builder, &(struct call_end){ .ended_ns = (1000 + at_ms) * MS, .cpu_ns = at_ms / 2 * MS });
    sum = check_sample(sample);
    assert_true(sample->snapshot_count < SNAPSHOTS_MAX);
    assert_true(sample->stacks.stack_count <= 2 * sample->snapshot_count + SNAPSHOTS_MAX / 2);
    assert_int_equal(sample->merged_count + sample->snapshot_count, looks);
    assert_in_range(sum.cpu_ns, (at_ms / 2 - 51) * MS, at_ms / 2 * MS);
    assert_int_equal(sample->interval_ns % (10 * MS), 0);
    sample_free(sample);
}

static void a_report_of_a_running_call_is_a_copy(void **state)
{
    struct sample_builder builder;
    struct sample *report, *sample;

    (void)state;
    builder_make(&builder);
    assert_null(builder_report(&builder, 1100 * MS, 0)); /* nothing to say yet */
    add(&builder, 100, 0, 0);
    add(&builder, 110, 5, 0);
    report = builder_report(&builder, 1120 * MS, 8 * MS);
    assert_true(report->running);
    assert_int_equal(report->revision, 1);
    assert_int_equal(check_sample(report).cpu_ns, 8 * MS);
    add(&builder, 130, 20, 0);
    sample = builder_end(&builder, &(struct call_end){ .ended_ns = 1140 * MS, .cpu_ns = 25 * MS });
    assert_false(sample->running);
    assert_int_equal(sample->revision, 2);
    assert_int_equal(report->snapshot_count, 2);
    assert_int_equal(check_sample(sample).cpu_ns, 25 * MS);
    sample_free(report);
    sample_free(sample);
}

static void a_sample_without_a_snapshot_is_none(void **state)
{
    struct sample_builder builder;

    (void)state;
    builder_make(&builder);
    assert_null(builder_end(&builder, &(struct call_end){ .ended_ns = 1200 * MS }));
    builder_done(&builder);
}

static void a_deep_stack_loses_its_middle_and_says_so(void **state)
{
    static struct walk walk;
    struct sample_builder builder;
    const struct stack_table *table;
    const struct frame *marker;
    uint32_t stack;

    (void)state;
    builder_make(&builder);
    walk.count = 2000;
    for (uint32_t i = 0; i < walk.count; i++) {
        walk.frames[i] = (struct walk_frame){ 10 + i, 0 };
    }
    for (int is_complete = 0; is_complete < 2; is_complete++) {
        uint32_t kept, last;

        walk.is_complete = is_complete;
        assert_int_equal(builder_stack(&builder, &walk, &no_modules, &stack), 0);
        table = &builder.sample->stacks;
        assert_int_equal(table->stacks[stack].count, STACK_FRAMES_MAX + 1);
        kept = is_complete ? STACK_FRAMES_MAX : STACK_FRAMES_MAX - 1;
        marker =
            &table->frames[table->stack_frames[table->stacks[stack].first + STACK_FRAMES_MAX / 2]];
        assert_int_equal(marker->kind, FRAME_MARKER);
        assert_int_equal(marker->count, 2000 - kept);
        last = table->stack_frames[table->stacks[stack].first + STACK_FRAMES_MAX];
        if (is_complete) {
            assert_int_equal(table->frames[last].offset, 10 + 1999);
        } else {
            assert_true(text_is_equal(stack_table_text(table, table->frames[last].function),
                                      TEXT(MARKER_CUT)));
        }
    }
    builder_done(&builder);
}

/* Every snapshot waits for a lock; the owner of an odd one is another than that of an even one. */
static void thinning_keeps_the_owners_that_are_left(void **state)
{
    struct sample_builder builder;
    const struct sample *sample;

    (void)state;
    builder_make(&builder);
    for (uint32_t i = 0; i < SNAPSHOTS_MAX; i++) {
        struct look look = { .at_ns = (1000 + i) * MS,
                             .syscall = 202,
                             .wait = WAIT_LOCK,
                             .stack = stack_make(&builder, i + 1) };
        struct lock_owner owner = { .thread_id = 1 + i % 2 };

        owner.stack = 1 + stack_make(&builder, 1000000 + i % 2);
        if (i == SNAPSHOTS_MAX - 1) assert_int_equal(builder.sample->owner_count, 2);
        assert_int_equal(builder_add(&builder, &look), 0);
        if (builder.thinned_count == 0)
            assert_int_equal(
                sample_add_owner(builder.sample, &owner, &builder.sample->snapshots[i].owner), 0);
    }
    sample = builder.sample;
    assert_int_equal(sample->snapshot_count, SNAPSHOTS_MAX / 2);
    assert_int_equal(sample->owner_count, 1);
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct lock_owner *owner = sample_owner(sample, i);
        const struct stack *stack = &sample->stacks.stacks[owner->stack - 1];

        assert_int_equal(owner->thread_id, 1);
        assert_int_equal(sample->stacks.frames[sample->stacks.stack_frames[stack->first]].offset,
                         1000000);
    }
    builder_done(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_add_up_and_split),
        cmocka_unit_test(a_long_spell_in_the_queue_is_given_to_the_looks_it_spans),
        cmocka_unit_test(a_look_that_is_not_later_is_refused),
        cmocka_unit_test(a_call_of_any_length_fits),
        cmocka_unit_test(a_report_of_a_running_call_is_a_copy),
        cmocka_unit_test(a_sample_without_a_snapshot_is_none),
        cmocka_unit_test(a_deep_stack_loses_its_middle_and_says_so),
        cmocka_unit_test(thinning_keeps_the_owners_that_are_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
