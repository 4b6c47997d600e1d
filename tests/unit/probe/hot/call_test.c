/* SPDX-License-Identifier: Apache-2.0 */
/* call_test.c: the laws of begin, end and moves. The gate is open, no sampler runs: this test plays
 * the sampler's part where one is needed. */
#include "probe/hot/call.h"

#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/support/test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static stakeout_interface_id shop;

static uint64_t noted(enum hot_note note)
{
    return atomic_load(&hot.notes[note]);
}

static uint64_t counted(stakeout_interface_id interface_id)
{
    uint64_t count = 0;

    for (uint32_t i = 1; i < statistics_end(); i++) {
        if (statistics_interface(i) == interface_id) count += atomic_load(&hot.blocks[i].count);
    }
    return count;
}

static struct record *record_of(stakeout_call call)
{
    return &hot.records[token_record(call.opaque[0])];
}

static void on_other_thread(void *(*run)(void *), void *context)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, context), 0);
    pthread_join(thread, NULL);
}

static void before_start_a_begin_does_nothing(void **state)
{
    stakeout_call call;
    char trace[33] = "untouched";

    (void)state;
    shop = stakeout_interface("shop"); /* registering works */
    assert_int_not_equal(shop, 0);
    call = stakeout_call_begin(shop);
    assert_int_equal(call.opaque[0], 0);
    stakeout_call_detach(call, "nothing");
    stakeout_call_attach(call);
    stakeout_call_end(call, 0);
    assert_int_equal(stakeout_call_trace_id(call, trace), -ESRCH);
    assert_string_equal(trace, "");
    assert_int_equal(noted(HOT_NOTE_STALE_TOKEN), 0);
    assert_null(slot_mine());
    assert_int_equal(memory_open(true), 0);
}

static void calls_nest_like_brackets_to_a_depth_of_eight(void **state)
{
    stakeout_call calls[NESTING_MAX], deeper;
    uint64_t before = counted(shop);

    (void)state;
    for (int i = 0; i < NESTING_MAX; i++) {
        calls[i] = stakeout_call_begin(shop);
        assert_int_not_equal(calls[i].opaque[0], 0);
    }
    deeper = stakeout_call_begin(shop);
    assert_int_equal(deeper.opaque[0], 0);
    assert_int_equal(noted(HOT_NOTE_TOO_DEEP), 1);
    assert_int_equal(call_count_running(), NESTING_MAX);
    for (int i = NESTING_MAX; i-- > 0;) {
        stakeout_call_end(calls[i], 200);
    }
    assert_int_equal(call_count_running(), 0);
    assert_int_equal(counted(shop), before + NESTING_MAX);
}

static void an_outer_end_ends_the_inner_calls_that_were_forgotten(void **state)
{
    stakeout_call outer = stakeout_call_begin(shop);
    stakeout_call inner = stakeout_call_begin(shop);
    uint64_t before = counted(shop), stale = noted(HOT_NOTE_STALE_TOKEN);

    (void)state;
    stakeout_call_begin(shop);
    stakeout_call_end(outer, 0);
    assert_int_equal(noted(HOT_NOTE_FORGOTTEN), 2);
    assert_int_equal(counted(shop), before + 3);
    assert_int_equal(call_count_running(), 0);
    stakeout_call_end(inner, 0); /* it is over already */
    assert_int_equal(noted(HOT_NOTE_STALE_TOKEN), stale + 1);
}

static void a_stale_token_does_nothing_and_is_counted(void **state)
{
    stakeout_call call = stakeout_call_begin(shop), next, forged = { { 12345, 99 } };
    uint64_t stale = noted(HOT_NOTE_STALE_TOKEN);

    (void)state;
    stakeout_call_end(call, 0);
    next = stakeout_call_begin(shop); /* in the same record */
    assert_int_equal(token_record(next.opaque[0]), token_record(call.opaque[0]));
    stakeout_call_end(call, 0);
    stakeout_call_detach(call, NULL);
    stakeout_call_attach(call);
    stakeout_call_end(forged, 0);
    assert_int_equal(noted(HOT_NOTE_STALE_TOKEN), stale + 4);
    assert_int_equal(call_count_running(), 1);
    stakeout_call_end(next, 0);
}

static void *attach_and_end(void *context)
{
    const stakeout_call *call = context;

    stakeout_call_attach(*call);
    assert_int_equal(state_slot(atomic_load(&record_of(*call)->state)), slot_index(slot_mine()));
    stakeout_call_end(*call, 0);
    return NULL;
}

static void a_call_moves_between_threads(void **state)
{
    stakeout_call call = stakeout_call_begin(shop);
    uint64_t before = counted(shop), moved = noted(HOT_NOTE_MOVED_END);

    (void)state;
    stakeout_call_detach(call, "upstream");
    assert_string_equal(atomic_load(&record_of(call)->waiting_for), "upstream");
    assert_int_equal(slot_mine()->depth, 0);
    on_other_thread(attach_and_end, &call);
    assert_int_equal(counted(shop), before + 1);
    assert_int_equal(noted(HOT_NOTE_MOVED_END), moved);
}

