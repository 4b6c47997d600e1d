/* SPDX-License-Identifier: Apache-2.0 */
/* perf_test.c: running threads are looked at by perf events, and get no signal.
 *
 * Signals are counted at the source: each loan of one has a sequence that rises. Where the machine
 * refuses perf events, all that is left to see is that signals take their place, and say so
 * (perf_refused_test.c). */
#include "common/base/clock.h"
#include "probe/agent/engine/perf_watch.h"
#include "tests/integration/probe/one_task.h"
#include "tests/integration/probe/perf_scene.h"
#include "tests/support/process_usage.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static _Thread_local volatile uint64_t sink;

/* ---- the work ---- */

__attribute__((noinline)) static void elsewhere_ms(uint64_t ms)
{
    perf_spin_ms(ms);
    sink++;
}

/* What a thread does that has given its call away. Unlike the one before, so that the compiler does
 * not take one for both; and for a number that it does not know, or it would make a copy. */
static volatile uint64_t behind_ms = 200;

__attribute__((noinline)) static void stay_behind_ms(uint64_t ms)
{
    perf_spin_ms(ms);
    sink += 2;
}

static uint32_t count_cut(const struct sample *sample)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct stack *stack = &sample->stacks.stacks[sample->snapshots[i].stack];
        uint32_t last = sample->stacks.stack_frames[stack->first + stack->count - 1];

        count += sample->stacks.frames[last].kind == FRAME_MARKER;
    }
    return count;
}

/* ---- what is claimed ---- */

static void a_call_that_runs_is_not_signalled(void **state)
{
    stakeout_interface_id interface = perf_arm("runner");
    stakeout_call call;
    struct ledger ledger;
    uint32_t before, rings;

    (void)state;
    perf_need();
    before = perf_signals_sent();
    call = stakeout_call_begin(interface);
    perf_spin_ms(200);
    rings = perf_ring_count();
    perf_spin_ms(200);
    stakeout_call_end(call, 0);
    perf_await_samples(1);
    ledger = one_task_ledger();
    print_message("  %u snapshots, %u by perf, %u signals, pause %.1f us\n",
                  perf_samples[0]->snapshot_count, (unsigned)ledger.perf,
                  perf_signals_sent() - before, (double)ledger.pause_ns_p50 / 1e3);
    assert_int_equal(perf_signals_sent(), before);
    assert_int_equal(ledger.signals, 0);
    assert_int_equal(rings, 1);
    assert_in_range(ledger.perf, 20, 100);
    assert_int_equal(ledger.snapshots, ledger.perf + ledger.reads + ledger.repeats);
    assert_true(ledger.pause_ns_p50 > 0);
    /* One may have met the count of the rings, one the end. */
    assert_in_range(perf_count_with(perf_samples[0], (void *)perf_spin_ms),
                    perf_samples[0]->snapshot_count - 2, perf_samples[0]->snapshot_count);
    assert_int_equal(perf_count_with(perf_samples[0], (void *)a_call_that_runs_is_not_signalled),
                     perf_samples[0]->snapshot_count);
    assert_int_equal(count_cut(perf_samples[0]), 0);
}

/* Its CPU time is what the kernel says that it used, to the interval's width. */
static void a_call_that_runs_and_waits_is_told_as_both(void **state)
{
    stakeout_interface_id interface = perf_arm("both");
    uint64_t cpu_ns = 0, wait_ns = 0, began_ns, used_ns;
    uint32_t before, interruptions = 0;
    struct ledger ledger;
    stakeout_call call;

    (void)state;
    perf_need();
    before = perf_signals_sent();
    call = stakeout_call_begin(interface);
    began_ns = clock_thread_cpu_ns();
    for (int i = 0; i < 40; i++) {
        perf_spin_ms(6);
        if (poll(NULL, 0, 6) < 0 && errno == EINTR) interruptions++;
    }
    used_ns = clock_thread_cpu_ns() - began_ns;
    stakeout_call_end(call, 0);
    perf_await_samples(1);
    ledger = one_task_ledger();
    for (uint32_t i = 0; i < perf_samples[0]->snapshot_count; i++) {
        struct weight weight = sample_weight(perf_samples[0], i);

        if (perf_stack_has(perf_samples[0], i, (void *)perf_spin_ms)) cpu_ns += weight.cpu_ns;
        if (perf_samples[0]->snapshots[i].wait == WAIT_SLEEP) wait_ns += weight.wait_ns;
    }
    print_message("  %u by perf, %u read, %u interruptions; %.0f of %.0f ms in perf_spin_ms()\n",
                  (unsigned)ledger.perf, (unsigned)(ledger.reads + ledger.repeats), interruptions,
                  (double)cpu_ns / 1e6, (double)used_ns / 1e6);
    assert_int_equal(interruptions, 0);
    assert_int_equal(perf_signals_sent(), before);
    assert_true(ledger.perf >= 10 && ledger.reads >= 10);
    assert_in_range(cpu_ns, used_ns / 4, used_ns);
    assert_true(wait_ns > 0);
}

