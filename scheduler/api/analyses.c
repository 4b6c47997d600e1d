/* SPDX-License-Identifier: Apache-2.0 */
/* analyses.c: /analysis of a sample or a task, and /diff: the same work, for one subject or two.
 *
 * A job loads the samples of its subjects, has all their frames named by the symbol worker, and
 * then analyses and exports them in one step. That step takes some 15 us per snapshot: a job of
 * more than SNAPSHOTS_INLINE_MAX does it in a child process (offload.h), so that polls and reports
 * are not held up by somebody's look at a hundred samples.
 *
 * The job holds everything, and lives on if the client goes away: the worker reads the samples. So
 * few of them work at once (turns.c), and the rest waits before it loads anything. */
#include "common/base/check.h"
#include "scheduler/analysis/analysis.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/offload.h"
#include "scheduler/api/query.h"
#include "scheduler/api/subject.h"
#include "scheduler/api/turns.h"
#include "scheduler/history/history.h"
#include "scheduler/symbols/symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXPORT_SIZE_MAX = 64 * 1024 * 1024, /* a hundred samples of 1 MB, analysed, are far below */
    SNAPSHOTS_INLINE_MAX = 1024,        /* about 15 ms */
    TITLE_SIZE = INTERFACE_SIZE_MAX + 128,
};

struct subject {
    bool is_sample;
    struct sample_id sample;
    struct task_id task;
    size_t count; /* its samples are these many of the job's */
};

struct job {
    struct pending pending;
    struct turn turn;
    enum export_format format;
    struct subject subjects[2];
    size_t subject_count, loaded_count;
    struct sample **samples; /* of all subjects; taken from history, owned */
    size_t count;
    const struct sample_symbols *const *symbols; /* while the worker's answer is there */
};

static void load(struct job *job);

/* What the job owns, and its turn; the pending itself goes with the answer. */
static void job_end(struct job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        sample_free(job->samples[i]);
    }
    free(job->samples);
    job->samples = NULL;
    job->count = 0;
    turn_end(job->pending.api->turns);
}

static void job_refuse(struct job *job, const struct problem *problem)
{
    job_end(job);
    pending_problem(&job->pending, problem);
}

/* ------------------------------------------------------------------ the work */

static const char *subject_id(const struct subject *subject)
{
    return subject->is_sample ? subject->sample.text : subject->task.text;
}

static const char *subject_noun(const struct subject *subject)
{
    return subject->is_sample ? "sample" : "task";
}

/* The interface is the last sample's: with two subjects, of the one that is looked at. */
static void write_title(const struct job *job, char *ret, size_t size)
{
    const struct subject *first = &job->subjects[0], *second = &job->subjects[1];
    const char *interface = job->count > 0 ? job->samples[job->count - 1]->interface : "";

    if (job->subject_count == 1)
        snprintf(ret, size, "%s%s%s %s", interface, *interface ? ", " : "", subject_noun(first),
                 subject_id(first));
    else
        snprintf(ret, size, "%s%s%s %s against %s %s", interface, *interface ? ", " : "",
                 subject_noun(second), subject_id(second), subject_noun(first), subject_id(first));
}

static struct analysis *analyse(const struct job *job, size_t first, size_t count)
{
    return analysis_new((const struct sample *const *)job->samples + first, job->symbols + first,
                        count);
}

/* Analyses and writes. Reads the job, and changes nothing: it may run in a child. */
static int work(void *context, struct buf *to)
{
    const struct job *job = context;
    size_t first_count = job->subjects[0].count;
    struct analysis *shown = analyse(job, 0, first_count);
    char title[TITLE_SIZE];
    int rc;

    if (job->subject_count == 2) {
        struct analysis *base = shown;
        struct analysis *other = analyse(job, first_count, job->count - first_count);

        shown = analysis_diff(base, other);
        analysis_free(base);
        analysis_free(other);
    }
    write_title(job, title, sizeof title);
    rc = analysis_export(shown, job->format, text_of(title), to);
    analysis_free(shown);
    return rc;
}

/* ------------------------------------------------------------------ the answer */