static void *end_it(void *context)
{
    stakeout_call_end(*(const stakeout_call *)context, 0);
    return NULL;
}

static void an_end_on_another_thread_counts_as_moved(void **state)
{
    stakeout_call call = stakeout_call_begin(shop), next;
    uint64_t before = counted(shop), moved = noted(HOT_NOTE_MOVED_END);

    (void)state;
    on_other_thread(end_it, &call);
    assert_int_equal(counted(shop), before + 1);
    assert_int_equal(noted(HOT_NOTE_MOVED_END), moved + 1);
    /* The dead entry on this thread's list is in nobody's way. */
    for (int i = 0; i < NESTING_MAX + 2; i++) {
        next = stakeout_call_begin(shop);
        assert_int_not_equal(next.opaque[0], 0);
        on_other_thread(end_it, &next);
    }
    assert_int_equal(call_count_running(), 0);
}

static void an_event_loop_interleaves_ten_thousand_calls(void **state)
{
    static stakeout_call calls[10000];
    uint64_t before = counted(shop);

    (void)state;
    for (int i = 0; i < 10000; i++) {
        calls[i] = stakeout_call_begin(shop);
        assert_int_not_equal(calls[i].opaque[0], 0);
        stakeout_call_detach(calls[i], "its turn");
    }
    assert_int_equal(call_count_running(), 10000);
    for (int i = 0; i < 10000; i++) {
        stakeout_call_attach(calls[i]);
        stakeout_call_end(calls[i], 0);
    }
    assert_int_equal(call_count_running(), 0);
    assert_int_equal(counted(shop), before + 10000);
}

static void without_a_record_a_call_runs_unwatched_and_is_counted(void **state)
{
    static stakeout_call calls[CALLS_MAX + 2];
    uint32_t kept = 0;

    (void)state;
    for (uint32_t i = 0; i < CALLS_MAX + 2; i++) {
        calls[i] = stakeout_call_begin(shop);
        stakeout_call_detach(calls[i], NULL);
        if (calls[i].opaque[0] != 0) kept++;
    }
    assert_int_equal(kept, CALLS_MAX + 1); /* the thread's own, and the shared ones */
    assert_int_equal(noted(HOT_NOTE_NO_RECORD), 1);
    stakeout_call_end(calls[5], 0); /* one ends, and another is taken */
    calls[5] = stakeout_call_begin(shop);
    assert_int_not_equal(calls[5].opaque[0], 0);
    assert_int_equal(noted(HOT_NOTE_NO_RECORD), 1);
    for (uint32_t i = 0; i < CALLS_MAX + 2; i++) {
        stakeout_call_end(calls[i], 0);
    }
    assert_int_equal(call_count_running(), 0);
}

