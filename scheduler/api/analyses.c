/* SPDX-License-Identifier: Apache-2.0 */
/* analyses.c: /analysis of a sample or a task, and /diff: the same work, once or twice.
 *
 * A job has one subject (an analysis) or two (a comparison). A subject is loaded, its frames are
 * named by the symbol worker, and it is analysed; then the next one; then the answer is written.
 * The job holds everything in between, and lives on if the client goes away: the worker reads
 * the samples. */
#include "common/base/check.h"
#include "scheduler/analysis/analysis.h"
#include "scheduler/api/answer.h"
#include "scheduler/history/history.h"
#include "scheduler/symbols/symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXPORT_SIZE_MAX = 64 * 1024 * 1024, /* a hundred samples of 1 MB, analysed, are far below */
    TITLE_SIZE = INTERFACE_SIZE_MAX + 128,
};

struct subject {
    bool is_sample;
    struct sample_id sample;
    struct task_id task;
    struct sample **samples; /* taken from history; owned, as is what it points to */
    size_t count;
    struct analysis *analysis;
    char interface[INTERFACE_SIZE_MAX + 1]; /* of the first sample; empty: there is none */
};

struct job {
    struct pending pending;
    enum export_format format;
    struct subject subjects[2];
    size_t subject_count, done_count;
};

static void load(struct job *job);

static void subject_drop_samples(struct subject *subject)
{
    for (size_t i = 0; i < subject->count; i++) {
        sample_free(subject->samples[i]);
    }
    free(subject->samples);
    subject->samples = NULL;
    subject->count = 0;
}

/* What the job owns; the pending itself goes with the answer. */
static void job_clear(struct job *job)
{
    for (size_t i = 0; i < job->subject_count; i++) {
        subject_drop_samples(&job->subjects[i]);
        job->subjects[i].analysis = analysis_free(job->subjects[i].analysis);
    }
}

static void job_refuse(struct job *job, const struct problem *problem)
{
    job_clear(job);
    pending_problem(&job->pending, problem);
}

/* ------------------------------------------------------------------ the answer */

static const char *subject_id(const struct subject *subject)
{
    return subject->is_sample ? subject->sample.text : subject->task.text;
}

static const char *subject_noun(const struct subject *subject)
{
    return subject->is_sample ? "sample" : "task";
}

static void write_title(const struct job *job, char *ret, size_t size)
{
    const struct subject *first = &job->subjects[0], *second = &job->subjects[1];

    if (job->subject_count == 1)
        snprintf(ret, size, "%s%s%s %s", first->interface, *first->interface ? ", " : "",
                 subject_noun(first), subject_id(first));
    else
        snprintf(ret, size, "%s%s%s %s against %s %s", second->interface,
                 *second->interface ? ", " : "", subject_noun(second), subject_id(second),
                 subject_noun(first), subject_id(first));
}

/* Shown in place: JSON, which programs read. Everything else is a file for another viewer. */
static void answer_export(struct job *job, struct buf *take_body)
{
    const struct subject *first = &job->subjects[0];
    enum export_format format = job->format;
    char name[128];

    snprintf(name, sizeof name, "stakeout-%s-%s.%s",
             job->subject_count == 1 ? subject_noun(first) : "diff", subject_id(first),
             export_format_suffix(format));
    job_clear(job);
    pending_file(&job->pending, export_format_type(format), format == EXPORT_JSON ? NULL : name,
                 take_body);
}

static void refuse_export(struct job *job, int rc)
{
    struct problem problem = { 0 };

    if (rc == -EOPNOTSUPP)
        problem_set_field(&problem, "format",
                          "'format' is %s; of a comparison it must be json "
                          "or svg.",
                          export_format_slug(job->format));
    else
        problem_set(&problem, PROBLEM_TOO_LARGE, "The analysis would be larger than %d MB.",
                    EXPORT_SIZE_MAX >> 20);
    job_refuse(job, &problem);
}

static void finish(struct job *job)
{
    struct buf body = BUF_INIT(EXPORT_SIZE_MAX);
    struct analysis *diff = NULL;
    char title[TITLE_SIZE];
    int rc;

    if (job->subject_count == 2)
        diff = analysis_diff(job->subjects[0].analysis, job->subjects[1].analysis);
    write_title(job, title, sizeof title);
    rc = analysis_export(diff ? diff : job->subjects[0].analysis, job->format, text_of(title),
                         &body);
    analysis_free(diff);
    if (rc < 0) {
        buf_done(&body);
        refuse_export(job, rc);
        return;
    }
    answer_export(job, &body);
}

/* ------------------------------------------------------------------ one subject after the other */

