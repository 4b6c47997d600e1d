/* SPDX-License-Identifier: Apache-2.0 */
/* lookback_test.c: the head of a slow call, seen with lookback and not without.
 *
 * A call is 300 ms in a(), on a CPU, 600 ms in b() and 700 ms in c(), asleep, under a threshold of
 * 1300 ms. What a() and b() took must be in the sample, within the gaps between the looks around
 * their ends; and what was looked at of calls that did not turn slow must be nowhere.
 *
 * A look comes at twice the age of the one before. So b(), which begins at 300 ms, has one before
 * 600, and may have it 300 ms late; as late may be what comes at the threshold. */
#include "common/base/clock.h"
#include "common/model/problem.h"
#include "common/wire/messages.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/integration/probe/one_task.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    THRESHOLD_MS = 1300,
    A_MS = 300,
    B_MS = 600,
    C_MS = 700,
    FREQUENCY_MS = 10,
    CROWD = LOOKBACKS_MAX + 20
};

static _Atomic uint32_t sample_count;
static struct sample *samples[2 * CROWD];

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    one_task_accept(take_sample);
    if (take_sample->running || atomic_load(&sample_count) == 2 * CROWD) {
        sample_free(take_sample);
        return;
    }
    samples[atomic_load(&sample_count)] = take_sample;
    atomic_fetch_add(&sample_count, 1);
}

static stakeout_interface_id arm(const char *interface, bool lookback)
{
    return one_task_arm(&(struct one_task){ .interface = interface,
                                            .threshold_ms = THRESHOLD_MS,
                                            .frequency_ms = FREQUENCY_MS,
                                            .lookback = lookback });
}

static bool has_samples(void *context)
{
    return atomic_load(&sample_count) >= *(uint32_t *)context;
}

static void await_samples(uint32_t count)
{
    assert_true(wait_until(has_samples, &count, 20000));
}

static int disarm(void **state)
{
    (void)state;
    sampler_set_tasks(NULL, 0);
    for (uint32_t i = 0; i < atomic_load(&sample_count); i++) {
        sample_free(samples[i]);
    }
    atomic_store(&sample_count, 0);
    return 0;
}

/* ---- the call ---- */

struct truth {
    uint64_t a_ns, b_ns, c_ns;
    uint64_t c_began_ns; /* after the call's begin, at the latest */
};

__attribute__((noinline)) static void a(uint64_t *ret_ns)
{
    uint64_t begin_ns = clock_monotonic_ns(), now_ns;

    do {
        now_ns = clock_monotonic_ns();
    } while (now_ns - begin_ns < A_MS * NS_PER_MS);
    *ret_ns = now_ns - begin_ns;
}

static void rest(uint64_t ms, uint64_t *ret_ns)
{
    uint64_t begin_ns = clock_monotonic_ns();
    struct timespec left = { .tv_sec = (time_t)(ms / 1000),
                             .tv_nsec = (long)(ms % 1000 * NS_PER_MS) };

    while (nanosleep(&left, &left) != 0) {
    }
    *ret_ns = clock_monotonic_ns() - begin_ns;
}

__attribute__((noinline)) static void b(uint64_t *ret_ns)
{
    rest(B_MS, ret_ns);
    __asm__ volatile("" ::: "memory"); /* not a jump */
}

__attribute__((noinline)) static void c(uint64_t *ret_ns)
{
    rest(C_MS, ret_ns);
    __asm__ volatile("" ::: "memory");
}

static struct truth call_make(stakeout_interface_id interface)
{
    uint64_t began_ns = clock_monotonic_ns();
    stakeout_call call = stakeout_call_begin(interface);
    struct truth truth;

    a(&truth.a_ns);
    b(&truth.b_ns);
    truth.c_began_ns = clock_monotonic_ns() - began_ns;
    c(&truth.c_ns);
    stakeout_call_end(call, 0);
    return truth;
}

/* ---- what the sample says ---- */

