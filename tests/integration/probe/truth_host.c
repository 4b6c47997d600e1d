/* SPDX-License-Identifier: Apache-2.0 */
/* truth_host.c: is what a sample says true?
 *
 * A call spends 300 ms of CPU in a(), 500 ms asleep in b(), and 200 ms waiting for a mutex in c(),
 * and measures that itself. The sampler listens to it from 100 ms on, every 10 ms. Then each
 * function's total must be what the host measured, within the gaps between the two snapshots around
 * each of its boundaries and 2 %; and so must CPU, queueing and waiting be told apart. All of it
 * with frame pointers and without, on a machine that is quiet and on one where others want both
 * cores. With "perf" as its argument the stacks of running threads come by perf events; where the
 * machine refuses those, it is the same test once more. */
#include "common/base/clock.h"
#include "probe/agent/engine/sampler.h"
#include "probe/hot/record.h"
#include "probe/include/stakeout/stakeout.h"
#include "tests/integration/probe/truth_call.h"
#include "tests/support/crowd.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { THRESHOLD_MS = 100, FREQUENCY_MS = 10 };

static _Atomic(struct sample *) received;

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    if (take_sample->running) {
        sample_free(take_sample);
        return;
    }
    sample_free(atomic_exchange(&received, take_sample));
}

static bool has_sample(void *context)
{
    (void)context;
    return atomic_load(&received) != NULL;
}

static void arm(struct task_id *task)
{
    struct task_order order = { .id = task_id_make(clock_wall_ns() / NS_PER_MS),
                                .interface = "truth",
                                .state = TASK_ACTIVE,
                                .threshold_ns = THRESHOLD_MS * NS_PER_MS,
                                .frequency_ns = FREQUENCY_MS * NS_PER_MS,
                                .sample_cap = 10,
                                .ends_monotonic_ns = clock_monotonic_ns() + 60 * NS_PER_S };

    *task = order.id;
    sampler_set_tasks(&order, 1);
}

/* Makes the call, watched, and returns its sample. */
static struct sample *catch_call(const struct truth_functions *functions, struct truth *ret)
{
    struct task_id task;
    struct sample *sample;

    arm(&task);
    assert_int_equal(truth_call_make(functions, ret), 0);
    assert_true(wait_until(has_sample, NULL, 10000));
    sample = atomic_exchange(&received, NULL);
    sampler_settle(
        &(struct settlement){ .sample = sample->id, .revision = sample->revision, .outcome = 1 });
    return sample;
}

/* Where a function's code lies in its module's own addresses. */
static uint64_t offset_of(const void *function)
{
    Dl_info info;

    assert_int_not_equal(dladdr(function, &info), 0);
    return (uint64_t)((const char *)function - (const char *)info.dli_fbase);
}

static bool stack_has(const struct sample *sample, uint32_t stack, uint64_t function)
{
    const struct stack_table *table = &sample->stacks;

    for (uint32_t i = 0; i < table->stacks[stack].count; i++) {
        const struct frame *frame =
            &table->frames[table->stack_frames[table->stacks[stack].first + i]];

        if (frame->kind == FRAME_NATIVE && frame->function_offset == function) return true;
    }
    return false;
}

struct share {
    struct weight sum;
    uint64_t gaps_ns; /* between the two snapshots around its begin, and around its end */
    uint32_t first, last, count;
};

static uint64_t gap_after(const struct sample *sample, uint32_t snapshot)
{
    return sample_weight(sample, snapshot).weight_ns;
}

static struct share share_of(const struct sample *sample, const void *function)
{
    struct share share = { .first = UINT32_MAX };

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        struct weight weight = sample_weight(sample, i);

        if (!stack_has(sample, sample->snapshots[i].stack, offset_of(function))) continue;
        if (share.first == UINT32_MAX) share.first = i;
        share.last = i;
        share.count++;
        share.sum.weight_ns += weight.weight_ns;
        share.sum.cpu_ns += weight.cpu_ns;
        share.sum.queue_ns += weight.queue_ns;
        share.sum.wait_ns += weight.wait_ns;
    }
    if (share.count == 0) return share;
    share.gaps_ns = gap_after(sample, share.last);
    if (share.first > 0) share.gaps_ns += gap_after(sample, share.first - 1);
    return share;
}

static void print_sample(const struct sample *sample)
{
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct snapshot *s = &sample->snapshots[i];
        const struct stack *stack = &sample->stacks.stacks[s->stack];
        struct weight w = sample_weight(sample, i);

        print_message("%3u at %7.1f ms for %5.1f cpu %5.1f queue %5.1f wait %5.1f %s [%.*s] ", i,
                      (double)s->offset_ns / 1e6, (double)w.weight_ns / 1e6, (double)w.cpu_ns / 1e6,
                      (double)w.queue_ns / 1e6, (double)w.wait_ns / 1e6, wait_kind_name(s->wait),
                      TEXT_ARGS(stack_table_text(&sample->stacks, s->waiting_for)));
        for (uint32_t f = 0; f < stack->count; f++) {
            const struct frame *frame =
                &sample->stacks.frames[sample->stacks.stack_frames[stack->first + f]];

            print_message(" %" PRIx64, frame->kind == FRAME_NATIVE ? frame->function_offset : 0);
        }
        print_message("\n");
    }
}

static void assert_near(const char *what, uint64_t got_ns, uint64_t truth_ns, uint64_t slack_ns)
{
    uint64_t difference = got_ns > truth_ns ? got_ns - truth_ns : truth_ns - got_ns;
    uint64_t allowed = slack_ns + truth_ns / 50;

    print_message("    %-22s %8.1f ms, truth %8.1f ms, allowed +-%.1f\n", what,
                  (double)got_ns / 1e6, (double)truth_ns / 1e6, (double)allowed / 1e6);
    if (difference > allowed) {
        fail_msg("%s: %.1f ms, but truly %.1f ms (allowed +-%.1f)", what, (double)got_ns / 1e6,
                 (double)truth_ns / 1e6, (double)allowed / 1e6);
    }
}

