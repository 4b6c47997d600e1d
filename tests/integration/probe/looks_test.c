/* SPDX-License-Identifier: Apache-2.0 */
/* looks_test.c: looks that meet threads in awkward places, and what the threads notice of it. */
#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "probe/hot/memory.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/integration/probe/one_task.h"
#include "tests/integration/probe/truth_work.h"
#include "tests/support/child.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { THRESHOLD_MS = 50, FREQUENCY_MS = 5, MINE_MAX = 8 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sample *mine[MINE_MAX];
static uint32_t mine_count;
static volatile uint64_t sink;

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    one_task_accept(take_sample);
    pthread_mutex_lock(&lock);
    assert_true(mine_count < MINE_MAX);
    mine[mine_count++] = take_sample;
    pthread_mutex_unlock(&lock);
}

static bool samples_are(void *context)
{
    bool are;

    pthread_mutex_lock(&lock);
    are = mine_count >= *(uint32_t *)context;
    pthread_mutex_unlock(&lock);
    return are;
}

static void await_samples(uint32_t count)
{
    if (!wait_until(samples_are, &count, 10000)) fail_msg("%u samples", mine_count);
}

static stakeout_interface_id arm(const char *interface)
{
    return one_task_arm(&(struct one_task){
        .interface = interface, .threshold_ms = THRESHOLD_MS, .frequency_ms = FREQUENCY_MS });
}

static int disarm(void **state)
{
    (void)state;
    sampler_set_tasks(NULL, 0);
    for (uint32_t i = 0; i < mine_count; i++) {
        mine[i] = sample_free(mine[i]);
    }
    mine_count = 0;
    return 0;
}

static void spin_ms(uint64_t ms)
{
    uint64_t until_ns = clock_thread_cpu_ns() + ms * NS_PER_MS;

    while (clock_thread_cpu_ns() < until_ns) {
        sink++;
    }
}

static bool has_marker(const struct sample *sample, uint32_t snapshot, const char *marker)
{
    const struct stack *stack = &sample->stacks.stacks[sample->snapshots[snapshot].stack];

    for (uint32_t i = 0; i < stack->count; i++) {
        const struct frame *frame =
            &sample->stacks.frames[sample->stacks.stack_frames[stack->first + i]];

        if (frame->kind == FRAME_MARKER &&
            text_is_equal(stack_table_text(&sample->stacks, frame->function), text_of(marker)))
            return true;
    }
    return false;
}

static uint32_t count_marker(const struct sample *sample, const char *marker)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        count += has_marker(sample, i, marker);
    }
    return count;
}

/* As many as its listened time has room for; copies are of the moment when the handler ran, so that
 * a look may be as near to the next as the machine is busy. */
static uint32_t most_snapshots(const struct sample *sample)
{
    return (uint32_t)(sample->listened_ns / (FREQUENCY_MS * NS_PER_MS)) + 2;
}

/* Has a sample what looks in good time would give? A queued thread answers late: busy machines
 * make do with a sixth. */
static void assert_is_dense(const struct sample *sample)
{
    assert_in_range(sample->snapshot_count, most_snapshots(sample) / 6, most_snapshots(sample));
}

static bool stack_has(const struct sample *sample, uint32_t stack, const void *function)
{
    const struct stack_table *table = &sample->stacks;
    Dl_info info;

    if (dladdr(function, &info) == 0) return false;
    for (uint32_t i = 0; i < table->stacks[stack].count; i++) {
        const struct frame *frame =
            &table->frames[table->stack_frames[table->stacks[stack].first + i]];

        if (frame->kind == FRAME_NATIVE &&
            frame->function_offset == (uint64_t)((const char *)function - (char *)info.dli_fbase))
            return true;
    }
    return false;
}

/* A wait in a function whose frame size is known only at run time: it cannot be walked through
 * without its frame pointer. Returns how often the wait was interrupted. */
__attribute__((noinline)) static uint32_t wait_in_variable_frame(size_t size, int wait_ms)
{
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)wait_ms * NS_PER_MS, now_ns;
    char *bytes = __builtin_alloca(size);
    uint32_t interruptions = 0;

    memset(bytes, 1, size);
    while ((now_ns = clock_monotonic_ns()) < until_ns) {
        if (poll(NULL, 0, (int)((until_ns - now_ns) / NS_PER_MS + 1)) < 0 && errno == EINTR)
            interruptions++;
    }
    sink += (uint64_t)bytes[size - 1];
    return interruptions;
}