__attribute__((noinline)) static void descend(uint32_t depth)
{
    volatile char frame[400] = { 0 };

    if (depth > 0) {
        descend(depth - 1);
    } else {
        perf_spin_ms(200);
    }
    sink += (uint64_t)frame[depth % sizeof frame];
}

static void a_stack_of_40_kb_is_whole(void **state)
{
    stakeout_interface_id interface = perf_arm("deep");
    uint32_t before;
    stakeout_call call;

    (void)state;
    perf_need();
    before = perf_signals_sent();
    call = stakeout_call_begin(interface);
    descend(90);
    stakeout_call_end(call, 0);
    perf_await_samples(1);
    print_message("  %u snapshots, %u cut\n", perf_samples[0]->snapshot_count,
                  count_cut(perf_samples[0]));
    assert_int_equal(count_cut(perf_samples[0]), 0);
    assert_true(perf_count_with(perf_samples[0], (void *)a_stack_of_40_kb_is_whole) > 10);
    assert_int_equal(perf_signals_sent(), before);
}

/* Most of its time it has given rbp back, and not returned: what it had saved is below its stack
 * pointer. Its caller is found by rbp. */
void perf_returner(void);
__asm__(".text\n"
        ".type perf_returner, @function\n"
        "perf_returner:\n"
        ".cfi_startproc\n"
        "    push %rbx\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset %rbx, -16\n"
        "    push %r12\n"
        "    .cfi_def_cfa_offset 24\n"
        "    .cfi_offset %r12, -24\n"
        "    push %rbp\n"
        "    .cfi_def_cfa_offset 32\n"
        "    .cfi_offset %rbp, -32\n"
        "    mov $1, %ebp\n"
        "    pop %rbp\n"
        "    .cfi_def_cfa_offset 24\n"
        "    pop %r12\n"
        "    .cfi_def_cfa_offset 16\n"
        "    pop %rbx\n"
        "    .cfi_def_cfa_offset 8\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size perf_returner, .-perf_returner\n");

__attribute__((noinline)) static void call_returner_ms(int ms)
{
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)ms * NS_PER_MS;

    while (clock_monotonic_ns() < until_ns) {
        for (int i = 0; i < 100000; i++) {
            perf_returner();
        }
    }
    sink++;
}

/* How many stacks were taken between the pop of rbp and the return. */
static uint32_t count_returning(const struct sample *sample)
{
    enum { POPPED_AT = 10 }; /* bytes before the first instruction behind it */
    uint32_t count = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct stack *stack = &sample->stacks.stacks[sample->snapshots[i].stack];
        uint32_t inner = sample->stacks.stack_frames[stack->first];
        const struct frame *frame = &sample->stacks.frames[inner];

        count += perf_stack_has(sample, i, (void *)perf_returner) &&
                 frame->offset - frame->function_offset >= POPPED_AT;
    }
    return count;
}