/* Shown in place: JSON, which programs read. Everything else is a file for another viewer. */
static void answer_export(struct job *job, struct buf *take_body)
{
    const struct subject *first = &job->subjects[0];
    enum export_format format = job->format;
    char name[128];

    snprintf(name, sizeof name, "stakeout-%s-%s.%s",
             job->subject_count == 1 ? subject_noun(first) : "diff", subject_id(first),
             export_format_suffix(format));
    if (format != EXPORT_JSON)
        pending_audit(&job->pending,
                      &(struct deed){ "exported",
                                      job->count > 0 ? job->samples[0]->application : NULL,
                                      subject_id(first), name });
    job_end(job);
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
    else if (rc == -ENOBUFS)
        problem_set(&problem, PROBLEM_TOO_LARGE, "The analysis would be larger than %d MB.",
                    EXPORT_SIZE_MAX >> 20);
    else if (rc == -EBUSY || rc == -EAGAIN || rc == -ECANCELED)
        problem_set(&problem, PROBLEM_BUSY,
                    "No process could be made for the analysis; try again.");
    else
        problem_set(&problem, PROBLEM_INTERNAL, "The analysis could not be made: %s.",
                    strerror(-rc));
    job_refuse(job, &problem);
}

static void on_worked(void *context, int rc, struct buf *result)
{
    struct job *job = context;

    if (rc < 0)
        refuse_export(job, rc);
    else
        answer_export(job, result);
}

static size_t snapshot_count(const struct job *job)
{
    size_t count = 0;

    for (size_t i = 0; i < job->count; i++) {
        count += job->samples[i]->snapshot_count;
    }
    return count;
}

static void finish_here(struct job *job)
{
    struct buf body = BUF_INIT(EXPORT_SIZE_MAX);
    int rc = work(job, &body);

    on_worked(job, rc, &body);
    buf_done(&body);
}

static void finish_elsewhere(struct job *job)
{
    struct offload offload = {
        .size_max = EXPORT_SIZE_MAX, .work = work, .then = on_worked, .context = job
    };
    int rc = offload_start(job->pending.api->offloads, &offload);

    if (rc < 0) refuse_export(job, rc);
}

static void on_resolved(void *context, const struct sample_symbols *const *symbols, size_t count)
{
    struct job *job = context;

    CHECK(count == job->count);
    if (!job->pending.request) {
        job_refuse(job, &(struct problem){ .code = PROBLEM_BUSY }); /* nobody will read it */
        return;
    }
    job->symbols = symbols;
    if (snapshot_count(job) <= SNAPSHOTS_INLINE_MAX)
        finish_here(job);
    else
        finish_elsewhere(job);
}

/* ------------------------------------------------------------------ one subject after the other */

static void adopt(struct job *job, struct sample **samples, size_t count)
{
    size_t room = job->count + count;

    job->samples = mem_grow(job->samples, (room > 0 ? room : 1) * sizeof *job->samples);
    for (size_t i = 0; i < count; i++) {
        job->samples[job->count++] = sample_take(&samples[i]);
    }
    job->subjects[job->loaded_count++].count = count;
    if (job->loaded_count < job->subject_count)
        load(job);
    else
        symbols_resolve(job->pending.api->rooms.symbols, (const struct sample *const *)job->samples,
                        job->count, on_resolved, job);
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
    const struct subject *subject = &job->subjects[job->loaded_count];

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
    return query_refuse("format", slug, "json, folded, speedscope, pprof or svg", problem);
}

static int subject_parse(bool is_sample, struct text id, struct subject *ret,
                         struct problem *problem)
{
    ret->is_sample = is_sample;
    return is_sample ? subject_sample(id, &ret->sample, problem)
                     : subject_task(id, &ret->task, problem);
}

/* "sample:ID" or "task:ID" */
static int read_subject(struct http_request *request, const char *name, struct subject *ret,
                        struct problem *problem)
{
    struct text value = http_query(request, name);
    bool is_sample = text_starts_with(value, TEXT("sample:"));
    size_t skip = is_sample ? strlen("sample:") : strlen("task:");

    if (!is_sample && !text_starts_with(value, TEXT("task:")))
        return query_refuse(name, value, "sample:ID or task:ID", problem);
    return subject_parse(is_sample, (struct text){ value.data + skip, value.size - skip }, ret,
                         problem);
}

static void begin(void *context)
{
    struct job *job = context;

    if (job->pending.request)
        load(job);
    else
        job_refuse(job, &(struct problem){ .code = PROBLEM_BUSY }); /* nobody will read it */
}

static void start(struct api *api, struct http_request *request, const struct job *draft)
{
    struct job *job = pending_new(api, request, sizeof *job);
    struct problem problem;

    job->format = draft->format;
    job->subject_count = draft->subject_count;
    memcpy(job->subjects, draft->subjects, sizeof job->subjects);
    if (turn_wait(api->turns, &job->turn, begin, job) == 0) return;
    problem_set(&problem, PROBLEM_BUSY, "Too many analyses are waited for already; try again.");
    pending_problem(&job->pending, &problem);
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
