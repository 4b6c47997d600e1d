/* SPDX-License-Identifier: Apache-2.0 */
/* report_encode.c: a sample as a `report`.
 *
 * A sample's tables hold whatever was ever put in, also what thinning has made superfluous. Only
 * what the snapshots still reach is sent, numbered anew in the order in which it is met: so that
 * a thinned sample is a smaller report, and equal samples are equal bytes.
 *
 * ALGORITHM
 *
 * (1) Snapshots, in order, number their stacks and their locks' owners, then these number theirs;
 *     the stacks are written as they are met, each as the difference to the one before, and number
 *     their frames.
 * (2) Frames, in the order of their numbers, are written, and number modules and strings.
 * (3) Modules, then snapshots' waiting_for, then the owners' names number the rest of the strings.
 *
 * The probe's agent runs this in a host: nothing here aborts. */
#include "common/wire/messages.h"
#include "common/wire/report.h"
#include "common/wire/varint.h"

#include <errno.h>

/* New numbers for the entries of one table, given at the first meeting. */
struct numbering {
    uint32_t *number_plus_1; /* by old index; 0: not met */
    uint32_t *order;         /* old indices by number */
    uint32_t count;
};

struct encoder {
    const struct sample *sample;
    struct numbering strings, modules, frames, stacks, owners;
    struct buf frame_bytes, stack_bytes, snapshot_bytes, owner_bytes;
    struct text *texts;
    struct wire_report_module *wire_modules;
};

static int numbering_init(struct numbering *numbering, uint32_t old_count)
{
    numbering->number_plus_1 = calloc(old_count + 1, sizeof *numbering->number_plus_1);
    numbering->order = calloc(old_count + 1, sizeof *numbering->order);
    return numbering->number_plus_1 && numbering->order ? 0 : -ENOMEM;
}

static void numbering_done(struct numbering *numbering)
{
    free(numbering->number_plus_1);
    free(numbering->order);
}

static uint32_t number_of(struct numbering *numbering, uint32_t old)
{
    if (numbering->number_plus_1[old] == 0) {
        numbering->order[numbering->count++] = old;
        numbering->number_plus_1[old] = numbering->count;
    }
    return numbering->number_plus_1[old] - 1;
}

static int encoder_init(struct encoder *encoder, const struct sample *sample)
{
    const struct stack_table *table = &sample->stacks;

    *encoder = (struct encoder){
        .sample = sample,
        .frame_bytes = BUF_INIT(REPORT_SIZE_MAX),
        .stack_bytes = BUF_INIT(REPORT_SIZE_MAX),
        .snapshot_bytes = BUF_INIT(REPORT_SIZE_MAX),
        .owner_bytes = BUF_INIT(REPORT_SIZE_MAX),
    };
    if (numbering_init(&encoder->strings, table->string_count) < 0 ||
        numbering_init(&encoder->modules, table->module_count) < 0 ||
        numbering_init(&encoder->frames, table->frame_count) < 0 ||
        numbering_init(&encoder->stacks, table->stack_count) < 0 ||
        numbering_init(&encoder->owners, sample->owner_count) < 0)
        return -ENOMEM;
    encoder->texts = calloc(table->string_count + 1, sizeof *encoder->texts);
    encoder->wire_modules = calloc(table->module_count + 1, sizeof *encoder->wire_modules);
    return encoder->texts && encoder->wire_modules ? 0 : -ENOMEM;
}

static void encoder_done(struct encoder *encoder)
{
    numbering_done(&encoder->strings);
    numbering_done(&encoder->modules);
    numbering_done(&encoder->frames);
    numbering_done(&encoder->stacks);
    numbering_done(&encoder->owners);
    buf_done(&encoder->frame_bytes);
    buf_done(&encoder->stack_bytes);
    buf_done(&encoder->snapshot_bytes);
    buf_done(&encoder->owner_bytes);
    free(encoder->texts);
    free(encoder->wire_modules);
}

/* How many frames two stacks share at their outer end. */
static uint32_t shared_count(const struct stack_table *table, struct stack left, struct stack right)
{
    uint32_t most = left.count < right.count ? left.count : right.count, count = 0;
    const uint32_t *left_end = table->stack_frames + left.first + left.count;
    const uint32_t *right_end = table->stack_frames + right.first + right.count;

    while (count < most && *(left_end - count - 1) == *(right_end - count - 1)) {
        count++;
    }
    return count;
}

/* What a stack is told as a difference to. */
struct stack_writer {
    struct stack before;
    uint32_t last_frame;
};