static void on_resolved(void *context, const struct sample_symbols *const *symbols, size_t count)
{
    struct job *job = context;
    struct subject *subject = &job->subjects[job->done_count];

    CHECK(count == subject->count);
    subject->analysis =
        analysis_new((const struct sample *const *)subject->samples, symbols, count);
    subject_drop_samples(subject);
    job->done_count++;
    if (job->done_count < job->subject_count && job->pending.request)
        load(job);
    else if (job->pending.request)
        finish(job);
    else
        job_refuse(job, &(struct problem){ .code = PROBLEM_BUSY }); /* nobody will read it */
}

static void adopt(struct job *job, struct sample **samples, size_t count)
{
    struct subject *subject = &job->subjects[job->done_count];

    subject->samples = mem_zalloc(count > 0 ? count : 1, sizeof *subject->samples);
    subject->count = count;
    for (size_t i = 0; i < count; i++) {
        subject->samples[i] = sample_take(&samples[i]);
    }
    if (count > 0)
        snprintf(subject->interface, sizeof subject->interface, "%s",
                 subject->samples[0]->interface);
    symbols_resolve(job->pending.api->rooms.symbols, (const struct sample *const *)subject->samples,
                    count, on_resolved, job);
}

static void on_whole_task(void *context, struct sample **samples, size_t count,
                          const struct problem *problem)
{
    struct job *job = context;

    if (problem)
        job_refuse(job, problem);
    else
        adopt(job, samples, count);
}

static void on_one_sample(void *context, const struct sample_summary *summary,
                          struct sample **sample, const struct problem *problem)
{
    struct job *job = context;

    (void)summary;
    if (problem)
        job_refuse(job, problem);
    else
        adopt(job, sample, 1);
}

static void load(struct job *job)
{
    struct history *history = job->pending.api->rooms.history;
    const struct subject *subject = &job->subjects[job->done_count];

    if (subject->is_sample)
        history_sample(history, &subject->sample, on_one_sample, job);
    else
        history_whole_task(history, &subject->task, on_whole_task, job);
}

/* ------------------------------------------------------------------ the door */

static int read_format(struct http_request *request, enum export_format *ret,
                       struct problem *problem)
{
    struct text slug = http_query(request, "format");

    *ret = EXPORT_JSON;
    if (!slug.data || export_format_parse(slug, ret) == 0) return 0;
    return problem_set_field(problem, "format",
                             "'format' is not known; it must be json, folded, "
                             "speedscope, pprof or svg.");
}

static int subject_parse(bool is_sample, struct text id, struct subject *ret,
                         struct problem *problem)
{
    ret->is_sample = is_sample;
    if (is_sample && sample_id_parse(id, &ret->sample) < 0)
        return problem_set(problem, PROBLEM_NO_SUCH_SAMPLE,
                           "No sample has such an id; one is 32 lower-case hex digits.");
    if (!is_sample && task_id_parse(id, &ret->task) < 0)
        return problem_set(problem, PROBLEM_NO_SUCH_TASK,
                           "No task has such an id; one is 20 lower-case hex digits.");
    return 0;
}

/* "sample:ID" or "task:ID" */
static int read_subject(struct http_request *request, const char *name, struct subject *ret,
                        struct problem *problem)
{
    struct text value = http_query(request, name);
    bool is_sample = text_starts_with(value, TEXT("sample:"));
    size_t skip = is_sample ? strlen("sample:") : strlen("task:");

    if (!is_sample && !text_starts_with(value, TEXT("task:")))
        return problem_set_field(problem, name, "'%s' must be sample:ID or task:ID.", name);
    return subject_parse(is_sample, (struct text){ value.data + skip, value.size - skip }, ret,
                         problem);
}

static void start(struct api *api, struct http_request *request, const struct job *draft)
{
    struct job *job = pending_new(api, request, sizeof *job);

    job->format = draft->format;
    job->subject_count = draft->subject_count;
    memcpy(job->subjects, draft->subjects, sizeof job->subjects);
    load(job);
}

static void analyse_one(struct api *api, struct http_request *request, bool is_sample)
{
    struct job draft = { .subject_count = 1 };
    struct problem problem = { 0 };

    if (subject_parse(is_sample, http_param(request, "id"), &draft.subjects[0], &problem) < 0 ||
        read_format(request, &draft.format, &problem) < 0)
        answer_problem(request, &problem);
    else
        start(api, request, &draft);
}

void on_task_analysis(struct api *api, struct http_request *request)
{
    analyse_one(api, request, false);
}

void on_sample_analysis(struct api *api, struct http_request *request)
{
    analyse_one(api, request, true);
}

void on_diff(struct api *api, struct http_request *request)
{
    struct job draft = { .subject_count = 2 };
    struct problem problem = { 0 };

    if (read_subject(request, "base", &draft.subjects[0], &problem) < 0 ||
        read_subject(request, "other", &draft.subjects[1], &problem) < 0 ||
        read_format(request, &draft.format, &problem) < 0)
        answer_problem(request, &problem);
    else
        start(api, request, &draft);
}