static bool stack_has(const struct sample *sample, uint32_t stack, void (*function)(uint64_t *))
{
    const struct stack_table *table = &sample->stacks;
    Dl_info info;

    assert_int_not_equal(dladdr((void *)function, &info), 0);
    for (uint32_t i = 0; i < table->stacks[stack].count; i++) {
        const struct frame *frame =
            &table->frames[table->stack_frames[table->stacks[stack].first + i]];
        uint64_t begin = (uint64_t)((char *)function - (char *)info.dli_fbase);

        if (frame->kind == FRAME_NATIVE && frame->function_offset == begin) return true;
    }
    return false;
}

struct share {
    uint64_t sum_ns, gaps_ns;
    uint32_t count;
};

static struct share share_of(const struct sample *sample, void (*function)(uint64_t *))
{
    struct share share = { 0 };
    uint32_t last = 0, first = UINT32_MAX;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        if (!stack_has(sample, sample->snapshots[i].stack, function)) continue;
        if (first == UINT32_MAX) first = i;
        last = i;
        share.count++;
        share.sum_ns += sample_weight(sample, i).weight_ns;
    }
    if (share.count == 0) return share;
    share.gaps_ns = sample_weight(sample, last).weight_ns;
    /* Before the first snapshot nothing was observed: the head is a gap, too. */
    share.gaps_ns +=
        first > 0 ? sample_weight(sample, first - 1).weight_ns : sample->snapshots[0].offset_ns;
    return share;
}

static void check_share(const struct sample *sample, const char *name, void (*function)(uint64_t *),
                        uint64_t truth_ns)
{
    struct share share = share_of(sample, function);
    uint64_t off_ns = share.sum_ns > truth_ns ? share.sum_ns - truth_ns : truth_ns - share.sum_ns;

    print_message("    %s: %u snapshots, %.1f ms, truth %.1f ms, gaps %.1f ms\n", name, share.count,
                  (double)share.sum_ns / 1e6, (double)truth_ns / 1e6, (double)share.gaps_ns / 1e6);
    assert_in_range(share.count, 1, SNAPSHOTS_MAX);
    assert_in_range(off_ns, 0, share.gaps_ns + truth_ns / 50);
}

static void check_sums(const struct sample *sample)
{
    struct problem problem = { 0 };
    uint64_t sum_ns = 0;

    if (sample_check(sample, &problem) < 0 && problem.code != PROBLEM_NONE &&
        sample->application[0] != '\0')
        fail_msg("%s", problem.detail);
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        sum_ns += sample_weight(sample, i).weight_ns;
    }
    assert_int_equal(sum_ns, sample->listened_ns);
    assert_int_equal(sample->listened_ns, sample->elapsed_ns - sample->snapshots[0].offset_ns);
}

/* ---- tests ---- */

static void without_it_only_what_came_after_the_threshold_is_seen(void **state)
{
    struct truth truth;

    (void)state;
    truth = call_make(arm("plain", false));
    await_samples(1);
    check_sums(samples[0]);
    assert_true(samples[0]->snapshots[0].offset_ns >= THRESHOLD_MS * NS_PER_MS);
    /* Where nobody got a core for long, b() may have gone on until then. */
    if (truth.c_began_ns < THRESHOLD_MS * NS_PER_MS) {
        assert_int_equal(share_of(samples[0], a).count, 0);
        assert_int_equal(share_of(samples[0], b).count, 0);
    }
    assert_true(share_of(samples[0], c).count > 0);
    assert_int_equal(one_task_ledger().snapshot_drops[SNAPSHOT_DROP_NO_LOOKBACK], 0);
}

static void with_it_the_head_is_seen_as_it_was(void **state)
{
    struct truth truth;
    struct ledger ledger;

    (void)state;
    truth = call_make(arm("head", true));
    await_samples(1);
    check_sums(samples[0]);
    assert_in_range(samples[0]->snapshots[0].offset_ns, LOOKBACK_MS_MIN * NS_PER_MS,
                    A_MS * NS_PER_MS);
    check_share(samples[0], "a", a, truth.a_ns);
    check_share(samples[0], "b", b, truth.b_ns);
    check_share(samples[0], "c", c, truth.c_ns);
    assert_true(samples[0]->thread_name[0] != '\0');
    ledger = one_task_ledger();
    assert_int_equal(ledger.triggered, 1);
    assert_int_equal(ledger.sampled, 1);
    assert_int_equal(ledger.snapshots, samples[0]->snapshot_count);
    assert_int_equal(ledger.snapshot_drops[SNAPSHOT_DROP_NO_LOOKBACK], 0);
}

