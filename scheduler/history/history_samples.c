/* SPDX-License-Identifier: Apache-2.0 */
/* history_samples.c: samples: a task's, a trace's, one with its stacks, all of a task with theirs.
 *
 * A sample may be replaced between the reading of its summary, which says its revision, and of
 * its bytes, which are kept by revision: then the summary is read again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/wire/report.h"
#include "scheduler/history/history_private.h"

enum { READ_TRIES_MAX = 4 };

/* A task's summaries ------------------------------------------------------------------------ */

struct samples_page {
    struct history *history;
    struct task_id task;
    uint64_t after; /* the order of the last one of the page before */
    uint32_t limit;
    history_samples_fn then;
    void *context;
    struct problem problem;
};

static void samples_fail(void *context)
{
    struct samples_page *page = context;

    page->then(page->context, NULL, &page->problem);
    free(page);
}

static void samples_refuse(struct samples_page *page, const struct problem *problem)
{
    page->problem = *problem;
    samples_fail(page);
}

static void on_samples(void *context, const struct store_samples *samples,
                       const struct problem *problem)
{
    struct samples_page *page = context;
    struct history_samples result = { 0 };
    size_t first = 0;

    if (problem) {
        samples_refuse(page, problem);
        return;
    }
    while (first < samples->count && samples->orders[first] <= page->after) {
        first++;
    }
    result.count = samples->count - first;
    if (result.count > page->limit) {
        result.count = page->limit;
        snprintf(result.next, sizeof(result.next), "%" PRIu64,
                 samples->orders[first + result.count - 1]);
    }
    result.samples = mem_zalloc(result.count + 1, sizeof(*result.samples));
    if (result.count) {
        memcpy(result.samples, samples->summaries + first, result.count * sizeof(*result.samples));
    }
    page->then(page->context, &result, NULL);
    free(result.samples);
    free(page);
}

static void on_samples_task(void *context, const struct task *task, const struct problem *problem)
{
    struct samples_page *page = context;

    if (problem) {
        samples_refuse(page, problem);
    } else {
        store_samples(page->history->store, text_of(task->spec.application), &page->task,
                      on_samples, page);
    }
}

void history_samples(struct history *history, const struct task_id *task, struct text cursor,
                     uint32_t limit, history_samples_fn then, void *context)
{
    struct samples_page *page = mem_zalloc(1, sizeof(*page));

    *page = (struct samples_page){
        .history = history, .task = *task, .limit = limit, .then = then, .context = context
    };
    if (limit_check(limit, &page->problem) < 0 ||
        cursor_read_number(cursor, &page->after, &page->problem) < 0) {
        store_defer(history->store, samples_fail, page);
        return;
    }
    store_task_find(history->store, task, on_samples_task, page);
}

/* A trace's --------------------------------------------------------------------------------- */

struct trace_page {
    struct history *history;
    struct trace_id trace;
    history_samples_fn then;
    void *context;
    struct sample_summary *samples;
    size_t count, open;
    bool has_problem;
    struct problem problem;
};

static int compare_begin(const void *left, const void *right)
{
    const struct sample_summary *a = left, *b = right;

    return a->at_wall_ms < b->at_wall_ms ? -1 : a->at_wall_ms > b->at_wall_ms;
}

static void trace_end(struct trace_page *page)
{
    struct history_samples result = { .samples = page->samples, .count = page->count };

    if (!page->has_problem && page->count == 0) {
        page->has_problem = true;
        problem_set(&page->problem, PROBLEM_NO_SUCH_TRACE, "No sample has the trace ID '%s'.",
                    page->trace.text);
    }
    if (page->count) qsort(page->samples, page->count, sizeof(*page->samples), compare_begin);
    page->then(page->context, page->has_problem ? NULL : &result,
               page->has_problem ? &page->problem : NULL);
    free(page->samples);
    free(page);
}

/* A pointer that leads nowhere is no problem: that sample is gone, or was never taken. */
static void on_trace_sample(void *context, const struct sample_summary *summary,
                            const struct problem *problem)
{
    struct trace_page *page = context;

    if (!problem) {
        page->samples[page->count++] = *summary;
    } else if (problem->code != PROBLEM_NO_SUCH_SAMPLE && !page->has_problem) {
        page->has_problem = true;
        page->problem = *problem;
    }
    if (--page->open == 0) trace_end(page);
}

static void on_trace(void *context, const struct sample_id *ids, size_t count,
                     const struct problem *problem)
{
    struct trace_page *page = context;

    if (problem) {
        page->has_problem = true;
        page->problem = *problem;
    }
    if (count == 0) {
        trace_end(page);
        return;
    }
    page->samples = mem_zalloc(count, sizeof(*page->samples));
    page->open = count;
    for (size_t i = 0; i < count; i++) {
        store_sample_find(page->history->store, &ids[i], on_trace_sample, page);
    }
}

void history_trace(struct history *history, const struct trace_id *trace, history_samples_fn then,
                   void *context)
{
    struct trace_page *page = mem_zalloc(1, sizeof(*page));

    page->history = history;
    page->trace = *trace;
    page->then = then;
    page->context = context;
    store_trace_find(history->store, trace, on_trace, page);
}

/* One, with its stacks ---------------------------------------------------------------------- */