static void a_trace_id_is_the_callers_or_made_once(void **state)
{
    stakeout_call given =
        stakeout_call_begin_traced(shop, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    stakeout_call made = stakeout_call_begin_traced(shop, "nonsense");
    stakeout_call other = stakeout_call_begin(shop);
    char first[33], again[33], third[33];

    (void)state;
    assert_int_equal(stakeout_call_trace_id(given, first), 0);
    assert_string_equal(first, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_int_equal(stakeout_call_trace_id(made, first), 0);
    assert_int_equal(stakeout_call_trace_id(made, again), 0);
    assert_int_equal(stakeout_call_trace_id(other, third), 0);
    assert_int_equal(strlen(first), 32);
    assert_string_equal(first, again);
    assert_string_not_equal(first, third);
    stakeout_call_end(given, 0);
    assert_int_equal(stakeout_call_trace_id(given, first), -ESRCH);
}

/* The sampler's marks, made by hand. */
static void an_end_tells_whether_its_call_was_slow(void **state)
{
    stakeout_interface_id watched = stakeout_interface("watched");
    stakeout_call call;
    uint64_t slow = 0, missed = 0;

    (void)state;
    atomic_store(&hot.threshold_ticks[watched], ticks_from_ns(NS_PER_MS));
    atomic_store(&hot.alert_ticks[watched], 0);
    stakeout_call_end(stakeout_call_begin(watched), 0); /* fast: the slowest so far */
    assert_in_range(atomic_load(&hot.alert_ticks[watched]), 1, ticks_from_ns(NS_PER_MS));

    call = stakeout_call_begin(watched); /* slow, and nobody saw it */
    atomic_fetch_sub(&record_of(call)->began_ticks, ticks_from_ns(2 * NS_PER_MS));
    stakeout_call_end(call, 0);

    call = stakeout_call_begin(watched); /* slow, and counted by the sampler */
    atomic_fetch_or(&record_of(call)->state, STATE_LISTENED);
    stakeout_call_end(call, 0);
    for (uint32_t i = 1; i < statistics_end(); i++) {
        if (statistics_interface(i) != watched) continue;
        slow += atomic_load(&hot.blocks[i].slow);
        missed += atomic_load(&hot.blocks[i].missed);
    }
    assert_int_equal(slow, 2);
    assert_int_equal(missed, 1);
    atomic_store(&hot.alert_ticks[watched], UINT64_MAX);
}

static void a_listened_call_leaves_its_end_to_the_sampler(void **state)
{
    stakeout_call call = stakeout_call_begin(shop), next;
    struct record *record = record_of(call);
    struct face *face = &hot.faces[5];

    (void)state;
    atomic_store(&face->stint_cpu_ns, clock_thread_cpu_ns());
    atomic_store(&face->carried_cpu_ns, 0);
    atomic_store(&record->face, 5);
    atomic_fetch_or(&record->state, STATE_LISTENED | STATE_FACED);
    stakeout_call_end(call, 418);
    assert_int_equal(state_phase(atomic_load(&record->state)), RECORD_ENDED);
    assert_int_equal(atomic_load(&face->response_code), 418);
    assert_in_range(atomic_load(&face->end_cpu_ns), 1, NS_PER_S);
    next = stakeout_call_begin(shop); /* elsewhere: the record is not free yet */
    assert_int_not_equal(token_record(next.opaque[0]), token_record(call.opaque[0]));
    stakeout_call_end(next, 0);
    stakeout_call_end(call, 0); /* again: stale */
    assert_true(record_free(token_record(call.opaque[0]), atomic_load(&record->state)));
}

static void with_statistics_off_only_watched_calls_are_kept(void **state)
{
    stakeout_interface_id watched = stakeout_interface("watched");
    stakeout_call call;

    (void)state;
    assert_int_equal(memory_open(false), 0);
    assert_int_equal(stakeout_call_begin(watched).opaque[0], 0);
    atomic_store(&hot.alert_ticks[watched], 0);
    call = stakeout_call_begin(watched);
    assert_int_not_equal(call.opaque[0], 0);
    stakeout_call_end(call, 0);
    atomic_store(&hot.alert_ticks[watched], UINT64_MAX);
    assert_int_equal(memory_open(true), 0);
}

static void a_fork_leaves_the_child_with_nothing(void **state)
{
    stakeout_call call = stakeout_call_begin(shop);
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        stakeout_call mine = stakeout_call_begin(shop);

        stakeout_call_end(call, 0);
        if (mine.opaque[0] != 0 || call_count_running() != 0) _exit(1);
        if (memory_open(true) < 0) _exit(2);
        mine = stakeout_call_begin(shop);
        if (mine.opaque[0] == 0 || mine.opaque[1] == call.opaque[1]) _exit(3);
        stakeout_call_end(call, 0); /* the parent's: stale */
        if (call_count_running() != 1) _exit(4);
        stakeout_call_end(mine, 0);
        _exit(counted(shop) == 1 ? 0 : 5);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    stakeout_call_end(call, 0);
}

/* Two threads fight for each call: whoever ends it, it is counted once. */
static _Atomic uint64_t contested[2];
static _Atomic uint32_t rounds;

static void *contender_main(void *context)
{
    for (uint32_t round = 1; round <= 20000; round++) {
        stakeout_call call;

        while (atomic_load(&rounds) < round) {
        }
        call = (stakeout_call){ { atomic_load(&contested[0]), atomic_load(&contested[1]) } };
        stakeout_call_attach(call);
        stakeout_call_end(call, 0);
    }
    return context;
}

static void a_contested_call_ends_once(void **state)
{
    uint64_t before = counted(shop);
    pthread_t contender;

    (void)state;
    assert_int_equal(pthread_create(&contender, NULL, contender_main, NULL), 0);
    for (uint32_t round = 1; round <= 20000; round++) {
        stakeout_call call = stakeout_call_begin(shop);

        atomic_store(&contested[0], call.opaque[0]);
        atomic_store(&contested[1], call.opaque[1]);
        atomic_store(&rounds, round);
        stakeout_call_detach(call, NULL);
        stakeout_call_end(call, 0);
    }
    pthread_join(contender, NULL);
    assert_int_equal(counted(shop), before + 20000);
    assert_int_equal(call_count_running(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_start_a_begin_does_nothing),
        cmocka_unit_test(calls_nest_like_brackets_to_a_depth_of_eight),
        cmocka_unit_test(an_outer_end_ends_the_inner_calls_that_were_forgotten),
        cmocka_unit_test(a_stale_token_does_nothing_and_is_counted),
        cmocka_unit_test(a_call_moves_between_threads),
        cmocka_unit_test(an_end_on_another_thread_counts_as_moved),
        cmocka_unit_test(an_event_loop_interleaves_ten_thousand_calls),
        cmocka_unit_test(without_a_record_a_call_runs_unwatched_and_is_counted),
        cmocka_unit_test(a_trace_id_is_the_callers_or_made_once),
        cmocka_unit_test(an_end_tells_whether_its_call_was_slow),
        cmocka_unit_test(a_listened_call_leaves_its_end_to_the_sampler),
        cmocka_unit_test(with_statistics_off_only_watched_calls_are_kept),
        cmocka_unit_test(a_fork_leaves_the_child_with_nothing),
        cmocka_unit_test(a_contested_call_ends_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