static void a_wait_is_not_interrupted_where_its_frames_are_lost(void **state)
{
    stakeout_call call = stakeout_call_begin(arm("poller"));
    uint32_t interruptions = wait_in_variable_frame(200 + (size_t)(getpid() % 16), 600);
    const struct sample *sample;

    (void)state;
    stakeout_call_end(call, 0);
    await_samples(1);
    sample = mine[0];
    print_message("  %u snapshots, %u interruptions, %u cut\n", sample->snapshot_count,
                  interruptions, count_marker(sample, MARKER_CUT));
    assert_int_equal(interruptions, 0);
    assert_is_dense(sample);
    for (uint32_t i = 0; i < sample->snapshot_count; i++) { /* the truth, or cut; never guessed */
        uint32_t stack = sample->snapshots[i].stack;

        assert_true(stack_has(sample, stack, (void *)wait_in_variable_frame));
        assert_true(
            has_marker(sample, i, MARKER_CUT) ||
            stack_has(sample, stack, (void *)a_wait_is_not_interrupted_where_its_frames_are_lost));
    }
    assert_int_equal(sample->snapshots[sample->snapshot_count / 2].wait, WAIT_SLEEP);
}

static void waits_in_turn_are_not_interrupted(void **state)
{
    stakeout_call call = stakeout_call_begin(arm("waiter"));
    uint64_t until_ns = clock_monotonic_ns() + 500 * NS_PER_MS;
    uint32_t waits = 0, interruptions = 0;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    while (clock_monotonic_ns() < until_ns) {
        struct pollfd poller = { .fd = ends[0], .events = POLLIN };

        if (poll(&poller, 1, 20) < 0 && errno == EINTR) interruptions++;
        if (nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL) != 0) interruptions++;
        waits += 2;
    }
    stakeout_call_end(call, 0);
    await_samples(1);
    print_message("  %u of %u waits interrupted\n", interruptions, waits);
    assert_int_equal(interruptions, 0);
    close(ends[0]);
    close(ends[1]);
}

static void detached_time_is_waiting_under_its_name(void **state)
{
    stakeout_call call = stakeout_call_begin(arm("mover"));
    const struct sample *sample;
    uint32_t detached, last;

    (void)state;
    spin_ms(100);
    stakeout_call_detach(call, "upstream");
    nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000000 }, NULL);
    stakeout_call_attach(call);
    spin_ms(50);
    stakeout_call_end(call, 0);
    await_samples(1);
    sample = mine[0];
    detached = count_marker(sample, MARKER_DETACHED);
    assert_in_range(detached, 10, most_snapshots(sample));
    for (last = sample->snapshot_count; !has_marker(sample, last - 1, MARKER_DETACHED); last--) {
    }
    assert_string_equal(
        stack_table_text(&sample->stacks, sample->snapshots[last - 1].waiting_for).data,
        "detached: upstream");
    assert_int_equal(sample->snapshots[last - 1].wait, WAIT_OTHER);
}

static void *mover_main(void *context)
{
    stakeout_call call = *(stakeout_call *)context;

    stakeout_call_attach(call);
    spin_ms(100);
    stakeout_call_end(call, 0);
    return NULL;
}

static void cpu_time_of_all_threads_of_a_call_is_added(void **state)
{
    enum { SLEEP_MS = 80 };
    stakeout_call call = stakeout_call_begin(arm("carrier"));
    uint64_t cpu_ns = 0, head_ns;
    pthread_t thread;

    (void)state;
    nanosleep(&(struct timespec){ .tv_nsec = SLEEP_MS * 1000000 }, NULL); /* it triggers */
    spin_ms(100);
    stakeout_call_detach(call, "the other thread");
    assert_int_equal(pthread_create(&thread, NULL, mover_main, &call), 0);
    pthread_join(thread, NULL);
    await_samples(1);
    for (uint32_t i = 0; i < mine[0]->snapshot_count; i++) {
        cpu_ns += sample_weight(mine[0], i).cpu_ns;
    }
    /* On a busy machine the first look may be late: what was spent before it was not observed; nor
     * is what a thread spent between the last look and the move, which is an interval at most. */
    head_ns = mine[0]->snapshots[0].offset_ns;
    if (head_ns < SLEEP_MS * NS_PER_MS) head_ns = SLEEP_MS * NS_PER_MS;
    assert_in_range(cpu_ns + head_ns, (SLEEP_MS + 200 - 2 * FREQUENCY_MS) * NS_PER_MS, UINT64_MAX);
    assert_in_range(cpu_ns, 0, 230 * NS_PER_MS);
}

