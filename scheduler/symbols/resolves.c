/* SPDX-License-Identifier: Apache-2.0 */
/* resolves.c: the frames and locks of samples: a cached symbol for each, and the end of waiting.
 *
 * A frame that another resolve already asked for is not asked again: this one waits for the
 * other's job. What came until the deadline is told; the rest is told as unanswered. */
#include "scheduler/symbols/symbols_private.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "scheduler/analysis/analysis.h"
#include "scheduler/symbols/mangled_name.h"

#include <event2/event.h>
#include <stdlib.h>

enum { RESOLVE_TIMEOUT_S = 20 /* an analysis is shown then with what is known */ };

static void sample_free_answers(struct resolve *resolve, size_t index)
{
    struct sample_symbols *result = &resolve->results[index];

    for (uint32_t i = 0; i < result->frame_count; i++)
        if (resolve->cached[index][i])
            symbol_cache_unref(resolve->symbols->cache, resolve->cached[index][i]);
    for (uint32_t i = 0; i < result->string_count; i++) {
        if (resolve->strings[index][i])
            symbol_cache_unref(resolve->symbols->cache, resolve->strings[index][i]);
        free((char *)result->strings[i].data);
    }
    free(resolve->cached[index]);
    free(resolve->strings[index]);
    free(result->frames);
    free(result->strings);
}

static void resolve_free(struct resolve *resolve)
{
    for (size_t i = 0; i < resolve->count; i++)
        sample_free_answers(resolve, i);
    free(resolve->samples);
    free(resolve->cached);
    free(resolve->strings);
    free(resolve->results);
    free(resolve->pointers);
    event_free(resolve->timer);
    free(resolve);
}

static bool is_answered(const struct cached_symbol *cached)
{
    return cached && !cached->job && cached->count > 0;
}

static void sample_take_answers(struct resolve *resolve, size_t index)
{
    const struct stack_table *stacks = &resolve->samples[index]->stacks;
    struct sample_symbols *result = &resolve->results[index];

    for (uint32_t i = 0; i < result->frame_count; i++) {
        const struct cached_symbol *cached = resolve->cached[index][i];

        if (cached && (cached->job || cached->is_stale)) result->unanswered_count++;
        if (is_answered(cached))
            result->frames[i] = (struct frame_symbols){ cached->locations, cached->count };
    }
    for (uint32_t i = 0; i < result->string_count; i++) {
        const struct cached_symbol *cached = resolve->strings[index][i];
        struct text text = stack_table_text(stacks, i);

        if (is_answered(cached))
            result->strings[i] =
                mangled_name_replace(text, mangled_name_find(text), cached->locations[0].function);
    }
}

void resolve_end(struct resolve *resolve)
{
    struct symbols *symbols = resolve->symbols;

    if (resolve->jobs_left > 0) jobs_forget(symbols, resolve);
    TAILQ_REMOVE(&symbols->resolves, resolve, link);
    for (size_t i = 0; i < resolve->looked_count; i++)
        sample_take_answers(resolve, i);
    for (size_t i = resolve->looked_count; i < resolve->count; i++)
        resolve->results[i].unanswered_count = resolve->samples[i]->stacks.frame_count;
    resolve->then(resolve->context, resolve->pointers, resolve->count);
    resolve_free(resolve);
}

/* Nothing more is looked at: it ends when its last job is over, or at its deadline. */
static void resolve_time(struct resolve *resolve)
{
    struct timeval after = { .tv_sec = resolve->jobs_left > 0 ? RESOLVE_TIMEOUT_S : 0 };

    event_add(resolve->timer, &after);
}

void resolve_job_over(struct resolve *resolve)
{
    if (--resolve->jobs_left == 0) resolve_time(resolve);
}

/* ---- what is asked ---- */

static bool key_of_frame(const struct sample *sample, const struct frame *frame,
                         struct symbol_key *ret)
{
    const struct stack_table *stacks = &sample->stacks;
    const struct module *module;

