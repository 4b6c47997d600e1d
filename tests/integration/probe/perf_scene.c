/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/perf_scene.h"

#include "common/base/clock.h"
#include "probe/agent/engine/perf_watch.h"
#include "probe/hot/memory.h"
#include "tests/support/process_usage.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
struct sample *perf_samples[PERF_SAMPLES_MAX];
uint32_t perf_sample_count;

void perf_on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    one_task_accept(take_sample);
    pthread_mutex_lock(&lock);
    assert_true(perf_sample_count < PERF_SAMPLES_MAX);
    perf_samples[perf_sample_count++] = take_sample;
    pthread_mutex_unlock(&lock);
}

bool perf_samples_are(void *context)
{
    pthread_mutex_lock(&lock);
    bool are = perf_sample_count >= *(uint32_t *)context;
    pthread_mutex_unlock(&lock);
    return are;
}

void perf_await_samples(uint32_t count)
{
    if (!wait_until(perf_samples_are, &count, 10000)) fail_msg("%u samples", perf_sample_count);
}

stakeout_interface_id perf_arm_lookback(const char *interface, bool lookback)
{
    return one_task_arm(&(struct one_task){ .interface = interface,
                                            .threshold_ms = PERF_THRESHOLD_MS,
                                            .frequency_ms = PERF_FREQUENCY_MS,
                                            .lookback = lookback });
}

stakeout_interface_id perf_arm(const char *interface)
{
    return perf_arm_lookback(interface, false);
}

/* What `stakeout doctor` would be told of, and that has this word in it; NULL: nothing. */
const char *perf_trouble(const char *word)
{
    static struct sampler_cost cost;

    sampler_cost(&cost);
    for (uint32_t i = 0; i < cost.trouble_count; i++) {
        if (strstr(cost.troubles[i], word)) return cost.troubles[i];
    }
    return NULL;
}

int perf_start(void **state)
{
    struct sampler_options options = { .on_sample = perf_on_sample,
                                       .thread_files_max = THREAD_FILES_HELD,
                                       .engine = SAMPLER_ENGINE_PERF };

    (void)state;
    return one_task_start(&options);
}

int perf_stop(void **state)
{
    (void)state;
    sampler_stop();
    for (uint32_t i = 0; i < perf_sample_count; i++) {
        perf_samples[i] = sample_free(perf_samples[i]);
    }
    perf_sample_count = 0;
    return 0;
}

/* Are there perf events on this machine at all? The sampler may be trying that at this moment. */
void perf_need(void)
{
    static unsigned char bytes[STACK_COPY_SIZE_MAX];
    static struct perf_engine perf;

    perf_engine_open(&perf, SAMPLER_ENGINE_AUTO, true);
    perf_engine_prove(&perf, bytes, sizeof bytes);
    if (!perf.is_on) {
        print_message("  %s\n", perf_engine_trouble(&perf));
        skip();
    }
}

uint32_t perf_signals_sent(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < STACK_COPIES_MAX; i++) {
        count += atomic_load(&hot.loans[i].sequence);
    }
    return count;
}

uint32_t perf_ring_count(void)
{
    return process_mapping_count(getpid(), "[perf_event]");
}

static _Thread_local volatile uint64_t sink;

__attribute__((noinline)) void perf_spin_ms(uint64_t ms)
{
    uint64_t until_ns = clock_thread_cpu_ns() + ms * NS_PER_MS;

    while (clock_thread_cpu_ns() < until_ns) {
        for (int i = 0; i < 1000; i++) {
            sink++;
        }
    }
}

bool perf_has_no_rings(void *context)
{
    (void)context;
    return perf_ring_count() == 0;
}

bool perf_stack_has(const struct sample *sample, uint32_t snapshot, const void *function)
{
    const struct stack_table *table = &sample->stacks;
    const struct stack *stack = &table->stacks[sample->snapshots[snapshot].stack];
    Dl_info info;

    if (dladdr(function, &info) == 0) return false;
    for (uint32_t i = 0; i < stack->count; i++) {
        const struct frame *frame = &table->frames[table->stack_frames[stack->first + i]];

        if (frame->kind == FRAME_NATIVE &&
            frame->function_offset == (uint64_t)((const char *)function - (char *)info.dli_fbase))
            return true;
    }
    return false;
}

uint32_t perf_count_with(const struct sample *sample, const void *function)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        count += perf_stack_has(sample, i, function);
    }
    return count;
}

void perf_forget(void)
{
    pthread_mutex_init(&lock, NULL);
    perf_sample_count = 0;
}
