/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/owners/watched_call.h"

#include "common/base/clock.h"
#include "common/wire/messages.h"
#include "tests/integration/probe/one_task.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static struct sample *newest;
static volatile uint64_t sink;

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    one_task_accept(take_sample);
    pthread_mutex_lock(&gate);
    sample_free(newest);
    newest = take_sample;
    pthread_mutex_unlock(&gate);
}

int watched_start(void **state)
{
    (void)state;
    return one_task_start(&(struct sampler_options){ .on_sample = on_sample });
}

int watched_stop(void **state)
{
    one_task_stop(state);
    newest = sample_free(newest);
    return 0;
}

stakeout_interface_id watched_interface(const char *name)
{
    return one_task_arm(&(struct one_task){
        .interface = name, .threshold_ms = THRESHOLD_MS, .frequency_ms = FREQUENCY_MS });
}

static bool sample_is_here(void *context)
{
    (void)context;
    pthread_mutex_lock(&gate);
    bool is_here = newest != NULL;
    pthread_mutex_unlock(&gate);
    return is_here;
}

struct sample *watched_sample(void)
{
    struct sample *sample;

    if (!wait_until(sample_is_here, NULL, 20000)) fail_msg("no sample came");
    pthread_mutex_lock(&gate);
    sample = newest;
    newest = NULL;
    pthread_mutex_unlock(&gate);
    return sample;
}

static bool frame_is(const struct frame *frame, const void *function)
{
    struct link_map *map = NULL;
    Dl_info info;

    if (frame->kind != FRAME_NATIVE || frame->function_offset == 0) return false;
    if (dladdr1(function, &info, (void **)&map, RTLD_DL_LINKMAP) == 0) return false;
    return frame->function_offset == (uint64_t)(uintptr_t)function - map->l_addr;
}

bool stack_has(const struct sample *sample, uint32_t stack, const void *function)
{
    const struct stack_table *table = &sample->stacks;
    const struct stack *frames = &table->stacks[stack];

    for (uint32_t i = 0; i < frames->count; i++) {
        if (frame_is(&table->frames[table->stack_frames[frames->first + i]], function)) return true;
    }
    return false;
}

bool stack_is_cut(const struct sample *sample, uint32_t stack)
{
    const struct stack *frames = &sample->stacks.stacks[stack];
    uint32_t outermost = sample->stacks.stack_frames[frames->first + frames->count - 1];

    return sample->stacks.frames[outermost].kind == FRAME_MARKER;
}

void spin_ms(uint64_t ms)
{
    uint64_t until_ns = clock_thread_cpu_ns() + ms * NS_PER_MS;

    while (clock_thread_cpu_ns() < until_ns) {
        for (int i = 0; i < 20000; i++) {
            sink++;
        }
    }
}
