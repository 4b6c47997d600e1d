/* SPDX-License-Identifier: Apache-2.0 */
#include "common/model/sample.h"

#include "common/base/clock.h"
#include "common/model/problem.h"
#include "tests/support/test.h"
#include "tests/unit/common/support/random_sample.h"

#include <errno.h>
#include <string.h>

static struct sample *made(uint64_t seed, uint32_t snapshot_count)
{
    return random_sample(&(struct random_source){ seed }, snapshot_count);
}

struct sums {
    uint64_t weight_ns, told_cpu_ns, told_queue_ns;
};

static struct sums sums_of(const struct sample *sample)
{
    struct sums sums = { 0, sample->end_cpu_ns, sample->end_queue_ns };

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        struct weight weight = sample_weight(sample, i);

        assert_int_equal(weight.cpu_ns + weight.queue_ns + weight.wait_ns, weight.weight_ns);
        sums.weight_ns += weight.weight_ns;
        sums.told_cpu_ns += sample->snapshots[i].cpu_ns;
        sums.told_queue_ns += sample->snapshots[i].queue_ns;
    }
    return sums;
}

static void weights_add_up_to_what_was_listened_to(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        OWN(sample_freep) struct sample *sample = made(seed, 1 + (uint32_t)seed);

        assert_int_equal(sums_of(sample).weight_ns, sample->listened_ns);
    }
}

static void thinning_keeps_every_sum(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        OWN(sample_freep) struct sample *sample = made(seed, 1 + (uint32_t)(seed * 3 % 97));
        struct sums before = sums_of(sample);
        uint32_t all_count = sample->snapshot_count + sample->merged_count;

        for (;;) {
            uint32_t count = sample->snapshot_count;
            uint64_t interval_ns = sample->interval_ns;
            struct problem problem = { 0 };
            struct sums after;

            if (sample_thin(sample) == 0) break;
            after = sums_of(sample);
            assert_memory_equal(&before, &after, sizeof before);
            assert_int_equal(sample->snapshot_count, (count + 1) / 2);
            assert_int_equal(sample->interval_ns, 2 * interval_ns);
            assert_int_equal(sample->snapshot_count + sample->merged_count, all_count);
            if (sample_check(sample, &problem) < 0) fail_msg("%s", problem.detail);
        }
        assert_int_equal(sample->snapshot_count, 1);
    }
}

static void thinning_merges_into_the_next_and_the_end(void **state)
{
    OWN(sample_freep) struct sample *sample = made(1, 4);

    (void)state;
    for (uint32_t i = 1; i < 4; i++) {
        sample->snapshots[i].cpu_ns = i;
        sample->snapshots[i].queue_ns = 10 * i;
    }
    sample->end_cpu_ns = 100;
    sample->end_queue_ns = 1000;
    assert_int_equal(sample_thin(sample), 2);
    assert_int_equal(sample->snapshots[1].cpu_ns, 1 + 2);
    assert_int_equal(sample->snapshots[1].queue_ns, 10 + 20);
    assert_int_equal(sample->end_cpu_ns, 100 + 3);
    assert_int_equal(sample->end_queue_ns, 1000 + 30);
}