/* Numbers a stack, and writes it if it was not met yet. */
static void write_stack(struct encoder *encoder, struct stack_writer *writer, uint32_t old)
{
    const struct stack_table *table = &encoder->sample->stacks;
    uint32_t met_count = encoder->stacks.count, shared;
    struct stack stack = table->stacks[old];

    if (number_of(&encoder->stacks, old) < met_count) return;
    shared = shared_count(table, writer->before, stack);
    varint_write(&encoder->stack_bytes, shared);
    varint_write(&encoder->stack_bytes, stack.count - shared);
    for (uint32_t i = 0; i < stack.count - shared; i++) {
        uint32_t frame = number_of(&encoder->frames, table->stack_frames[stack.first + i]);

        varint_write(&encoder->stack_bytes, zigzag_of(frame, writer->last_frame));
        writer->last_frame = frame;
    }
    writer->before = stack;
}

/* All stacks that snapshots have, then those of their locks' owners. */
static void write_stacks(struct encoder *encoder)
{
    const struct sample *sample = encoder->sample;
    struct stack_writer writer = { 0 };

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct snapshot *snapshot = &sample->snapshots[i];

        write_stack(encoder, &writer, snapshot->stack);
        if (snapshot->owner > 0) number_of(&encoder->owners, snapshot->owner - 1);
    }
    for (uint32_t i = 0; i < encoder->owners.count; i++) {
        uint32_t stack = sample->owners[encoder->owners.order[i]].stack;

        if (stack > 0) write_stack(encoder, &writer, stack - 1);
    }
}

static void write_native(struct encoder *encoder, const struct frame *frame, uint64_t *last_offset)
{
    struct buf *to = &encoder->frame_bytes;

    varint_write(to, number_of(&encoder->modules, frame->module));
    varint_write(to, zigzag_of(frame->offset, *last_offset));
    varint_write(to, number_of(&encoder->strings, frame->function));
    varint_write(to, zigzag_of(frame->function_offset, frame->offset));
    *last_offset = frame->offset;
}

static void write_python(struct encoder *encoder, const struct frame *frame)
{
    struct buf *to = &encoder->frame_bytes;

    varint_write(to, number_of(&encoder->strings, frame->function));
    varint_write(to, number_of(&encoder->strings, frame->class_name));
    varint_write(to, number_of(&encoder->strings, frame->file));
    varint_write(to, frame->line);
}

static void write_frames(struct encoder *encoder)
{
    uint64_t last_offset = 0;

    for (uint32_t i = 0; i < encoder->frames.count; i++) {
        const struct frame *frame = &encoder->sample->stacks.frames[encoder->frames.order[i]];

        varint_write(&encoder->frame_bytes, frame->kind);
        if (frame->kind == FRAME_NATIVE) {
            write_native(encoder, frame, &last_offset);
        } else if (frame->kind == FRAME_PYTHON) {
            write_python(encoder, frame);
        } else {
            varint_write(&encoder->frame_bytes, number_of(&encoder->strings, frame->function));
            varint_write(&encoder->frame_bytes, frame->count);
        }
    }
}

static void fill_modules(struct encoder *encoder)
{
    for (uint32_t i = 0; i < encoder->modules.count; i++) {
        const struct module *module = &encoder->sample->stacks.modules[encoder->modules.order[i]];

        encoder->wire_modules[i] = (struct wire_report_module){
            .path = number_of(&encoder->strings, module->path),
            .build_id = { (const char *)module->build_id, module->build_id_size },
        };
    }
}

/* Seven columns, each a number for every snapshot: WIRE.md, "snapshots". */
static void write_snapshots(struct encoder *encoder)
{
    const struct snapshot *rows = encoder->sample->snapshots;
    uint32_t count = encoder->sample->snapshot_count, before = 0;
    struct buf *to = &encoder->snapshot_bytes;

    varint_write(to, count);
    for (uint32_t i = 0; i < count; i++) {
        varint_write(to, rows[i].offset_ns - (i > 0 ? rows[i - 1].offset_ns : 0));
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t stack = number_of(&encoder->stacks, rows[i].stack);

        varint_write(to, zigzag_of(stack, before));
        before = stack;
    }
    for (uint32_t i = 0; i < count; i++) {
        varint_write(to, rows[i].cpu_ns);
    }
    for (uint32_t i = 0; i < count; i++) {
        varint_write(to, rows[i].queue_ns);
    }
    for (uint32_t i = 0; i < count; i++) {
        varint_write(to, (uint64_t)((int64_t)rows[i].syscall + 1));
    }
    for (uint32_t i = 0; i < count; i++) {
        varint_write(to, rows[i].wait);
    }
    for (uint32_t i = 0; i < count; i++) {
        varint_write(to, number_of(&encoder->strings, rows[i].waiting_for));
    }
}

