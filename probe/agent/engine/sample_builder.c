/* SPDX-License-Identifier: Apache-2.0 */
/* sample_builder.c: the arithmetic of listening.
 *
 * Queueing needs care. The kernel adds a spell in the run queue to schedstat when it ends, so the
 * look after it sees all of it at once, though looks in between have found the thread unchanged. It
 * is given to the intervals backwards, as much as each has room for beside its CPU time; a spell is
 * one piece, and the latest of it is the latest. */
#include "probe/agent/engine/sample_builder.h"

#include "probe/agent/unwind/modules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CAPACITY_FIRST = 64,
    FRAMES_INNER = STACK_FRAMES_MAX / 2, /* kept of a deep stack: as many inner ones, ... */
    FRAMES_OUTER = STACK_FRAMES_MAX - FRAMES_INNER,
};

void builder_init(struct sample_builder *builder, struct sample *take_sample, uint64_t began_ns)
{
    *builder = (struct sample_builder){ .sample = take_sample, .began_ns = began_ns };
    builder->interval_ns = take_sample->interval_ns = take_sample->frequency_ns;
}

void builder_done(struct sample_builder *builder)
{
    sample_free(builder->sample);
    *builder = (struct sample_builder){ 0 };
}

/* Copies the table's content in order, so that every index stays what it was; of stacks, those in
 * use alone would do, but their order would change. */
static int table_copy(const struct stack_table *from, struct stack_table *to)
{
    uint32_t index;
    int rc = 0;

    for (uint32_t i = 1; rc == 0 && i < from->string_count; i++) {
        rc = stack_table_string(to, from->strings[i], &index);
    }
    for (uint32_t i = 0; rc == 0 && i < from->module_count; i++) {
        const struct module *module = &from->modules[i];

        rc = stack_table_module(
            to, stack_table_text(from, module->path),
            (struct text){ (const char *)module->build_id, module->build_id_size }, &index);
    }
    for (uint32_t i = 0; rc == 0 && i < from->frame_count; i++) {
        rc = stack_table_frame(to, &from->frames[i], &index);
    }
    return rc;
}

/* Copies the stacks that snapshots are of, and renumbers those. */
static int stacks_copy(const struct sample *from, struct sample *to)
{
    for (uint32_t i = 0; i < to->snapshot_count; i++) {
        const struct stack *stack = &from->stacks.stacks[from->snapshots[i].stack];
        int rc = stack_table_stack(&to->stacks, from->stacks.stack_frames + stack->first,
                                   stack->count, &to->snapshots[i].stack);

        if (rc < 0) return rc;
    }
    return 0;
}

/* Copies the owners that snapshots name, with their stacks, and renumbers both. */
static int owners_copy(const struct sample *from, struct sample *to)
{
    for (uint32_t i = 0; i < to->snapshot_count; i++) {
        const struct lock_owner *known = sample_owner(from, i);
        struct lock_owner owner;
        int rc = 0;

        if (!known) continue;
        owner = *known;
        if (owner.stack > 0) {
            const struct stack *stack = &from->stacks.stacks[owner.stack - 1];

            rc = stack_table_stack(&to->stacks, from->stacks.stack_frames + stack->first,
                                   stack->count, &owner.stack);
            owner.stack++;
        }
        if (rc == 0) rc = sample_add_owner(to, &owner, &to->snapshots[i].owner);
        if (rc < 0) return rc;
    }
    return 0;
}

static struct sample *sample_copy(const struct sample *from)
{
    struct sample *to = sample_new();
    struct stack_table empty;
    struct snapshot *snapshots;

    if (!to) return NULL;
    empty = to->stacks;
    *to = *from;
    to->stacks = empty;
    to->owners = NULL;
    to->owner_count = 0;
    snapshots = malloc(((size_t)from->snapshot_count + 1) * sizeof *snapshots);
    to->snapshots = snapshots;
    if (!snapshots) return sample_free(to);
    memcpy(snapshots, from->snapshots, from->snapshot_count * sizeof *snapshots);
    if (table_copy(&from->stacks, &to->stacks) < 0 || stacks_copy(from, to) < 0 ||
        owners_copy(from, to) < 0)
        return sample_free(to);
    return to;
}

