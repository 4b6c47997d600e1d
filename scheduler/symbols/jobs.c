/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.c: the questions to the worker, one after the other, and who waits for which.
 *
 * An answer bears the generation that its build-id's files had when it was asked for; one that is
 * older is asked for again, and the worker opens a module anew whose generation grew. */
#include "scheduler/symbols/symbols_private.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/analysis/analysis.h"
#include "scheduler/symbols/symbol_files.h"
#include "scheduler/symbols/worker_process.h"

#include <stdlib.h>

enum { LOSSES_MAX = 4 /* in a row: the worker cannot run at all; the queue is given up */ };

static uint64_t module_hash(const struct job *job)
{
    return text_hash((struct text){ job->path, job->path_size }) * 31 +
           text_hash((struct text){ job->build_id, job->build_id_size });
}

void jobs_forget(struct symbols *symbols, const struct resolve *resolve)
{
    struct job *job;

    TAILQ_FOREACH(job, &symbols->jobs, link)
    {
        uint32_t kept = 0;

        for (uint32_t i = 0; i < job->waiting_count; i++)
            if (job->waiting[i] != resolve) job->waiting[kept++] = job->waiting[i];
        job->waiting_count = kept;
    }
}

static void job_free(struct symbols *symbols, struct job *job)
{
    TAILQ_REMOVE(&symbols->jobs, job, link);
    for (uint32_t i = 0; i < job->count; i++) {
        job->entries[i]->job = NULL;
        job->entries[i]->answered_ns = clock_monotonic_ns();
        symbol_cache_unref(symbols->cache, job->entries[i]);
        free(job->names[i]);
    }
    for (uint32_t i = 0; i < job->waiting_count; i++)
        resolve_job_over(job->waiting[i]);
    free(job->waiting);
    free(job->path);
    free(job->build_id);
    free(job);
}

static void job_give_up(struct symbols *symbols, struct job *job)
{
    for (uint32_t i = 0; i < job->count; i++)
        job->entries[i]->is_stale = true;
    job_free(symbols, job);
}

void jobs_give_up(struct symbols *symbols)
{
    while (!TAILQ_EMPTY(&symbols->jobs))
        job_give_up(symbols, TAILQ_FIRST(&symbols->jobs));
}

/* ---- the question that is asked ---- */

static void job_write(const struct job *job, struct buf *to)
{
    wire_write_u32(to, job->id);
    wire_write_u32(to, job->generation);
    wire_write_text(to, (struct text){ job->path, job->path_size });
    wire_write_text(to, (struct text){ job->build_id, job->build_id_size });
    wire_write_u32(to, job->count);
    for (uint32_t i = 0; i < job->count; i++) {
        wire_write_u64(to, job->offsets[i]);
        wire_write_text(to, text_of(job->names[i]));
    }
}

void jobs_ask(struct symbols *symbols)
{
    OWN(buf_done) struct buf request = BUF_INIT(SYMBOL_FRAME_SIZE_MAX);
    struct job *job;

    if (!symbols->worker) return; /* symbols_free() is at work */
    while (!symbols->is_asking && (job = TAILQ_FIRST(&symbols->jobs)) != NULL) {
        if (suspects_have(&symbols->suspects, module_hash(job), clock_monotonic_ns())) {
            job_give_up(symbols, job);
            continue;
        }
        job->generation =
            *symbols_generation(symbols, (struct text){ job->build_id, job->build_id_size });
        job_write(job, &request);
        CHECK(!request.failed);
        symbols->is_asking = true;
        worker_process_ask(symbols->worker, buf_peek(&request));
    }
}

/* Reads the answer to the job that is being asked; nothing is stored before all of it is right. */
static bool answer_is_right(const struct job *job, struct wire_reader reader)
{
    struct source_location locations[LOCATIONS_MAX];

    if (wire_read_u32(&reader) != job->id || wire_read_u32(&reader) != job->count) return false;
    if ((wire_read_u8(&reader) & ~(MODULE_HAS_LINES | MODULE_IS_STORED)) != 0) return false;
    for (uint32_t i = 0; i < job->count; i++)
        if (wire_read_locations(&reader, locations) < 0) return false;
    return reader.at == reader.end;
}

/* What the worker found of the job's module: what was used is kept longest, and what is missing may
 * be had from a debuginfod. */
