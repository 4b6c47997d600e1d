/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/support/random_sample.h"

#include "common/base/check.h"

#include <stdio.h>
#include <string.h>

#define NS_THRESHOLD_MADE UINT64_C(100000000)

enum { DEPTH_MADE = 30 };

/* splitmix64: every seed gives another sequence, also 0. */
static uint64_t next(struct random_source *source)
{
    uint64_t z = source->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t random_below(struct random_source *source, uint64_t bound)
{
    return next(source) % bound;
}

static uint32_t string(struct random_source *source, struct stack_table *table, const char *stem)
{
    char text[64];
    uint32_t index;

    snprintf(text, sizeof text, "%s\xc3\xbc_%u", stem, (unsigned)random_below(source, 50));
    CHECK(stack_table_string(table, text_of(text), &index) == 0);
    return index;
}

static struct frame native_frame(struct random_source *source, struct stack_table *table)
{
    struct frame frame = { .kind = FRAME_NATIVE, .offset = next(source) };
    char path[32];
    uint8_t build_id[20];

    frame.offset >>= random_below(source, 64);
    snprintf(path, sizeof path, "/usr/lib/lib%u.so", (unsigned)random_below(source, 5));
    memset(build_id, path[12], sizeof build_id);
    CHECK(stack_table_module(table, text_of(path),
                             (struct text){ (char *)build_id, random_below(source, 2) * 20 },
                             &frame.module) == 0);
    if (random_below(source, 4) > 0) {
        frame.function = string(source, table, "render");
        frame.function_offset = frame.offset - random_below(source, 500);
    }
    return frame;
}

static uint32_t frame(struct random_source *source, struct stack_table *table)
{
    struct frame frame;
    uint32_t index;

    switch (random_below(source, 6)) {
    case 0:
        frame = (struct frame){ .kind = FRAME_MARKER, .count = (uint32_t)random_below(source, 99) };
        frame.function = string(source, table, MARKER_DROPPED);
        break;
    case 1:
        frame = (struct frame){ .kind = FRAME_PYTHON, .line = (uint32_t)next(source) };
        frame.function = string(source, table, "total");
        frame.class_name = string(source, table, "Cart");
        frame.file = string(source, table, "/srv/cart.py");
        break;
    default:
        frame = native_frame(source, table);
    }
    CHECK(stack_table_frame(table, &frame, &index) == 0);
    return index;
}

/* Changes some of the innermost frames of the stack before and puts it in. */
static uint32_t stack(struct random_source *source, struct stack_table *table, uint32_t *frames,
                      uint32_t *count)
{
    uint32_t kept = (uint32_t)random_below(source, *count + 1);
    uint32_t added = (uint32_t)random_below(source, DEPTH_MADE - kept) + (kept == 0);
    uint32_t index;

    memmove(frames + added, frames + *count - kept, kept * sizeof *frames);
    for (uint32_t i = 0; i < added; i++) {
        frames[i] = frame(source, table);
    }
    *count = kept + added;
    CHECK(stack_table_stack(table, frames, *count, &index) == 0);
    return index;
}

/* Of one lock in four the owner is not known, of one owner in four the stack. */
static void lock(struct random_source *source, struct sample *sample, struct snapshot *snapshot)
{
    struct lock_owner owner = { .thread_id = 1 + (uint32_t)random_below(source, 5) };
    uint32_t frames[DEPTH_MADE + 1], count = 0;

    snapshot->waiting_for = string(source, &sample->stacks, "mutex ");
    if (random_below(source, 4) == 0) return;
    owner.thread_name = string(source, &sample->stacks, "worker-");
    if (random_below(source, 4) > 0)
        owner.stack = 1 + stack(source, &sample->stacks, frames, &count);
    if (sample_add_owner(sample, &owner, &snapshot->owner) < 0) sample->owners_dropped++;
}

static void snapshots(struct random_source *source, struct sample *sample)
{
    uint64_t at_ns = NS_THRESHOLD_MADE;
    uint32_t frames[DEPTH_MADE + 1], count = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        struct snapshot *snapshot = &sample->snapshots[i];

        snapshot->offset_ns = at_ns;
        snapshot->stack = i > 0 && random_below(source, 3) > 0
                              ? snapshot[-1].stack
                              : stack(source, &sample->stacks, frames, &count);
        snapshot->cpu_ns = i > 0 ? random_below(source, 30000000) : 0;
        snapshot->queue_ns = i > 0 ? random_below(source, 30000000) : 0;
        snapshot->wait = (enum wait_kind)random_below(source, WAIT_KIND_COUNT);
        snapshot->syscall =
            snapshot->wait == WAIT_NONE ? SYSCALL_NONE : (int32_t)random_below(source, 450);
        if (snapshot->wait == WAIT_LOCK) lock(source, sample, snapshot);
        at_ns += 1 + random_below(source, 40000000);
    }
    sample->elapsed_ns = at_ns;
    sample->listened_ns = at_ns - NS_THRESHOLD_MADE;
}

struct sample *random_sample(struct random_source *source, uint32_t snapshot_count)
{
    struct sample *sample = sample_new();

    CHECK(sample != NULL);
    snprintf(sample->id.text, sizeof sample->id.text, "%032llx", 1 + next(source) % 1000000ULL);
    snprintf(sample->trace.text, sizeof sample->trace.text, "%032llx", 1 + next(source) % 1000ULL);
    snprintf(sample->task.text, sizeof sample->task.text, "%020llx", 1 + next(source) % 1000ULL);
    snprintf(sample->application, sizeof sample->application, "shop-%c",
             (int)('a' + next(source) % 26));
    snprintf(sample->instance, sizeof sample->instance, "host-\xe2\x82\xac:%u",
             (unsigned)(next(source) % 9999));
    snprintf(sample->host_ip, sizeof sample->host_ip, "%s",
             next(source) % 2 ? "10.0.0.7" : "fe80::1");
    snprintf(sample->interface, sizeof sample->interface, "POST /checkout/{id}");
    snprintf(sample->thread_name, sizeof sample->thread_name, "worker %u",
             (unsigned)(next(source) % 8));
    sample->revision = 1 + (uint32_t)random_below(source, 3);
    sample->running = random_below(source, 2) == 1;
    sample->incarnation = next(source) | 1;
    sample->thread_id = (uint32_t)next(source);
    sample->response_code = (int32_t)next(source);
    sample->began_wall_ns = next(source);
    sample->threshold_ns = NS_THRESHOLD_MADE;
    sample->frequency_ns = sample->interval_ns = 20000000;
    sample->end_cpu_ns = random_below(source, 1000000);
    sample->end_queue_ns = random_below(source, 1000000);
    sample->merged_count = (uint32_t)random_below(source, 3);
    sample->snapshots = mem_zalloc(snapshot_count, sizeof *sample->snapshots);
    sample->snapshot_count = snapshot_count;
    snapshots(source, sample);
    return sample;
}