static void a_function_that_returns_is_walked_through(void **state)
{
    stakeout_interface_id interface = perf_arm("returner");
    stakeout_call call;

    (void)state;
    perf_need();
    call = stakeout_call_begin(interface);
    call_returner_ms(600);
    stakeout_call_end(call, 0);
    perf_await_samples(1);
    print_message("  %u snapshots, %u returning, %u cut\n", perf_samples[0]->snapshot_count,
                  count_returning(perf_samples[0]), count_cut(perf_samples[0]));
    assert_int_equal(count_cut(perf_samples[0]), 0);
    assert_true(count_returning(perf_samples[0]) >= 3);
    assert_int_equal(perf_count_with(perf_samples[0], (void *)call_returner_ms),
                     perf_samples[0]->snapshot_count);
}

static void *mover_main(void *context)
{
    stakeout_call call = *(stakeout_call *)context;

    stakeout_call_attach(call);
    elsewhere_ms(120);
    stakeout_call_end(call, 0);
    return NULL;
}

/* The first thread runs on in another function, without the call; its stacks are none of it. */
static void what_runs_on_without_the_call_is_not_of_it(void **state)
{
    stakeout_interface_id interface = perf_arm("mover");
    const struct sample *sample;
    pthread_t thread;
    stakeout_call call;
    uint32_t moved = 0;

    (void)state;
    perf_need();
    call = stakeout_call_begin(interface);
    perf_spin_ms(120);
    stakeout_call_detach(call, "the other thread");
    assert_int_equal(pthread_create(&thread, NULL, mover_main, &call), 0);
    stay_behind_ms(behind_ms);
    pthread_join(thread, NULL);
    perf_await_samples(1);
    sample = perf_samples[0];
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        bool is_elsewhere = perf_stack_has(sample, i, (void *)mover_main);

        assert_false(perf_stack_has(sample, i, (void *)stay_behind_ms));
        assert_false(moved > 0 && !is_elsewhere); /* once moved, it stays */
        moved += is_elsewhere;
    }
    print_message("  %u of %u snapshots on the other thread\n", moved, sample->snapshot_count);
    assert_true(moved >= 3);
}

/* ---- bounds ---- */

struct crew {
    stakeout_interface_id interface;
    pthread_barrier_t together;
    uint64_t spin_ms;
};

static void *crew_main(void *context)
{
    struct crew *crew = context;
    stakeout_call call = stakeout_call_begin(crew->interface);

    perf_spin_ms(crew->spin_ms);
    pthread_barrier_wait(&crew->together);
    stakeout_call_end(call, 0);
    return NULL;
}

/* All of them are slow at the same time, and most of them run or could. */
static void crew_run(uint32_t count, struct ledger *ret)
{
    struct crew crew = { .interface = perf_arm("crew"), .spin_ms = 60 };
    pthread_t threads[PERF_SAMPLES_MAX];

    pthread_barrier_init(&crew.together, NULL, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, crew_main, &crew), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    perf_await_samples(count);
    *ret = one_task_ledger();
    assert_int_equal(ret->sampled, count);
}

static void as_many_as_there_are_events_are_not_signalled(void **state)
{
    uint32_t before = perf_signals_sent();
    struct ledger ledger;

    (void)state;
    perf_need();
    crew_run(PERF_EVENTS_MAX, &ledger);
    print_message("  %u by perf, %u by signal\n", (unsigned)ledger.perf, (unsigned)ledger.signals);
    assert_int_equal(perf_signals_sent(), before);
    assert_true(ledger.perf >= PERF_EVENTS_MAX);
}

static void those_beyond_are_signalled(void **state)
{
    uint32_t before = perf_signals_sent();
    struct ledger ledger;

    (void)state;
    perf_need();
    crew_run(2 * PERF_EVENTS_MAX, &ledger);
    print_message("  %u by perf, %u by signal\n", (unsigned)ledger.perf, (unsigned)ledger.signals);
    assert_true(perf_signals_sent() > before);
    assert_true(ledger.perf > 0);
}

