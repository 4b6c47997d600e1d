/* SPDX-License-Identifier: Apache-2.0 */
/* samples.c: /api/v1/samples and /api/v1/traces: what was seen, before any interpretation. */
#include "scheduler/api/answer.h"
#include "scheduler/api/scoping.h"
#include "scheduler/api/subject.h"
#include "scheduler/api/task_value.h"
#include "scheduler/history/history.h"

#include <stdlib.h>

/* ------------------------------------------------------------------ a sample's stacks */

static json_t *string_value(const struct stack_table *stacks, uint32_t index)
{
    return value_text_or_null(stacks->strings[index]);
}

static json_t *build_id_value(const struct module *module)
{
    char hex[2 * BUILD_ID_SIZE_MAX + 1];

    text_to_hex(module->build_id, module->build_id_size, hex);
    return value_text_or_null(text_of(hex));
}

static json_t *frame_value(const struct stack_table *stacks, const struct frame *frame)
{
    bool is_native = frame->kind == FRAME_NATIVE;
    const struct module *module = is_native ? &stacks->modules[frame->module] : NULL;
    json_t *object = json_object();

    value_set(object, "kind", value_text(frame_kind_name(frame->kind)));
    value_set(object, "language", frame->kind == FRAME_PYTHON ? value_text("python") : json_null());
    value_set(object, "function", string_value(stacks, frame->function));
    value_set(object, "class", string_value(stacks, frame->class_name));
    value_set(object, "module", module ? string_value(stacks, module->path) : json_null());
    value_set(object, "build_id", module ? build_id_value(module) : json_null());
    value_set(object, "offset", is_native ? value_count(frame->offset) : json_null());
    value_set(object, "file", string_value(stacks, frame->file));
    value_set(object, "line", frame->line ? value_count(frame->line) : json_null());
    value_set(object, "inlined", json_null()); /* known only after symbols were looked up */
    return object;
}

static json_t *stack_value(const struct stack_table *stacks, const struct stack *stack)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < stack->count; i++) {
        value_append(array, value_count(stacks->stack_frames[stack->first + i]));
    }
    return array;
}

static json_t *owner_value(const struct sample *sample, const struct lock_owner *owner)
{
    json_t *object;

    if (!owner) return json_null();
    object = json_object();
    value_set(object, "thread", string_value(&sample->stacks, owner->thread_name));
    value_set(object, "thread_id", value_count(owner->thread_id));
    value_set(object, "stack", owner->stack > 0 ? value_count(owner->stack - 1) : json_null());
    return object;
}

static json_t *snapshot_value(const struct sample *sample, uint32_t index)
{
    const struct snapshot *snapshot = &sample->snapshots[index];
    struct weight weight = sample_weight(sample, index);
    json_t *object = json_object();

    value_set(object, "at_ms", value_ms(snapshot->offset_ns));
    value_set(object, "for_ms", value_ms(weight.weight_ns));
    value_set(object, "stack", value_count(snapshot->stack));
    value_set(object, "cpu_ms", value_ms(weight.cpu_ns));
    value_set(object, "queue_ms", value_ms(weight.queue_ns));
    value_set(object, "wait_ms", value_ms(weight.wait_ns));
    value_set(object, "syscall",
              snapshot->syscall == SYSCALL_NONE ? json_null() : json_integer(snapshot->syscall));
    value_set(object, "wait",
              snapshot->wait == WAIT_NONE ? json_null()
                                          : value_text(wait_kind_name(snapshot->wait)));
    value_set(object, "waiting_for", string_value(&sample->stacks, snapshot->waiting_for));
    value_set(object, "lock_owner", owner_value(sample, sample_owner(sample, index)));
    return object;
}

static json_t *raw_value(const struct sample *sample)
{
    const struct stack_table *table = &sample->stacks;
    json_t *object = json_object();
    json_t *frames = json_array(), *stacks = json_array(), *snapshots = json_array();

    for (uint32_t i = 0; i < table->frame_count; i++) {
        value_append(frames, frame_value(table, &table->frames[i]));
    }
    for (uint32_t i = 0; i < table->stack_count; i++) {
        value_append(stacks, stack_value(table, &table->stacks[i]));
    }
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        value_append(snapshots, snapshot_value(sample, i));
    }
    value_set(object, "frames", frames);
    value_set(object, "stacks", stacks);
    value_set(object, "snapshots", snapshots);
    return object;
}

static void on_sample(void *context, const struct sample_summary *summary, struct sample **sample,
                      const struct problem *problem)
{
    struct pending *pending = context;
    json_t *object;

    if (problem) {
        pending_problem(pending, problem);
        return;
    }
    object = sample_value(summary);
    value_set(object, "frequency_ms", value_ms((*sample)->frequency_ns));
    value_set(object, "interval_ms", value_ms((*sample)->interval_ns));
    value_set(object, "merged", value_count((*sample)->merged_count));
    value_set(object, "owners_dropped", value_count((*sample)->owners_dropped));
    value_set(object, "raw", raw_value(*sample));
    pending_json(pending, 200, object);
}

void on_sample_get(struct api *api, struct http_request *request)
{
    struct problem problem = { 0 };
    struct sample_id id;

    if (subject_sample(http_param(request, "id"), &id, &problem) < 0) {
        answer_problem(request, &problem);
        return;
    }
    history_sample(api->rooms.history, &id, on_sample,
                   pending_new(api, request, sizeof(struct pending)));
}

/* ------------------------------------------------------------------ a trace

 * It may lead through applications; who is for some of them sees their part. If that is nothing,
 * there is no such trace. */

struct trace_pending {
    struct pending pending;
    struct trace_id id;
};

static void on_trace(void *context, const struct history_samples *page,
                     const struct problem *problem)
{
    struct trace_pending *trace = context;
    struct problem refusal = { 0 };
    json_t *object, *samples;

    if (problem) {
        pending_problem(&trace->pending, problem);
        return;
    }
    samples = json_array();
    for (size_t i = 0; i < page->count; i++) {
        if (scope_has(request_scope(trace->pending.request), text_of(page->samples[i].application)))
            value_append(samples, sample_value(&page->samples[i]));
    }
    if (json_array_size(samples) == 0) {
        json_decref(samples);
        problem_set(&refusal, PROBLEM_NO_SUCH_TRACE, "No sample has the trace ID '%s'.",
                    trace->id.text);
        pending_problem(&trace->pending, &refusal);
        return;
    }
    object = json_object();
    value_set(object, "trace_id", value_text(trace->id.text));
    value_set(object, "samples", samples);
    pending_json(&trace->pending, 200, object);
}

void on_trace_get(struct api *api, struct http_request *request)
{
    struct trace_pending *trace;
    struct problem problem = { 0 };
    struct trace_id id;

    if (subject_trace(http_param(request, "trace_id"), &id, &problem) < 0) {
        answer_problem(request, &problem);
        return;
    }
    trace = pending_new(api, request, sizeof *trace);
    trace->id = id;
    history_trace(api->rooms.history, &id, on_trace, trace);
}