static void nested_slow_calls_are_both_heard(void **state)
{
    stakeout_interface_id outer_interface = stakeout_interface("nested outer");
    stakeout_call outer, inner;

    (void)state;
    arm("nested*");
    outer = stakeout_call_begin(outer_interface);
    inner = stakeout_call_begin(stakeout_interface("nested inner"));
    spin_ms(300);
    stakeout_call_end(inner, 0);
    stakeout_call_end(outer, 0);
    await_samples(2);
    assert_is_dense(mine[0]);
    assert_is_dense(mine[1]);
}

static void *deaf_main(void *context)
{
    stakeout_interface_id interface = *(stakeout_interface_id *)context;
    stakeout_call call;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    call = stakeout_call_begin(interface);
    spin_ms(200);
    nanosleep(&(struct timespec){ .tv_nsec = 200 * 1000000 }, NULL);
    stakeout_call_end(call, 0);
    return NULL;
}

static void a_thread_that_blocks_our_signal_is_heard_while_it_sleeps(void **state)
{
    stakeout_interface_id interface = arm("deaf");
    struct ledger ledger;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, deaf_main, &interface), 0);
    pthread_join(thread, NULL);
    await_samples(1);
    assert_in_range(mine[0]->snapshot_count, 20, most_snapshots(mine[0]));
    ledger = one_task_ledger();
    assert_int_equal(ledger.sampled, 1);
    assert_true(ledger.snapshot_drops[SNAPSHOT_DROP_CALL_ENDED] +
                    ledger.snapshot_drops[SNAPSHOT_DROP_LOAN_LOST] >=
                1);
}

static void code_may_be_unloaded_after_it_was_seen(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        stakeout_call call = stakeout_call_begin(arm("plugin"));
        void *library = dlopen(TRUTH_LIBRARY, RTLD_NOW | RTLD_LOCAL), *found;
        void (*idle)(void);

        assert_non_null(library);
        found = dlsym(library, "truth_idle");
        memcpy(&idle, &found, sizeof found);
        idle();
        dlclose(library);
        spin_ms(50);
        stakeout_call_end(call, 0);
        await_samples(1);
        assert_is_dense(mine[0]);
        disarm(NULL);
    }
}

__attribute__((noinline)) static void descend(int depth)
{
    volatile char frame[16] = { 0 };

    if (depth > 0) {
        descend(depth - 1);
    } else {
        spin_ms(150);
    }
    sink += (uint64_t)frame[depth % 16];
}

static void a_deep_recursion_loses_its_middle(void **state)
{
    stakeout_call call = stakeout_call_begin(arm("deep"));
    uint32_t snapshots;

    (void)state;
    descend(700);
    stakeout_call_end(call, 0);
    await_samples(1);
    snapshots = mine[0]->snapshot_count;
    print_message("  of %u snapshots %u without their middle, %u cut\n", snapshots,
                  count_marker(mine[0], MARKER_DROPPED), count_marker(mine[0], MARKER_CUT));
    assert_true(count_marker(mine[0], MARKER_DROPPED) + count_marker(mine[0], MARKER_CUT) >=
                snapshots / 2);
}

/* A host that gives up its rights: /proc/self/task/TID/syscall cannot be opened any more. */
static int rights_give_up(void)
{
    pthread_mutex_init(&lock, NULL);
    mine_count = 0;
    sampler_forget();
    if (one_task_start(&(struct sampler_options){ .on_sample = on_sample }) != 0) return 2;
    return setgid(65534) != 0 || setuid(65534) != 0 ? 3 : 0;
}