static void an_event_ends_with_its_call(void **state)
{
    uint32_t descriptors;
    stakeout_call call;
    struct sampler_cost idle, busy;

    (void)state;
    perf_need();
    call = stakeout_call_begin(perf_arm("warming up")); /* of tables, and whatever else stays */
    perf_spin_ms(100);
    stakeout_call_end(call, 0);
    perf_await_samples(1);
    assert_true(wait_until(perf_has_no_rings, NULL, 5000));
    call = stakeout_call_begin(perf_arm("ending"));
    descriptors =
        process_descriptor_count(getpid()); /* the sampler shares the table in this test */
    sampler_cost(&idle);
    perf_spin_ms(100);
    sampler_cost(&busy);
    assert_int_equal(perf_ring_count(), 1);
    assert_in_range(busy.memory_size, idle.memory_size + 36 * 1024, UINT64_MAX);
    stakeout_call_end(call, 0);
    perf_await_samples(2);
    assert_true(wait_until(perf_has_no_rings, NULL, 5000));
    assert_in_range(process_descriptor_count(getpid()), descriptors,
                    descriptors + 3); /* /proc's files */
}

/* Calls that end before they turn slow, with an event at each look: none stays behind. */
static void lookback_leaves_no_event_behind(void **state)
{
    stakeout_interface_id interface = perf_arm_lookback("early", true);
    stakeout_call call;
    uint32_t before;

    (void)state;
    perf_need();
    before = perf_signals_sent();
    for (int i = 0; i < 10; i++) {
        call = stakeout_call_begin(interface);
        perf_spin_ms(30);
        stakeout_call_end(call, 0);
    }
    call = stakeout_call_begin(interface);
    perf_spin_ms(200);
    stakeout_call_end(call, 0);
    perf_await_samples(1);
    assert_true(wait_until(perf_has_no_rings, NULL, 5000));
    assert_int_equal(perf_signals_sent(), before);
    print_message("  the first snapshot %.1f ms after the begin, %u by perf\n",
                  (double)perf_samples[0]->snapshots[0].offset_ns / 1e6,
                  (unsigned)one_task_ledger().perf);
    assert_in_range(perf_samples[0]->snapshots[0].offset_ns, 0, PERF_THRESHOLD_MS * NS_PER_MS - 1);
}

/* ---- awkward hosts ---- */

static void *short_main(void *context)
{
    stakeout_call call = stakeout_call_begin(*(stakeout_interface_id *)context);

    perf_spin_ms(3 * PERF_THRESHOLD_MS);
    stakeout_call_end(call, 0);
    return NULL;
}

static void threads_may_end_and_children_be_forked_meanwhile(void **state)
{
    stakeout_interface_id interface = perf_arm("short-lived");
    int status;

    (void)state;
    perf_need();
    for (int i = 0; i < 6; i++) {
        pthread_t thread;
        pid_t pid;

        assert_int_equal(pthread_create(&thread, NULL, short_main, &interface), 0);
        perf_spin_ms(30);
        pid = fork();
        if (pid == 0) {
            perf_spin_ms(20); /* nobody interrupts it, and it has no ring */
            _exit(perf_ring_count() == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        pthread_join(thread, NULL);
    }
    perf_await_samples(6);
    assert_true(wait_until(perf_has_no_rings, NULL, 5000));
    assert_int_equal(one_task_ledger().signals, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_that_runs_is_not_signalled, perf_start, perf_stop),
        cmocka_unit_test_setup_teardown(a_call_that_runs_and_waits_is_told_as_both, perf_start,
                                        perf_stop),
        cmocka_unit_test_setup_teardown(a_stack_of_40_kb_is_whole, perf_start, perf_stop),
        cmocka_unit_test_setup_teardown(a_function_that_returns_is_walked_through, perf_start,
                                        perf_stop),
        cmocka_unit_test_setup_teardown(what_runs_on_without_the_call_is_not_of_it, perf_start,
                                        perf_stop),
        cmocka_unit_test_setup_teardown(as_many_as_there_are_events_are_not_signalled, perf_start,
                                        perf_stop),
        cmocka_unit_test_setup_teardown(those_beyond_are_signalled, perf_start, perf_stop),
        cmocka_unit_test_setup_teardown(an_event_ends_with_its_call, perf_start, perf_stop),
        cmocka_unit_test_setup_teardown(lookback_leaves_no_event_behind, perf_start, perf_stop),
        cmocka_unit_test_setup_teardown(threads_may_end_and_children_be_forked_meanwhile,
                                        perf_start, perf_stop),
    };

    return cmocka_run_group_tests_name("perf", tests, NULL, NULL);
}
