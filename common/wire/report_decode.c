/* SPDX-License-Identifier: Apache-2.0 */
/* report_decode.c: a `report` as a sample, doubted to the last byte.
 *
 * What comes out can be stored, analysed and shown without another question: so everything is
 * checked here, names by the rules of a task's (task_spec.h), indices by their tables, and in the
 * end the whole by sample_check(). Every entry of a table must be new to it, because encoding
 * would not have sent it twice; so each has the index at which it arrives.
 *
 * Memory is bounded by what is there: an entry of any table takes at least a byte of the body,
 * a snapshot seven, an owner three, and the tables have their own limits (call_stack.h). */
#include "common/wire/report.h"

#include "common/model/problem.h"
#include "common/wire/messages.h"
#include "common/wire/varint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { SNAPSHOT_COLUMNS = 7, OWNER_NUMBERS = 3 };

struct decoder {
    const struct wire_report *report;
    struct sample *sample;
    struct problem *problem;
};

static int refuse(const struct decoder *decoder, const char *field, const char *why)
{
    return problem_set_body(decoder->problem, field, "'report.%s' %s.", field, why);
}

/* After an adder of call_stack.h failed. */
static int refuse_entry(const struct decoder *decoder, const char *field, int rc)
{
    if (rc == -ENOBUFS) return refuse(decoder, field, "has too many entries");
    if (rc == -EINVAL) return refuse(decoder, field, "has an entry that points nowhere");
    return problem_set(decoder->problem, PROBLEM_BUSY, "There is no memory to read this body now.");
}

static int refuse_malformed(const struct decoder *decoder, const char *field)
{
    return refuse(decoder, field, "has a malformed number");
}

/* `ret` has room for the largest text that the field may be, and a zero. */
static int read_name(const struct decoder *decoder, const char *field, struct text name, char *ret)
{
    if (!text_is_printable(name)) return refuse(decoder, field, "has a control character");
    if (name.size > 0) memcpy(ret, name.data, name.size);
    ret[name.size] = '\0';
    return 0;
}