/* There a wait is interrupted by looks, but not by each. Returns the child's exit status. */
static int unprivileged_main(void)
{
    struct sampler_cost cost;
    stakeout_call call;
    uint32_t interruptions, one = 1;

    if (geteuid() != 0) return CHILD_SKIPS; /* nothing to give up */
    if (rights_give_up() != 0) return 3;
    call = stakeout_call_begin(arm("unprivileged"));
    interruptions = wait_in_variable_frame(300, 500);
    stakeout_call_end(call, 0);
    if (!wait_until(samples_are, &one, 5000)) return 4;
    sampler_cost(&cost);
    print_message("  %u interruptions in %u snapshots, %u troubles\n", interruptions,
                  mine[0]->snapshot_count, cost.trouble_count);
    if (interruptions > 4 || mine[0]->snapshot_count < 20) return 5;
    if (cost.trouble_count != 1 || !strstr(cost.troubles[0], "syscall")) return 6;
    sampler_stop();
    return 0;
}

__attribute__((noinline)) static void rest_ms(uint64_t ms)
{
    struct timespec left = { .tv_nsec = (long)(ms * NS_PER_MS) };

    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    sink++;
}

/* How many snapshots say that the thread waited in a function, for most of their time. */
static uint32_t waits_told_in(const struct sample *sample, const void *function)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        struct weight weight = sample_weight(sample, i);

        count += weight.wait_ns > weight.weight_ns / 2 &&
                 stack_has(sample, sample->snapshots[i].stack, function);
    }
    return count;
}

/* Runs until just after a copy was made. */
__attribute__((noinline)) static void spin_until_copied(void)
{
    uint64_t before = atomic_load(&hot.handler_ticks);

    while (atomic_load(&hot.handler_ticks) == before) {
        sink++;
    }
}

/* And a sleep is not told of what ran before it. */
static int unprivileged_sleeper_main(void)
{
    enum { ROUNDS = 12, REST_MS = 100 };
    uint32_t rests = 0, spins_most = 0, sleeps = 0;

    if (geteuid() != 0) return CHILD_SKIPS;
    if (rights_give_up() != 0) return 3;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        stakeout_call call = stakeout_call_begin(arm("unprivileged"));
        uint32_t spins;

        spin_until_copied();
        rest_ms(REST_MS);
        stakeout_call_end(call, 0);
        if (!wait_until(samples_are, &(uint32_t){ 1 }, 5000)) return 4;
        rests += waits_told_in(mine[0], (void *)rest_ms);
        spins = waits_told_in(mine[0], (void *)spin_until_copied);
        if (spins > spins_most) spins_most = spins;
        sleeps += mine[0]->snapshots[mine[0]->snapshot_count - 1].wait == WAIT_SLEEP;
        disarm(NULL);
    }
    print_message("  %u waits in rest_ms(), at most %u of a sample before, %u sleeps\n", rests,
                  spins_most, sleeps);
    sampler_stop();
    if (sleeps < ROUNDS / 2 || rests < ROUNDS * REST_MS / FREQUENCY_MS / 6) return 5;
    /* The look before a change stands until the next one. */
    return spins_most > 3 ? 6 : 0;
}

static void without_rights_a_wait_is_not_interrupted_by_each_look(void **state)
{
    (void)state;
    child_claim(unprivileged_main);
}

static void without_rights_a_wait_is_not_told_of_what_ran_before(void **state)
{
    (void)state;
    child_claim(unprivileged_sleeper_main);
}

static int start(void **state)
{
    (void)state;
    return one_task_start(&(struct sampler_options){ .on_sample = on_sample });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_wait_is_not_interrupted_where_its_frames_are_lost, disarm),
        cmocka_unit_test_teardown(waits_in_turn_are_not_interrupted, disarm),
        cmocka_unit_test_teardown(detached_time_is_waiting_under_its_name, disarm),
        cmocka_unit_test_teardown(cpu_time_of_all_threads_of_a_call_is_added, disarm),
        cmocka_unit_test_teardown(nested_slow_calls_are_both_heard, disarm),
        cmocka_unit_test_teardown(a_thread_that_blocks_our_signal_is_heard_while_it_sleeps, disarm),
        cmocka_unit_test_teardown(code_may_be_unloaded_after_it_was_seen, disarm),
        cmocka_unit_test_teardown(a_deep_recursion_loses_its_middle, disarm),
        cmocka_unit_test(without_rights_a_wait_is_not_interrupted_by_each_look),
        cmocka_unit_test(without_rights_a_wait_is_not_told_of_what_ran_before),
    };

    return cmocka_run_group_tests_name("looks", tests, start, one_task_stop);
}