static int builder_grow(struct sample_builder *builder)
{
    uint32_t capacity = builder->capacity > 0 ? 2 * builder->capacity : CAPACITY_FIRST;
    struct snapshot *grown;

    if (builder->sample->snapshot_count < builder->capacity) return 0;
    grown = realloc(builder->sample->snapshots, capacity * sizeof *grown);
    if (!grown) return -ENOMEM;
    builder->sample->snapshots = grown;
    builder->capacity = capacity;
    return 0;
}

/* Merges every other snapshot, and forgets the stacks that only those had. */
static void builder_thin(struct sample_builder *builder)
{
    struct sample *thinner;

    builder->thinned_count += sample_thin(builder->sample);
    builder->interval_ns *= 2;
    thinner = sample_copy(builder->sample);
    if (!thinner) return; /* then the stacks stay until there is memory */
    builder->capacity = thinner->snapshot_count;
    sample_free(builder->sample);
    builder->sample = thinner;
}

int builder_add(struct sample_builder *builder, const struct look *look)
{
    struct sample *sample = builder->sample;
    uint64_t offset_ns = look->at_ns > builder->began_ns ? look->at_ns - builder->began_ns : 0;
    struct snapshot *snapshot;
    int rc;

    if (sample->snapshot_count > 0 &&
        offset_ns <= sample->snapshots[sample->snapshot_count - 1].offset_ns)
        return -EALREADY;
    rc = builder_grow(builder);
    if (rc < 0) return rc;
    snapshot = &sample->snapshots[sample->snapshot_count++];
    *snapshot = (struct snapshot){ .offset_ns = offset_ns,
                                   .stack = look->stack,
                                   .syscall = look->syscall,
                                   .wait = look->wait,
                                   .waiting_for = look->waiting_for };
    if (sample->snapshot_count > 1) {
        /* What thinning left of a snapshot that went last belongs to the one that follows. */
        if (look->cpu_ns > builder->cpu_ns) snapshot->cpu_ns = look->cpu_ns - builder->cpu_ns;
        snapshot->cpu_ns += sample->end_cpu_ns;
        snapshot->queue_ns = sample->end_queue_ns;
        sample->end_cpu_ns = sample->end_queue_ns = 0;
        builder_add_queue(builder, look->queue_ns);
    }
    if (look->cpu_ns > builder->cpu_ns) builder->cpu_ns = look->cpu_ns;
    if (sample->snapshot_count == SNAPSHOTS_MAX) builder_thin(builder);
    return 0;
}

void builder_add_queue(struct sample_builder *builder, uint64_t queue_ns)
{
    struct sample *sample = builder->sample;

    for (uint32_t i = sample->snapshot_count; queue_ns > 0 && i-- > 1;) {
        struct snapshot *snapshot = &sample->snapshots[i];
        uint64_t weight_ns = snapshot->offset_ns - snapshot[-1].offset_ns;
        uint64_t used_ns = snapshot->cpu_ns + snapshot->queue_ns;
        uint64_t part_ns = used_ns < weight_ns ? weight_ns - used_ns : 0;

        if (part_ns > queue_ns) part_ns = queue_ns;
        snapshot->queue_ns += part_ns;
        queue_ns -= part_ns;
    }
}

static int marker_frame(struct stack_table *table, struct text marker, uint32_t count,
                        uint32_t *ret)
{
    struct frame frame = { .kind = FRAME_MARKER, .count = count };
    int rc = stack_table_string(table, marker, &frame.function);

    return rc < 0 ? rc : stack_table_frame(table, &frame, ret);
}

static int native_frame(struct stack_table *table, const struct walk_frame *at,
                        const struct modules *modules, uint32_t *ret)
{
    const struct loaded_module *module = modules_find(modules, at->pc);
    struct frame frame = { .kind = FRAME_NATIVE, .offset = at->pc };
    struct text path = text_of(module ? module->path : "[unknown]"), build_id = { 0 };
    int rc;

    if (module) {
        build_id = (struct text){ (const char *)module->build_id, module->build_id_size };
        frame.offset = at->pc - module->bias;
        if (at->function != 0) frame.function_offset = at->function - module->bias;
    }
    rc = stack_table_module(table, path, build_id, &frame.module);
    return rc < 0 ? rc : stack_table_frame(table, &frame, ret);
}