static bool is_ip(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static int read_names(const struct decoder *decoder)
{
    const struct wire_report *report = decoder->report;
    struct sample *sample = decoder->sample;

    if (read_name(decoder, "application", report->application, sample->application) < 0 ||
        read_name(decoder, "instance", report->instance, sample->instance) < 0 ||
        read_name(decoder, "interface", report->interface, sample->interface) < 0 ||
        read_name(decoder, "thread_name", report->thread_name, sample->thread_name) < 0 ||
        read_name(decoder, "host_ip", report->host_ip, sample->host_ip) < 0)
        return -1;
    if (report->application.size == 0) return refuse(decoder, "application", "is empty");
    if (report->instance.size == 0) return refuse(decoder, "instance", "is empty");
    if (report->interface.size == 0) return refuse(decoder, "interface", "is empty");
    if (strchr(sample->interface, '*')) return refuse(decoder, "interface", "has a '*'");
    if (report->host_ip.size > 0 && !is_ip(sample->host_ip))
        return refuse(decoder, "host_ip", "is not an IP address");
    return 0;
}

/* Sixteen bytes that are not all zero, as 32 hex digits. */
static int read_id(const struct decoder *decoder, const char *field, struct text bytes, char *ret)
{
    static const char zero[16];

    if (bytes.size != 16 || memcmp(bytes.data, zero, 16) == 0)
        return refuse(decoder, field, "is not 16 bytes, of which one at least is not zero");
    text_to_hex(bytes.data, 16, ret);
    return 0;
}

static int read_identity(const struct decoder *decoder)
{
    const struct wire_report *report = decoder->report;
    struct sample *sample = decoder->sample;

    if (read_id(decoder, "id", report->id, sample->id.text) < 0) return -1;
    if (read_id(decoder, "trace", report->trace, sample->trace.text) < 0) return -1;
    if (task_id_parse(report->task, &sample->task) < 0)
        return refuse(decoder, "task", "is not 20 lower-case hex digits");
    if (report->incarnation == 0) return refuse(decoder, "incarnation", "is 0");
    if (report->revision == 0) return refuse(decoder, "revision", "is 0; the first is 1");
    if (report->response_code < INT32_MIN || report->response_code > INT32_MAX)
        return refuse(decoder, "response_code", "needs more than 32 bits");
    return 0;
}

static void read_numbers(const struct decoder *decoder)
{
    const struct wire_report *report = decoder->report;
    struct sample *sample = decoder->sample;

    sample->incarnation = report->incarnation;
    sample->revision = report->revision;
    sample->running = report->running;
    sample->thread_id = report->thread_id;
    sample->response_code = (int32_t)report->response_code;
    sample->began_wall_ns = report->began_wall_ns;
    sample->elapsed_ns = report->elapsed_ns;
    sample->listened_ns = report->listened_ns;
    sample->threshold_ns = report->threshold_ns;
    sample->frequency_ns = report->frequency_ns;
    sample->interval_ns = report->interval_ns;
    sample->end_cpu_ns = report->end_cpu_ns;
    sample->end_queue_ns = report->end_queue_ns;
    sample->merged_count = report->merged_count;
    sample->owners_dropped = report->owners_dropped;
}

static int read_strings(const struct decoder *decoder)
{
    const struct wire_report *report = decoder->report;
    uint32_t index;
    int rc;

    for (uint32_t i = 0; i < report->strings_count; i++) {
        if (!text_is_printable(report->strings[i]))
            return refuse(decoder, "strings", "has a control character");
        rc = stack_table_string(&decoder->sample->stacks, report->strings[i], &index);
        if (rc < 0) return refuse_entry(decoder, "strings", rc);
        if (index != i + 1)
            return refuse(decoder, "strings", "has a string twice, or an empty one");
    }
    return 0;
}

static int read_modules(const struct decoder *decoder)
{
    const struct wire_report *report = decoder->report;
    struct stack_table *table = &decoder->sample->stacks;
    uint32_t index;
    int rc;

    for (uint32_t i = 0; i < report->modules_count; i++) {
        const struct wire_report_module *module = &report->modules[i];

        if (module->path >= table->string_count) return refuse_entry(decoder, "modules", -EINVAL);
        rc = stack_table_module(table, table->strings[module->path], module->build_id, &index);
        if (rc < 0) return refuse_entry(decoder, "modules", rc);
        if (index != i) return refuse(decoder, "modules", "has a module twice");
    }
    return 0;
}

static struct frame read_frame(struct varint_reader *reader, uint64_t *last_offset)
{
    struct frame frame = { .kind = varint_read_u32(reader) };

    switch (frame.kind) {
    case FRAME_NATIVE:
        frame.module = varint_read_u32(reader);
        frame.offset = zigzag_apply(varint_read(reader), *last_offset);
        frame.function = varint_read_u32(reader);
        frame.function_offset = zigzag_apply(varint_read(reader), frame.offset);
        *last_offset = frame.offset;
        break;
    case FRAME_PYTHON:
        frame.function = varint_read_u32(reader);
        frame.class_name = varint_read_u32(reader);
        frame.file = varint_read_u32(reader);
        frame.line = varint_read_u32(reader);
        break;
    case FRAME_MARKER:
        frame.function = varint_read_u32(reader);
        frame.count = varint_read_u32(reader);
        break;
    default:
        break;
    }
    return frame;
}

static int read_frames(const struct decoder *decoder)
{
    struct varint_reader reader = varint_reader_of(decoder->report->frames);
    struct stack_table *table = &decoder->sample->stacks;
    uint64_t last_offset = 0;
    uint32_t index;
    int rc;

    while (!varint_is_end(&reader)) {
        struct frame frame = read_frame(&reader, &last_offset);
        uint32_t count = table->frame_count;

        if (reader.failed) return refuse_malformed(decoder, "frames");
        rc = stack_table_frame(table, &frame, &index);
        if (rc < 0) return refuse_entry(decoder, "frames", rc);
        if (index != count) return refuse(decoder, "frames", "has a frame twice");
    }
    return 0;
}

/* The stack that is read, and the one before: what is kept of it lies at its end. */
struct stack_reader {
    struct varint_reader reader;
    uint32_t frames[STACK_FRAMES_MAX + 1];
    uint32_t count;
    uint32_t last_frame;
};

static int read_stack(const struct decoder *decoder, struct stack_reader *stack)
{
    uint32_t kept = varint_read_u32(&stack->reader), added = varint_read_u32(&stack->reader);

    if (stack->reader.failed) return refuse_malformed(decoder, "stacks");
    if (kept > stack->count) return refuse(decoder, "stacks", "keeps more than there was");
    if (added > STACK_FRAMES_MAX + 1 - kept)
        return refuse(decoder, "stacks", "has a stack with too many frames");
    memmove(stack->frames + added, stack->frames + stack->count - kept,
            kept * sizeof *stack->frames);
    for (uint32_t i = 0; i < added; i++) {
        stack->last_frame = (uint32_t)zigzag_apply(varint_read(&stack->reader), stack->last_frame);
        stack->frames[i] = stack->last_frame;
    }
    stack->count = kept + added;
    return stack->reader.failed ? refuse_malformed(decoder, "stacks") : 0;
}

static int read_stacks(const struct decoder *decoder)
{
    struct stack_reader stack = { .reader = varint_reader_of(decoder->report->stacks) };
    struct stack_table *table = &decoder->sample->stacks;
    uint32_t index;
    int rc;

    while (!varint_is_end(&stack.reader)) {
        uint32_t count = table->stack_count;

        if (read_stack(decoder, &stack) < 0) return -1;
        rc = stack_table_stack(table, stack.frames, stack.count, &index);
        if (rc < 0) return refuse_entry(decoder, "stacks", rc);
        if (index != count) return refuse(decoder, "stacks", "has a stack twice");
    }
    return 0;
}

/* The columns, one behind the other; their values are checked by sample_check(). */
static void read_columns(struct varint_reader *reader, struct snapshot *rows, uint32_t count)
{
    uint64_t offset_ns = 0, stack = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t step_ns = varint_read(reader);

        if (__builtin_add_overflow(offset_ns, step_ns, &offset_ns)) varint_fail(reader);
        rows[i].offset_ns = offset_ns;
    }
    for (uint32_t i = 0; i < count; i++) {
        stack = zigzag_apply(varint_read(reader), stack);
        if (stack > UINT32_MAX) varint_fail(reader);
        rows[i].stack = (uint32_t)stack;
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i].cpu_ns = varint_read(reader);
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i].queue_ns = varint_read(reader);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t syscall_plus_1 = varint_read(reader);

        if (syscall_plus_1 > INT32_MAX) varint_fail(reader);
        rows[i].syscall = (int32_t)((int64_t)(syscall_plus_1 & INT32_MAX) - 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i].wait = varint_read_u32(reader);
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i].waiting_for = varint_read_u32(reader);
    }
}