/* The table, and each snapshot's number in it: nothing at all if there are none. */
static void write_owners(struct encoder *encoder)
{
    const struct sample *sample = encoder->sample;
    struct buf *to = &encoder->owner_bytes;

    if (encoder->owners.count == 0) return;
    varint_write(to, encoder->owners.count);
    for (uint32_t i = 0; i < encoder->owners.count; i++) {
        const struct lock_owner *owner = &sample->owners[encoder->owners.order[i]];

        varint_write(to, owner->thread_id);
        varint_write(to, number_of(&encoder->strings, owner->thread_name));
        varint_write(to, owner->stack > 0 ? 1 + number_of(&encoder->stacks, owner->stack - 1) : 0);
    }
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        uint32_t owner = sample->snapshots[i].owner;

        varint_write(to, owner > 0 ? 1 + number_of(&encoder->owners, owner - 1) : 0);
    }
}

static void fill_texts(struct encoder *encoder)
{
    for (uint32_t i = 1; i < encoder->strings.count; i++) {
        encoder->texts[i - 1] = encoder->sample->stacks.strings[encoder->strings.order[i]];
    }
}

/* Ids are 32 hex digits in a sample and 16 bytes on the wire. */
static struct text id_bytes(const char *hex, uint8_t ret[16])
{
    if (text_from_hex(text_of(hex), ret, 16) < 0) return (struct text){ 0 };
    return (struct text){ (const char *)ret, 16 };
}

static int write_report(struct encoder *encoder, struct buf *to)
{
    const struct sample *sample = encoder->sample;
    uint8_t id[16], trace[16];
    struct wire_report report = {
        .protocol = WIRE_PROTOCOL,
        .application = text_of(sample->application),
        .instance = text_of(sample->instance),
        .incarnation = sample->incarnation,
        .id = id_bytes(sample->id.text, id),
        .revision = sample->revision,
        .task = text_of(sample->task.text),
        .trace = id_bytes(sample->trace.text, trace),
        .running = sample->running,
        .host_ip = text_of(sample->host_ip),
        .interface = text_of(sample->interface),
        .thread_id = sample->thread_id,
        .thread_name = text_of(sample->thread_name),
        .response_code = sample->response_code,
        .began_wall_ns = sample->began_wall_ns,
        .elapsed_ns = sample->elapsed_ns,
        .listened_ns = sample->listened_ns,
        .threshold_ns = sample->threshold_ns,
        .frequency_ns = sample->frequency_ns,
        .interval_ns = sample->interval_ns,
        .end_cpu_ns = sample->end_cpu_ns,
        .end_queue_ns = sample->end_queue_ns,
        .merged_count = sample->merged_count,
        .strings = encoder->texts,
        .strings_count = encoder->strings.count - 1,
        .modules = encoder->wire_modules,
        .modules_count = encoder->modules.count,
        .frames = buf_peek(&encoder->frame_bytes),
        .stacks = buf_peek(&encoder->stack_bytes),
        .snapshots = buf_peek(&encoder->snapshot_bytes),
        .owners = buf_peek(&encoder->owner_bytes),
        .owners_dropped = sample->owners_dropped,
    };

    if (report.id.size == 0 || report.trace.size == 0) return -EINVAL;
    return wire_report_encode(&report, to);
}

static int encode(struct encoder *encoder, struct buf *to)
{
    number_of(&encoder->strings, 0); /* the empty string stays what it is, and is not sent */
    write_stacks(encoder);
    write_frames(encoder);
    fill_modules(encoder);
    write_snapshots(encoder);
    write_owners(encoder);
    fill_texts(encoder);
    if (encoder->frame_bytes.failed < 0) return encoder->frame_bytes.failed;
    if (encoder->stack_bytes.failed < 0) return encoder->stack_bytes.failed;
    if (encoder->snapshot_bytes.failed < 0) return encoder->snapshot_bytes.failed;
    if (encoder->owner_bytes.failed < 0) return encoder->owner_bytes.failed;
    return write_report(encoder, to);
}

int report_encode(const struct sample *sample, struct buf *to)
{
    OWN(encoder_done) struct encoder encoder;
    int rc;

    rc = encoder_init(&encoder, sample);
    if (rc < 0) return rc;
    return encode(&encoder, to);
}
