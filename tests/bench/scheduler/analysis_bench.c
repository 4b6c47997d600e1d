/* SPDX-License-Identifier: Apache-2.0 */
/* analysis_bench.c [SAMPLES [SNAPSHOTS [FRAMES]]]: what an analysis and its exports cost.
 *
 * The sample walks like a program: from snapshot to snapshot a few of its innermost frames change,
 * out of 600 functions. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/analysis/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { FUNCTIONS = 600, BUF_MAX = 1 << 30 };

static uint32_t random_next(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)*seed * below >> 32);
}

static uint32_t frame_make(struct sample *sample, uint32_t number)
{
    struct frame frame = { .kind = FRAME_NATIVE, .offset = 0x1000 + number * 64u };
    char name[64];
    uint32_t index;

    snprintf(name, sizeof name, "shop::module_%u::function_%u(int)", number / 20, number);
    CHECK(stack_table_module(&sample->stacks, TEXT("/srv/shop"), TEXT("12345678"), &frame.module) ==
          0);
    CHECK(stack_table_string(&sample->stacks, text_of(name), &frame.function) == 0);
    CHECK(stack_table_frame(&sample->stacks, &frame, &index) == 0);
    return index;
}

static struct sample *sample_make(uint32_t snapshots, uint32_t depth, uint32_t *seed)
{
    struct sample *sample = sample_new();
    uint32_t frames[STACK_FRAMES_MAX];

    for (uint32_t i = 0; i < depth; i++)
        frames[i] = frame_make(sample, i % FUNCTIONS);
    sample->snapshots = mem_zalloc(snapshots, sizeof *sample->snapshots);
    for (uint32_t i = 0; i < snapshots; i++) {
        uint32_t changed = random_next(seed, depth < 8 ? depth : 8), stack;

        for (uint32_t j = 0; j < changed; j++)
            frames[j] = frame_make(sample, random_next(seed, FUNCTIONS));
        CHECK(stack_table_stack(&sample->stacks, frames, depth, &stack) == 0);
        sample->snapshots[i] = (struct snapshot){ .offset_ns = (uint64_t)(i + 10) * 10 * NS_PER_MS,
                                                  .stack = stack,
                                                  .syscall = SYSCALL_NONE,
                                                  .cpu_ns = i > 0 ? 9 * NS_PER_MS : 0 };
    }
    sample->snapshot_count = snapshots;
    sample->elapsed_ns = (uint64_t)(snapshots + 10) * 10 * NS_PER_MS;
    sample->listened_ns = (uint64_t)snapshots * 10 * NS_PER_MS;
    sample->frequency_ns = sample->interval_ns = 10 * NS_PER_MS;
    return sample;
}

static double ms_since(uint64_t began_ns)
{
    return (double)(clock_monotonic_ns() - began_ns) / 1e6;
}

static uint32_t argument(int argc, char **argv, int index, uint32_t otherwise)
{
    return argc > index ? (uint32_t)strtoul(argv[index], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    uint32_t count = argument(argc, argv, 1, 1), seed = 1;
    uint32_t snapshots = argument(argc, argv, 2, SNAPSHOTS_MAX);
    uint32_t depth = argument(argc, argv, 3, 60);
    struct sample **samples = mem_zalloc(count, sizeof(struct sample *));
    struct analysis *analysis;
    struct rusage usage;
    uint64_t began_ns;

    CHECK(count > 0 && snapshots > 0 && depth > 0 && depth <= STACK_FRAMES_MAX);
    for (uint32_t i = 0; i < count; i++)
        samples[i] = sample_make(snapshots, depth, &seed);
    began_ns = clock_monotonic_ns();
    analysis = analysis_new((const struct sample *const *)samples, NULL, count);
    printf("%u samples x %u snapshots x %u frames\n", count, snapshots, depth);
    printf("%-12s %9.1f ms  %u paths, %u nodes\n", "analysis", ms_since(began_ns),
           analysis->paths.count, analysis->tree.count);
    for (int format = 0; format < EXPORT_COUNT; format++) {
        OWN(buf_done) struct buf text = BUF_INIT(BUF_MAX);
        int rc;

        began_ns = clock_monotonic_ns();
        rc = analysis_export(analysis, (enum export_format)format, TEXT("bench"), &text);
        printf("%-12s %9.1f ms  %.1f MB%s\n", export_format_slug((enum export_format)format),
               ms_since(began_ns), (double)text.size / 1e6, rc < 0 ? ", too large" : "");
    }
    analysis_free(analysis);
    getrusage(RUSAGE_SELF, &usage);
    printf("%-12s %9.1f MB, samples included\n", "memory", (double)usage.ru_maxrss / 1024);
    for (uint32_t i = 0; i < count; i++)
        sample_free(samples[i]);
    free(samples);
    return 0;
}