/* Each look comes at twice the age of the one before: from 5 ms on, at most nine below 1300 ms.
 * At the frequency of the task there would be 130. */
static void looks_get_rarer_until_the_threshold(void **state)
{
    uint32_t early = 0;

    (void)state;
    call_make(arm("rarer", true));
    await_samples(1);
    while (early < samples[0]->snapshot_count &&
           samples[0]->snapshots[early].offset_ns < THRESHOLD_MS * NS_PER_MS) {
        early++;
    }
    assert_in_range(early, 2, 9);
}

static void of_calls_that_stay_below_nothing_is_left(void **state)
{
    stakeout_interface_id interface = arm("below", true);
    struct ledger ledger;
    uint64_t rested_ns;

    (void)state;
    for (int i = 0; i < 10; i++) {
        stakeout_call call = stakeout_call_begin(interface);

        rest(60, &rested_ns);
        stakeout_call_end(call, 0);
    }
    ledger = one_task_ledger();
    assert_int_equal(ledger.seen, 10);
    assert_int_equal(ledger.below, 10);
    assert_int_equal(ledger.snapshots, 0);
    assert_int_equal(ledger.signals + ledger.reads + ledger.repeats, 0);
    for (int i = 0; i < SNAPSHOT_DROP_COUNT; i++) {
        assert_int_equal(ledger.snapshot_drops[i], 0);
    }
}

/* More at once than there is room for: those beyond are sampled all the same, and counted. */
static void a_crowd_finds_room_or_is_counted(void **state)
{
    stakeout_interface_id interface = arm("crowd", true);
    static stakeout_call calls[CROWD];
    uint32_t with = 0, without = 0;
    struct ledger ledger;
    uint64_t rested_ns;

    (void)state;
    for (int i = 0; i < CROWD; i++) {
        calls[i] = stakeout_call_begin(interface);
        stakeout_call_detach(calls[i], "the others");
    }
    rest(THRESHOLD_MS + C_MS, &rested_ns);
    for (int i = 0; i < CROWD; i++) {
        stakeout_call_end(calls[i], 0);
    }
    await_samples(CROWD);
    for (int i = 0; i < CROWD; i++) {
        bool has_head = samples[i]->snapshots[0].offset_ns < THRESHOLD_MS * NS_PER_MS;

        with += has_head;
        without += !has_head;
        check_sums(samples[i]);
    }
    ledger = one_task_ledger();
    assert_int_equal(ledger.triggered, CROWD);
    assert_int_equal(with, LOOKBACKS_MAX);
    assert_int_equal(without, CROWD - LOOKBACKS_MAX);
    assert_int_equal(ledger.snapshot_drops[SNAPSHOT_DROP_NO_LOOKBACK], CROWD - LOOKBACKS_MAX);
}

static void a_task_that_is_cancelled_forgets_them(void **state)
{
    stakeout_interface_id interface = arm("cancelled", true);
    stakeout_call call = stakeout_call_begin(interface);
    uint64_t rested_ns;

    (void)state;
    rest(100, &rested_ns);
    sampler_set_tasks(NULL, 0);
    rest(200, &rested_ns);
    stakeout_call_end(call, 0);
    assert_int_equal(atomic_load(&sample_count), 0);
    assert_int_equal(one_task_ledger().snapshots, 0);
}

static int start(void **state)
{
    (void)state;
    return one_task_start(&(struct sampler_options){ .on_sample = on_sample });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_it_only_what_came_after_the_threshold_is_seen, disarm),
        cmocka_unit_test_teardown(with_it_the_head_is_seen_as_it_was, disarm),
        cmocka_unit_test_teardown(looks_get_rarer_until_the_threshold, disarm),
        cmocka_unit_test_teardown(of_calls_that_stay_below_nothing_is_left, disarm),
        cmocka_unit_test_teardown(a_crowd_finds_room_or_is_counted, disarm),
        cmocka_unit_test_teardown(a_task_that_is_cancelled_forgets_them, disarm),
    };

    return cmocka_run_group_tests_name("lookback", tests, start, one_task_stop);
}