static void note_module(struct symbols *symbols, const struct job *job, uint8_t found)
{
    struct text build_id = { job->build_id, job->build_id_size };

    if (build_id.size == 0) return;
    if (found & MODULE_HAS_LINES)
        symbols->hits++;
    else
        symbols->misses++;
    if (!symbols->files) return;
    if (found & MODULE_IS_STORED) symbol_store_touch(symbol_files_store(symbols->files), build_id);
    if (!(found & MODULE_HAS_LINES)) symbol_files_want(symbols->files, build_id);
}

bool jobs_on_answer(void *context, struct text answer)
{
    struct symbols *symbols = context;
    struct job *job = TAILQ_FIRST(&symbols->jobs);
    struct wire_reader reader = { answer.data, answer.data + answer.size, false };

    if (!answer_is_right(job, reader)) return false;
    wire_read_u32(&reader);
    wire_read_u32(&reader);
    note_module(symbols, job, wire_read_u8(&reader));
    for (uint32_t i = 0; i < job->count; i++) {
        struct source_location locations[LOCATIONS_MAX];
        int count = wire_read_locations(&reader, locations);

        symbol_cache_fill(symbols->cache, job->entries[i], locations, (uint8_t)count);
        job->entries[i]->is_stale = false;
        job->entries[i]->generation = job->generation;
    }
    job_free(symbols, job);
    symbols->is_asking = false;
    jobs_ask(symbols);
    return true;
}

void jobs_on_lost(void *context)
{
    struct symbols *symbols = context;
    struct job *job = TAILQ_FIRST(&symbols->jobs);

    symbols->is_asking = false;
    suspects_note(&symbols->suspects, module_hash(job), clock_monotonic_ns());
    job_give_up(symbols, job);
    if (worker_process_losses(symbols->worker) >= LOSSES_MAX) jobs_give_up(symbols);
    jobs_ask(symbols);
}

/* ---- what is to be asked ---- */

static struct job *job_new(struct symbols *symbols, struct text path, struct text build_id)
{
    struct job *job = mem_zalloc(1, sizeof *job);

    job->id = ++symbols->job_count;
    job->path = mem_text(path.size ? path.data : "", path.size);
    job->path_size = path.size;
    job->build_id = mem_text(build_id.size ? build_id.data : "", build_id.size);
    job->build_id_size = build_id.size;
    TAILQ_INSERT_TAIL(&symbols->jobs, job, link);
    return job;
}

static void job_wait(struct job *job, struct resolve *resolve)
{
    /* Nobody else is added while a sample is looked at, so it is the last one if it is there. One
     * that came back with its next sample may be there twice, and then waits for it twice. */
    if (job->waiting_count > 0 && job->waiting[job->waiting_count - 1] == resolve) return;
    if (job->waiting_count == job->waiting_capacity) {
        job->waiting_capacity = job->waiting_capacity ? job->waiting_capacity * 2 : 4;
        job->waiting = mem_grow(job->waiting, job->waiting_capacity * sizeof(struct resolve *));
    }
    job->waiting[job->waiting_count++] = resolve;
    resolve->jobs_left++;
}

static void job_add(struct symbols *symbols, struct job *job, const struct symbol_key *key,
                    struct cached_symbol *entry)
{
    bool is_new;

    CHECK(job->count < BATCH_MAX && symbol_cache_ref(symbols->cache, key, &is_new) == entry);
    entry->job = job;
    job->entries[job->count] = entry;
    job->offsets[job->count] = key->offset;
    job->names[job->count] = mem_text(key->name.size ? key->name.data : "", key->name.size);
    job->count++;
}

/* Debug information may be installed after it was asked for. */
static bool is_worth_asking(const struct cached_symbol *entry, uint32_t generation)
{
    static const uint64_t again_ns = 600 * NS_PER_S;
    bool has_line = entry->count > 0 && entry->locations[0].line > 0;

    if (entry->job) return false;
    if (entry->is_stale || entry->generation != generation) return true;
    return !has_line && clock_monotonic_ns() - entry->answered_ns > again_ns;
}

struct cached_symbol *jobs_symbol(struct resolve *resolve, const struct symbol_key *key,
                                  struct job **open)
{
    struct symbols *symbols = resolve->symbols;
    struct cached_symbol *entry;
    bool is_new;

    entry = symbol_cache_ref(symbols->cache, key, &is_new);
    if (is_new || is_worth_asking(entry, *symbols_generation(symbols, key->build_id))) {
        if (!*open || (*open)->count == BATCH_MAX)
            *open = job_new(symbols, key->path, key->build_id);
        job_add(symbols, *open, key, entry);
    }
    if (entry->job) job_wait(entry->job, resolve);
    return entry;
}