    if (frame->kind != FRAME_NATIVE || frame->module >= stacks->module_count) return false;
    module = &stacks->modules[frame->module];
    ret->path = stack_table_text(stacks, module->path);
    ret->build_id = (struct text){ (const char *)module->build_id, module->build_id_size };
    ret->name = stack_table_text(stacks, frame->function);
    ret->offset = frame->offset;
    if (text_starts_with(ret->name, TEXT("_Z"))) return true; /* at least it can be demangled */
    return ret->build_id.size > 0 && text_starts_with(ret->path, TEXT("/"));
}

static void resolve_frames(struct resolve *resolve, size_t index)
{
    const struct sample *sample = resolve->samples[index];
    OWN(mem_freep)
    struct job **open = mem_zalloc(sample->stacks.module_count + 1, sizeof(struct job *));

    for (uint32_t i = 0; i < sample->stacks.frame_count; i++) {
        const struct frame *frame = &sample->stacks.frames[i];
        struct symbol_key key;

        if (key_of_frame(sample, frame, &key))
            resolve->cached[index][i] = jobs_symbol(resolve, &key, &open[frame->module]);
    }
}

/* Locks are named as the symbol table does, which the worker can demangle without any file. */
static void resolve_strings(struct resolve *resolve, size_t index)
{
    const struct sample *sample = resolve->samples[index];
    struct job *open = NULL;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        uint32_t string = sample->snapshots[i].waiting_for;
        struct symbol_key key = { .name = mangled_name_find(
                                      stack_table_text(&sample->stacks, string)) };

        if (key.name.size == 0 || resolve->strings[index][string]) continue;
        resolve->strings[index][string] = jobs_symbol(resolve, &key, &open);
    }
}

static void resolve_sample(struct resolve *resolve, size_t index)
{
    const struct stack_table *stacks = &resolve->samples[index]->stacks;
    struct sample_symbols *result = &resolve->results[index];

    result->frame_count = stacks->frame_count;
    result->string_count = stacks->string_count;
    result->frames = mem_zalloc(result->frame_count + 1, sizeof *result->frames);
    result->strings = mem_zalloc(result->string_count + 1, sizeof *result->strings);
    resolve->cached[index] = mem_zalloc(result->frame_count + 1, sizeof(struct cached_symbol *));
    resolve->strings[index] = mem_zalloc(result->string_count + 1, sizeof(struct cached_symbol *));
    resolve_frames(resolve, index);
    resolve_strings(resolve, index);
}

/* The next sample; the one after it in the next turn of the loop. */
static void resolve_next(struct resolve *resolve)
{
    static const struct timeval at_once = { 0 };

    if (resolve->looked_count < resolve->count) resolve_sample(resolve, resolve->looked_count++);
    jobs_ask(resolve->symbols);
    if (resolve->looked_count < resolve->count) {
        event_add(resolve->timer, &at_once);
        return;
    }
    resolve->jobs_left--;
    resolve_time(resolve);
}

static void on_time(evutil_socket_t fd, short events, void *context)
{
    struct resolve *resolve = context;

    (void)fd;
    (void)events;
    if (resolve->looked_count < resolve->count)
        resolve_next(resolve);
    else
        resolve_end(resolve);
}

void symbols_resolve(struct symbols *symbols, const struct sample *const *samples, size_t count,
                     symbols_fn then, void *context)
{
    struct resolve *resolve = mem_zalloc(1, sizeof *resolve);

    *resolve = (struct resolve){
        .symbols = symbols, .then = then, .context = context, .count = count, .jobs_left = 1
    };
    resolve->timer = evtimer_new(symbols->base, on_time, resolve);
    CHECK(resolve->timer);
    resolve->results = mem_zalloc(count + 1, sizeof *resolve->results);
    resolve->pointers = mem_zalloc(count + 1, sizeof *resolve->pointers);
    resolve->cached = mem_zalloc(count + 1, sizeof *resolve->cached);
    resolve->strings = mem_zalloc(count + 1, sizeof *resolve->strings);
    resolve->samples = mem_zalloc(count + 1, sizeof *resolve->samples);
    TAILQ_INSERT_TAIL(&symbols->resolves, resolve, link);
    for (size_t i = 0; i < count; i++) {
        resolve->samples[i] = samples[i];
        resolve->pointers[i] = &resolve->results[i];
    }
    resolve_next(resolve);
}