int builder_stack(struct sample_builder *builder, const struct walk *walk,
                  const struct modules *modules, uint32_t *ret)
{
    struct stack_table *table = &builder->sample->stacks;
    uint32_t frames[STACK_FRAMES_MAX + 1], count = 0;
    uint32_t room = walk->is_complete ? STACK_FRAMES_MAX : STACK_FRAMES_MAX - 1;
    uint32_t dropped = walk->count > room ? walk->count - room : 0;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < walk->count; i++) {
        if (dropped > 0 && i == FRAMES_INNER) {
            rc = marker_frame(table, TEXT(MARKER_DROPPED), dropped, &frames[count++]);
            i += dropped - 1;
        } else {
            rc = native_frame(table, &walk->frames[i], modules, &frames[count++]);
        }
    }
    if (rc == 0 && !walk->is_complete)
        rc = marker_frame(table, TEXT(MARKER_CUT), 0, &frames[count++]);
    return rc < 0 ? rc : stack_table_stack(table, frames, count, ret);
}

int builder_detached_stack(struct sample_builder *builder, uint32_t *ret)
{
    uint32_t frame;
    int rc = marker_frame(&builder->sample->stacks, TEXT(MARKER_DETACHED), 0, &frame);

    return rc < 0 ? rc : stack_table_stack(&builder->sample->stacks, &frame, 1, ret);
}

/* Sets what a report says of the whole: times up to `at_ns`. */
static void sample_close(struct sample *sample, uint64_t began_ns, uint64_t at_ns)
{
    const struct snapshot *last = &sample->snapshots[sample->snapshot_count - 1];
    uint64_t elapsed_ns = at_ns > began_ns ? at_ns - began_ns : 0;

    if (elapsed_ns < last->offset_ns) elapsed_ns = last->offset_ns;
    sample->elapsed_ns = elapsed_ns;
    sample->listened_ns = elapsed_ns - sample->snapshots[0].offset_ns;
    sample->revision++;
}

struct sample *builder_report(struct sample_builder *builder, uint64_t now_ns, uint64_t cpu_ns)
{
    struct sample *copy;

    if (builder->sample->snapshot_count == 0) return NULL;
    sample_close(builder->sample, builder->began_ns, now_ns);
    copy = sample_copy(builder->sample);
    if (!copy) return NULL;
    copy->running = true;
    if (cpu_ns > builder->cpu_ns) copy->end_cpu_ns += cpu_ns - builder->cpu_ns;
    return copy;
}

struct sample *builder_end(struct sample_builder *builder, const struct call_end *end)
{
    struct sample *sample = builder->sample;

    if (sample->snapshot_count == 0) return NULL;
    sample_close(sample, builder->began_ns, end->ended_ns);
    sample->response_code = end->response_code;
    if (end->cpu_ns > builder->cpu_ns) sample->end_cpu_ns += end->cpu_ns - builder->cpu_ns;
    {
        const struct snapshot *last = &sample->snapshots[sample->snapshot_count - 1];
        uint64_t weight_ns = sample->elapsed_ns - last->offset_ns;
        uint64_t used_ns = sample->end_cpu_ns + sample->end_queue_ns;
        uint64_t room_ns = used_ns < weight_ns ? weight_ns - used_ns : 0;
        uint64_t part_ns = end->queue_ns < room_ns ? end->queue_ns : room_ns;

        sample->end_queue_ns += part_ns;
        builder_add_queue(builder, end->queue_ns - part_ns);
    }
    *builder = (struct sample_builder){ 0 };
    return sample;
}

uint64_t builder_size(const struct sample_builder *builder)
{
    const struct sample *sample = builder->sample;

    if (!sample) return 0;
    return sizeof *sample + builder->capacity * sizeof *sample->snapshots +
           sample->stacks.frame_count * sizeof *sample->stacks.frames +
           sample->stacks.stack_frame_count * sizeof *sample->stacks.stack_frames;
}