/* What was neither on a CPU nor queued for one. */
static uint64_t waited_ns(const struct truth_part *part)
{
    return part->wall_ns - part->cpu_ns - part->queue_ns;
}

/* The sample's sums, against what the host measured. The head is not observed: it is part of
 * a(). */
static void assert_true_sample(const struct sample *sample, const struct truth *truth,
                               const struct truth_functions *functions)
{
    struct share a = share_of(sample, functions->a), b = share_of(sample, functions->b);
    struct share c = share_of(sample, functions->c);
    uint64_t total = 0, head = sample->snapshots[0].offset_ns;
    uint64_t a_wall = truth->a.wall_ns - head, queue = 0;
    /* What the host, which never waits in a(), itself counted as neither: a hypervisor took it. */
    uint64_t counted = truth->a.cpu_ns + truth->a.queue_ns;
    uint64_t lost = truth->a.wall_ns > counted ? truth->a.wall_ns - counted : 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        total += sample_weight(sample, i).weight_ns;
        queue += sample_weight(sample, i).queue_ns;
    }
    assert_int_equal(total, sample->listened_ns);
    assert_int_equal(head + total, sample->elapsed_ns);
    assert_near("a: total", a.sum.weight_ns, a_wall, a.gaps_ns);
    assert_near("b: total", b.sum.weight_ns, truth->b.wall_ns, b.gaps_ns);
    assert_near("c: total", c.sum.weight_ns, truth->c.wall_ns, c.gaps_ns);
    assert_near("a: CPU and queue", a.sum.cpu_ns + a.sum.queue_ns, a_wall, a.gaps_ns + lost);
    assert_near("b: waiting", b.sum.wait_ns, waited_ns(&truth->b), b.gaps_ns);
    assert_near("c: waiting", c.sum.wait_ns, waited_ns(&truth->c), c.gaps_ns);
    assert_near("b: queue", b.sum.queue_ns, truth->b.queue_ns, b.gaps_ns);
    assert_near("c: queue", c.sum.queue_ns, truth->c.queue_ns, c.gaps_ns);
    /* The host knows the whole call's queueing, and of the head only how long it was. */
    assert_in_range(queue, 0, truth->queue_ns + truth->queue_ns / 50 + NS_PER_MS);
    assert_in_range(queue + head + truth->queue_ns / 50 + NS_PER_MS, truth->queue_ns, UINT64_MAX);
    assert_in_range(a.sum.cpu_ns, 0, truth->a.cpu_ns + a.gaps_ns);
    assert_in_range(a.sum.cpu_ns + head + a.gaps_ns, truth->a.cpu_ns, UINT64_MAX);
    print_message("    queue %.1f ms of %.1f ms in the whole call\n", (double)queue / 1e6,
                  (double)truth->queue_ns / 1e6);
    assert_int_equal(sample->snapshots[b.first + b.count / 2].wait, WAIT_SLEEP);
    assert_int_equal(sample->snapshots[c.first + c.count / 2].wait, WAIT_LOCK);
    assert_non_null(strstr(
        stack_table_text(&sample->stacks, sample->snapshots[c.first + c.count / 2].waiting_for)
            .data,
        "mutex"));
    assert_int_equal(sample->response_code, TRUTH_RESPONSE_CODE);
}

static void check_truth(const struct truth_functions *functions)
{
    struct truth truth = { 0 };
    struct sample *sample = catch_call(functions, &truth);

    if (getenv("TRUTH_PRINT")) print_sample(sample);
    print_message("  %u snapshots, %.1f ms elapsed\n", sample->snapshot_count,
                  (double)sample->elapsed_ns / 1e6);
    assert_true_sample(sample, &truth, functions);
    sample_free(sample);
}

static void truth_with_frame_pointers(void **state)
{
    struct truth_functions functions = truth_functions();

    (void)state;
    check_truth(&functions);
}

static struct truth_functions library_functions(void)
{
    static void *library;
    struct truth_functions (*functions)(void);
    void *found;

    if (!library) library = dlopen(TRUTH_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    found = dlsym(library, "truth_functions");
    assert_non_null(found);
    memcpy(&functions, &found, sizeof found);
    return functions();
}

static void truth_through_a_library_without_frame_pointers(void **state)
{
    struct truth_functions functions = library_functions();

    (void)state;
    check_truth(&functions);
}

static void truth_while_others_want_both_cores(void **state)
{
    struct truth_functions functions = library_functions();
    struct crowd crowd;

    (void)state;
    crowd_start(&crowd);
    check_truth(&functions);
    crowd_stop(&crowd);
}

static enum sampler_engine engine;

static int start(void **state)
{
    struct sampler_options options = { .on_sample = on_sample,
                                       .thread_files_max = THREAD_FILES_HELD,
                                       .engine = engine };

    (void)state;
    sampler_set_budget(SAMPLER_BUDGET_NONE, SAMPLER_BUDGET_NONE); /* each look counts here */
    return sampler_start(&options, false);
}

static int stop(void **state)
{
    (void)state;
    sampler_stop();
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truth_with_frame_pointers),
        cmocka_unit_test(truth_through_a_library_without_frame_pointers),
        cmocka_unit_test(truth_while_others_want_both_cores),
    };

    if (argc > 1 && strcmp(argv[1], "perf") == 0) engine = SAMPLER_ENGINE_PERF;
    return cmocka_run_group_tests_name("truth", tests, start, stop);
}