/* What the clocks say beyond the weight is cut, CPU first in line. */
static void a_weight_splits_and_never_overflows(void **state)
{
    static const struct {
        uint64_t cpu_ns, queue_ns, want_cpu_ns, want_queue_ns, want_wait_ns;
    } cases[] = {
        { 0, 0, 0, 0, 100 },          { 30, 20, 30, 20, 50 }, { 100, 0, 100, 0, 0 },
        { 60, 60, 60, 40, 0 },        { 101, 5, 100, 0, 0 },  { UINT64_MAX, UINT64_MAX, 100, 0, 0 },
        { 0, UINT64_MAX, 0, 100, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct snapshot snapshots[2] = {
            { .offset_ns = 1000 },
            { .offset_ns = 1100, .cpu_ns = cases[i].cpu_ns, .queue_ns = cases[i].queue_ns },
        };
        struct sample sample = { .snapshots = snapshots, .snapshot_count = 2, .elapsed_ns = 1200 };
        struct weight inner = sample_weight(&sample, 0), last;

        sample.end_cpu_ns = cases[i].cpu_ns;
        sample.end_queue_ns = cases[i].queue_ns;
        last = sample_weight(&sample, 1);
        assert_memory_equal(&inner, &last, sizeof inner);
        assert_int_equal(inner.weight_ns, 100);
        assert_int_equal(inner.cpu_ns, cases[i].want_cpu_ns);
        assert_int_equal(inner.queue_ns, cases[i].want_queue_ns);
        assert_int_equal(inner.wait_ns, cases[i].want_wait_ns);
    }
}

/* clang-format off */
#define SPOILS(name) static void name(struct sample *s)
SPOILS(none_left)      { s->snapshot_count = 0; }
SPOILS(too_many)       { s->snapshot_count = SNAPSHOTS_MAX + 1; }
SPOILS(same_moment)    { s->snapshots[2].offset_ns = s->snapshots[1].offset_ns; }
SPOILS(backwards)      { s->snapshots[2].offset_ns = 1; }
SPOILS(past_the_end)   { s->snapshots[4].offset_ns = s->elapsed_ns + 1; }
SPOILS(cpu_before)     { s->snapshots[0].cpu_ns = 1; }
SPOILS(queue_before)   { s->snapshots[0].queue_ns = 1; }
SPOILS(no_stack)       { s->snapshots[1].stack = s->stacks.stack_count; }
SPOILS(syscall_below)  { s->snapshots[1].syscall = -2; }
SPOILS(wait_above)     { s->snapshots[1].wait = WAIT_KIND_COUNT; }
SPOILS(no_string)      { s->snapshots[1].waiting_for = s->stacks.string_count; }
SPOILS(listened_more)  { s->listened_ns++; }
SPOILS(listened_less)  { s->listened_ns--; }
SPOILS(listened_head)  { s->listened_ns = s->elapsed_ns; }

/* clang-format on */

static const struct {
    void (*spoil)(struct sample *sample);
    const char *field, *says;
} spoiled[] = {
    { none_left, "snapshots", "'snapshots' are 0; a sample has 1 to 4096 of them." },
    { too_many, "snapshots", "'snapshots' are 4097; a sample has 1 to 4096 of them." },
    { same_moment, "snapshots", "snapshot 2 is not later than the one before." },
    { backwards, "snapshots", "snapshot 2 is not later than the one before." },
    { past_the_end, "snapshots", "snapshot 4 is later than the end of its call." },
    { cpu_before, "snapshots", "snapshot 0 is the first and has times since one before." },
    { queue_before, "snapshots", "snapshot 0 is the first and has times since one before." },
    { no_stack, "snapshots", "snapshot 1 has a stack that is not in the table." },
    { syscall_below, "snapshots", "snapshot 1 has a negative system call." },
    { wait_above, "snapshots", "snapshot 1 waits for something of an unknown kind." },
    { no_string, "snapshots", "snapshot 1 waits for a string that is not in the table." },
    { listened_more, "listened_ns", "the elapsed time less the offset of the first snapshot." },
    { listened_less, "listened_ns", "the elapsed time less the offset of the first snapshot." },
    { listened_head, "listened_ns", "the elapsed time less the offset of the first snapshot." },
};

static void what_is_unsound_is_refused_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(spoiled); i++) {
        OWN(sample_freep) struct sample *sample = made(i, 5);
        struct problem problem = { 0 };

        assert_int_equal(sample_check(sample, &problem), 0);
        spoiled[i].spoil(sample);
        if (sample_check(sample, &problem) == 0) fail_msg("accepted, though %s", spoiled[i].says);
        assert_string_equal(problem.field, spoiled[i].field);
        if (!strstr(problem.detail, spoiled[i].says)) fail_msg("%s", problem.detail);
    }
}

static void kinds_of_waiting_have_names(void **state)
{
    (void)state;
    assert_string_equal(wait_kind_name(WAIT_NONE), "none");
    assert_string_equal(wait_kind_name(WAIT_LOCK), "lock");
    assert_string_equal(wait_kind_name(WAIT_NETWORK), "network");
    assert_string_equal(wait_kind_name(WAIT_DISK), "disk");
    assert_string_equal(wait_kind_name(WAIT_SLEEP), "sleep");
    assert_string_equal(wait_kind_name(WAIT_OTHER), "other");
    assert_string_equal(wait_kind_name(99), "other");
    assert_null(sample_free(NULL));
}

static void owners_are_found_again_and_bounded(void **state)
{
    OWN(sample_freep) struct sample *sample = sample_new();
    uint32_t index = 0;

    (void)state;
    for (uint32_t i = 0; i < OWNERS_MAX; i++) {
        struct lock_owner owner = { .thread_id = 1 + i / 2, .stack = i % 2 };

        assert_int_equal(sample_add_owner(sample, &owner, &index), 0);
        assert_int_equal(index, i + 1);
    }
    for (uint32_t i = 0; i < OWNERS_MAX; i++) {
        struct lock_owner owner = sample->owners[i];

        assert_int_equal(sample_add_owner(sample, &owner, &index), 0);
        assert_int_equal(index, i + 1);
    }
    index = 77;
    assert_int_equal(sample_add_owner(sample, &(struct lock_owner){ .thread_id = 9999 }, &index),
                     -ENOBUFS);
    assert_int_equal(index, 77);
    assert_int_equal(sample->owner_count, OWNERS_MAX);
}

static void only_a_wait_for_a_lock_has_an_owner(void **state)
{
    OWN(sample_freep) struct sample *sample = made(9, 1);
    struct problem problem = { 0 };

    (void)state;
    sample->owner_count = 0;
    sample->snapshots[0].wait = WAIT_LOCK;
    sample->snapshots[0].owner = 0;
    assert_int_equal(
        sample_add_owner(sample, &(struct lock_owner){ .thread_id = 7 }, &sample->snapshots->owner),
        0);
    assert_int_equal(sample_owner(sample, 0)->thread_id, 7);
    assert_int_equal(sample_check(sample, &problem), 0);
    sample->snapshots[0].wait = WAIT_NETWORK;
    assert_int_equal(sample_check(sample, &problem), -1);
    assert_string_equal(problem.field, "snapshots");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_add_up_to_what_was_listened_to),
        cmocka_unit_test(thinning_keeps_every_sum),
        cmocka_unit_test(thinning_merges_into_the_next_and_the_end),
        cmocka_unit_test(a_weight_splits_and_never_overflows),
        cmocka_unit_test(what_is_unsound_is_refused_with_the_reason),
        cmocka_unit_test(kinds_of_waiting_have_names),
        cmocka_unit_test(owners_are_found_again_and_bounded),
        cmocka_unit_test(only_a_wait_for_a_lock_has_an_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
