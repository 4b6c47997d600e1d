/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/scheduler/analysis/made_sample.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/model/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t made_frame(struct sample *sample, struct text function, const char *module,
                    uint64_t offset)
{
    struct frame frame = { .kind = FRAME_NATIVE, .offset = offset };
    uint32_t index;

    CHECK(stack_table_module(&sample->stacks, text_of(module), TEXT("0123456789abcdefghij"),
                             &frame.module) == 0);
    CHECK(stack_table_string(&sample->stacks, function, &frame.function) == 0);
    CHECK(stack_table_frame(&sample->stacks, &frame, &index) == 0);
    return index;
}

static uint32_t marker_of(struct sample *sample, struct text words)
{
    struct frame frame = { .kind = FRAME_MARKER };
    uint32_t index;

    CHECK(stack_table_string(&sample->stacks, words, &frame.function) == 0);
    CHECK(stack_table_frame(&sample->stacks, &frame, &index) == 0);
    return index;
}

/* "NAME@MODULE", "NAME" or a marker's text */
static uint32_t frame_of(struct sample *sample, const char *words, size_t size)
{
    const char *at = memchr(words, '@', size);
    size_t name_size = at ? (size_t)(at - words) : size;
    char module[128] = "/srv/shop";

    if (text_is_equal((struct text){ words, size }, TEXT(MARKER_DETACHED)))
        return marker_of(sample, TEXT(MARKER_DETACHED));
    if (at) snprintf(module, sizeof module, "%.*s", (int)(size - name_size - 1), at + 1);
    return made_frame(sample, (struct text){ words, name_size }, module,
                      0x1000 + text_hash((struct text){ words, size }) % 0x100000);
}

static uint32_t stack_of(struct sample *sample, const char *words)
{
    uint32_t frames[STACK_FRAMES_MAX], count = 0, stack;

    while (*words != '\0') {
        const char *end = strstr(words, " < ");
        size_t size = end ? (size_t)(end - words) : strlen(words);

        frames[count++] = frame_of(sample, words, size);
        words += size + (end ? strlen(" < ") : 0);
    }
    CHECK(stack_table_stack(&sample->stacks, frames, count, &stack) == 0);
    return stack;
}

struct sample *made_sample(uint64_t elapsed_ms, uint64_t head_ms, const struct look *looks,
                           uint32_t count)
{
    struct sample *sample = sample_new();
    uint64_t offset_ns = ms_to_ns(head_ms);
    struct problem problem;

    CHECK(sample != NULL);
    sample->id = sample_id_make();
    sample->trace = trace_id_make();
    snprintf(sample->thread_name, sizeof sample->thread_name, "worker-1");
    sample->thread_id = 4711;
    sample->revision = 1;
    sample->began_wall_ns = UINT64_C(1795314727482000000);
    sample->elapsed_ns = ms_to_ns(elapsed_ms);
    sample->listened_ns = ms_to_ns(elapsed_ms - head_ms);
    sample->threshold_ns = ms_to_ns(head_ms);
    sample->frequency_ns = sample->interval_ns = ms_to_ns(10);
    sample->snapshots = mem_zalloc(count + 1, sizeof *sample->snapshots);
    for (uint32_t i = 0; i < count; i++) {
        struct snapshot *snapshot = &sample->snapshots[sample->snapshot_count++];
        const char *waiting_for = looks[i].waiting_for;

        *snapshot = (struct snapshot){ .offset_ns = offset_ns,
                                       .stack = stack_of(sample, looks[i].stack),
                                       .syscall = looks[i].wait ? 202 : SYSCALL_NONE,
                                       .wait = looks[i].wait };
        CHECK(stack_table_string(&sample->stacks, text_of(waiting_for), &snapshot->waiting_for) ==
              0);
        if (i > 0) snapshot->cpu_ns = ms_to_ns(looks[i - 1].cpu_ms);
        if (i > 0) snapshot->queue_ns = ms_to_ns(looks[i - 1].queue_ms);
        offset_ns += ms_to_ns(looks[i].for_ms);
    }
    sample->end_cpu_ns = count > 0 ? ms_to_ns(looks[count - 1].cpu_ms) : 0;
    sample->end_queue_ns = count > 0 ? ms_to_ns(looks[count - 1].queue_ms) : 0;
    if (count > 0 && sample_check(sample, &problem) < 0)
        check_failed(problem.detail, __FILE__, __LINE__);
    return sample;
}

void made_owner(struct sample *sample, uint32_t snapshot, const char *thread, const char *stack)
{
    struct lock_owner owner = { .thread_id = 4711 + (uint32_t)strlen(thread) };

    CHECK(stack_table_string(&sample->stacks, text_of(thread), &owner.thread_name) == 0);
    if (stack) owner.stack = 1 + stack_of(sample, stack);
    CHECK(sample_add_owner(sample, &owner, &sample->snapshots[snapshot].owner) == 0);
}