struct sample_read {
    struct history *history;
    struct sample_id id;
    struct sample_summary summary;
    unsigned tries;
    history_sample_fn then;
    void *context;
};

static void on_sample(void *context, const struct sample_summary *summary,
                      const struct problem *problem);

static void sample_end(struct sample_read *read, struct sample **sample,
                       const struct problem *problem)
{
    read->then(read->context, problem ? NULL : &read->summary, sample, problem);
    free(read);
}

static void on_bytes(void *context, struct text bytes, const struct problem *problem)
{
    struct sample_read *read = context;
    OWN(sample_freep) struct sample *sample = NULL;
    struct problem undecodable, reason;

    if (problem && problem->code == PROBLEM_NO_SUCH_SAMPLE && ++read->tries < READ_TRIES_MAX) {
        store_sample_find(read->history->store, &read->id, on_sample, read);
        return;
    }
    if (!problem && report_decode(bytes, &sample, &reason) < 0) {
        problem_set(&undecodable, PROBLEM_INTERNAL, "The stored sample '%s' cannot be read: %s",
                    read->id.text, reason.detail);
        problem = &undecodable;
    }
    sample_end(read, problem ? NULL : &sample, problem);
}

static void on_sample(void *context, const struct sample_summary *summary,
                      const struct problem *problem)
{
    struct sample_read *read = context;

    if (problem) {
        sample_end(read, NULL, problem);
        return;
    }
    read->summary = *summary;
    store_sample_bytes(read->history->store, summary, on_bytes, read);
}

void history_sample(struct history *history, const struct sample_id *id, history_sample_fn then,
                    void *context)
{
    struct sample_read *read = mem_zalloc(1, sizeof(*read));

    read->history = history;
    read->id = *id;
    read->then = then;
    read->context = context;
    store_sample_find(history->store, id, on_sample, read);
}

void history_summary(struct history *history, const struct sample_id *id, history_summary_fn then,
                     void *context)
{
    store_sample_find(history->store, id, then, context);
}

/* All of a task, with their stacks ---------------------------------------------------------- */

/* One after the other, so that decoding them never holds up the loop for all of them at once. */
struct whole_read {
    struct history *history;
    struct task_id task;
    history_whole_fn then;
    void *context;
    struct sample_id *ids;
    size_t id_count, at;
    struct sample **samples; /* owned, each too */
    size_t count;
};

static void whole_end(struct whole_read *read, const struct problem *problem)
{
    read->then(read->context, problem ? NULL : read->samples, problem ? 0 : read->count, problem);
    for (size_t i = 0; i < read->count; i++) {
        sample_free(read->samples[i]);
    }
    free(read->samples);
    free(read->ids);
    free(read);
}

static void whole_go_on(struct whole_read *read);

static void on_whole_bytes(void *context, struct text bytes, const struct problem *problem)
{
    struct whole_read *read = context;
    struct problem undecodable, reason;

    if (!problem && report_decode(bytes, &read->samples[read->count], &reason) < 0) {
        problem_set(&undecodable, PROBLEM_INTERNAL, "The stored sample '%s' cannot be read: %s",
                    read->ids[read->at].text, reason.detail);
        problem = &undecodable;
    } else if (!problem) {
        read->count++;
    }
    /* Dropped by retention while we read: the rest is what there is. */
    if (problem && problem->code != PROBLEM_NO_SUCH_SAMPLE) {
        whole_end(read, problem);
        return;
    }
    read->at++;
    whole_go_on(read);
}

static void on_whole_sample(void *context, const struct sample_summary *summary,
                            const struct problem *problem)
{
    struct whole_read *read = context;

    if (problem) {
        on_whole_bytes(read, TEXT(""), problem);
    } else {
        store_sample_bytes(read->history->store, summary, on_whole_bytes, read);
    }
}

static void whole_go_on(struct whole_read *read)
{
    if (read->at == read->id_count) {
        whole_end(read, NULL);
    } else {
        store_sample_find(read->history->store, &read->ids[read->at], on_whole_sample, read);
    }
}

static void on_whole_list(void *context, const struct store_samples *samples,
                          const struct problem *problem)
{
    struct whole_read *read = context;

    if (problem) {
        whole_end(read, problem);
        return;
    }
    read->id_count = samples->count;
    read->ids = mem_zalloc(samples->count + 1, sizeof(*read->ids));
    read->samples = mem_zalloc(samples->count + 1, sizeof(*read->samples));
    for (size_t i = 0; i < samples->count; i++) {
        read->ids[i] = samples->summaries[i].id;
    }
    whole_go_on(read);
}

static void on_whole_task(void *context, const struct task *task, const struct problem *problem)
{
    struct whole_read *read = context;

    if (problem) {
        whole_end(read, problem);
    } else {
        store_samples(read->history->store, text_of(task->spec.application), &read->task,
                      on_whole_list, read);
    }
}

void history_whole_task(struct history *history, const struct task_id *task, history_whole_fn then,
                        void *context)
{
    struct whole_read *read = mem_zalloc(1, sizeof(*read));

    read->history = history;
    read->task = *task;
    read->then = then;
    read->context = context;
    store_task_find(history->store, task, on_whole_task, read);
}