static int read_snapshots(const struct decoder *decoder)
{
    struct varint_reader reader = varint_reader_of(decoder->report->snapshots);
    uint32_t count = varint_read_u32(&reader);
    struct sample *sample = decoder->sample;

    if (reader.failed) return refuse_malformed(decoder, "snapshots");
    if (count > SNAPSHOTS_MAX) return refuse(decoder, "snapshots", "are more than 4096");
    if (count > varint_left(&reader) / SNAPSHOT_COLUMNS)
        return refuse(decoder, "snapshots", "promise more than they hold");
    sample->snapshots = calloc(count + 1, sizeof *sample->snapshots);
    if (!sample->snapshots) return refuse_entry(decoder, "snapshots", -ENOMEM);
    sample->snapshot_count = count;
    read_columns(&reader, sample->snapshots, count);
    if (reader.failed) return refuse_malformed(decoder, "snapshots");
    if (!varint_is_end(&reader)) return refuse(decoder, "snapshots", "go on behind their end");
    return 0;
}

/* The table of owners, then a column for the snapshots. */
static int read_owners(const struct decoder *decoder)
{
    struct varint_reader reader = varint_reader_of(decoder->report->owners);
    struct sample *sample = decoder->sample;
    uint32_t count;

    if (varint_is_end(&reader)) return 0;
    count = varint_read_u32(&reader);
    if (count > OWNERS_MAX || count > varint_left(&reader) / OWNER_NUMBERS)
        return refuse(decoder, "owners", "promise more than they may, or hold");
    sample->owners = calloc(count + 1, sizeof *sample->owners);
    if (!sample->owners) return refuse_entry(decoder, "owners", -ENOMEM);
    sample->owner_count = count;
    for (uint32_t i = 0; i < count; i++) {
        sample->owners[i].thread_id = varint_read_u32(&reader);
        sample->owners[i].thread_name = varint_read_u32(&reader);
        sample->owners[i].stack = varint_read_u32(&reader);
    }
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        sample->snapshots[i].owner = varint_read_u32(&reader);
    }
    if (reader.failed) return refuse_malformed(decoder, "owners");
    if (!varint_is_end(&reader)) return refuse(decoder, "owners", "go on behind their end");
    return 0;
}

static int decode(const struct decoder *decoder)
{
    if (read_names(decoder) < 0) return -1;
    if (read_identity(decoder) < 0) return -1;
    read_numbers(decoder);
    if (read_strings(decoder) < 0) return -1;
    if (read_modules(decoder) < 0) return -1;
    if (read_frames(decoder) < 0) return -1;
    if (read_stacks(decoder) < 0) return -1;
    if (read_snapshots(decoder) < 0) return -1;
    if (read_owners(decoder) < 0) return -1;
    return sample_check(decoder->sample, decoder->problem);
}

int report_decode(struct text body, struct sample **ret, struct problem *problem)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    OWN(sample_freep) struct sample *sample = NULL;
    struct wire_report report;
    struct decoder decoder = { .report = &report, .problem = problem };

    if (wire_report_decode(body, &arena, &report, problem) < 0) return -1;
    sample = decoder.sample = sample_new();
    if (!sample) return refuse_entry(&decoder, "report", -ENOMEM);
    if (decode(&decoder) < 0) return -1;
    *ret = sample_take(&sample);
    return 0;
}
