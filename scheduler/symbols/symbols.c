/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.c: which frames need an answer, who waits for which, and the questions in between.
 *
 * Files of the store are symbol_files.c's. What they have to do with answers is a number: each
 * build-id has a generation, which grows when a file of it comes or goes. An answer bears the one
 * of its question; one that is older is asked for again, and the worker opens a module anew whose
 * generation grew. So older samples gain names when symbols arrive later.
 *
 *     resolve    one symbols_resolve(): references to the cached symbol of each of its frames
 *     job        up to BATCH_MAX frames of one module that the cache did not have: one question
 *                to the worker, and the resolves that wait for it
 *
 * Jobs are asked one after the other. A frame that another resolve already asked for is not asked
 * again: the second one waits for the first one's job.
 *
 * INVARIANTS
 *
 * (1) A cached symbol's `job` is set while, and only while, that job exists and will answer it.
 * (2) A resolve ends by its timer alone: at once when nothing is left to wait for, else at its
 *     deadline; so its callback never comes from within symbols_resolve(), and comes once.
 * (3) A module that the worker died over twice is not asked about for a while: one hostile file
 *     does not keep the worker busy dying. What it was asked then stays unresolved. */
#include "scheduler/symbols/symbols.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/analysis/analysis.h"
#include "scheduler/symbols/mangled_name.h"
#include "scheduler/symbols/suspects.h"
#include "scheduler/symbols/symbol_cache.h"
#include "scheduler/symbols/symbol_files.h"
#include "scheduler/symbols/symbol_wire.h"
#include "scheduler/symbols/worker_process.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_SIZE_MAX = 64 << 20, /* bytes */
    RESOLVE_TIMEOUT_S = 20,    /* an analysis is shown then with what is known */
    LOSSES_MAX = 4,            /* in a row: the worker cannot run at all; the queue is given up */
    GENERATIONS = 1024,        /* build-ids of one hash share one: they are asked for once more */
};

struct resolve {
    TAILQ_ENTRY(resolve) link;
    struct symbols *symbols;
    symbols_fn then;
    void *context;
    struct event *timer;
    size_t count;
    const struct sample **samples;
    struct sample_symbols *results; /* by sample */
    const struct sample_symbols **pointers;
    struct cached_symbol ***cached;  /* by sample and frame; NULL: not asked */
    struct cached_symbol ***strings; /* by sample and string, likewise */
    uint32_t jobs_left;
};

struct job {
    TAILQ_ENTRY(job) link;
    char *path, *build_id;
    size_t path_size, build_id_size;
    uint32_t id, generation, count;
    struct cached_symbol *entries[BATCH_MAX];
    uint64_t offsets[BATCH_MAX];
    char *names[BATCH_MAX]; /* owned */
    struct resolve **waiting;
    uint32_t waiting_count, waiting_capacity;
};

struct symbols {
    struct event_base *base;
    struct worker_process *worker;
    struct symbol_cache *cache;
    TAILQ_HEAD(, job) jobs; /* the first one is being asked, if is_asking */
    TAILQ_HEAD(, resolve) resolves;
    bool is_asking;
    uint32_t job_count;
    struct suspects suspects;
    struct symbol_files *files; /* NULL: there is no store */
    uint32_t generations[GENERATIONS];
    uint64_t hits, misses;
};

static uint32_t *generation_of(struct symbols *symbols, struct text build_id)
{
    return &symbols->generations[text_hash(build_id) % GENERATIONS];
}

static uint64_t module_hash(const struct job *job)
{
    return text_hash((struct text){ job->path, job->path_size }) * 31 +
           text_hash((struct text){ job->build_id, job->build_id_size });
}

/* ---- resolves ---- */

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

/* A resolve that ends at its deadline is still on the lists of its jobs. */
static void resolve_forget(struct symbols *symbols, const struct resolve *resolve)
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

static void resolve_end(struct resolve *resolve)
{
    struct symbols *symbols = resolve->symbols;

    if (resolve->jobs_left > 0) resolve_forget(symbols, resolve);
    TAILQ_REMOVE(&symbols->resolves, resolve, link);
    for (size_t i = 0; i < resolve->count; i++)
        sample_take_answers(resolve, i);
    resolve->then(resolve->context, resolve->pointers, resolve->count);
    resolve_free(resolve);
}

static void on_resolve_time(evutil_socket_t fd, short events, void *context)
{
    (void)fd;
    (void)events;
    resolve_end(context);
}

static void resolve_time(struct resolve *resolve)
{
    struct timeval after = { .tv_sec = resolve->jobs_left > 0 ? RESOLVE_TIMEOUT_S : 0 };

    event_add(resolve->timer, &after);
}

/* ---- jobs ---- */

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
        if (--job->waiting[i]->jobs_left == 0) resolve_time(job->waiting[i]);
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

static void next_ask(struct symbols *symbols)
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
            *generation_of(symbols, (struct text){ job->build_id, job->build_id_size });
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

static bool on_answer(void *context, struct text answer)
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
    next_ask(symbols);
    return true;
}

static void on_lost(void *context)
{
    struct symbols *symbols = context;
    struct job *job = TAILQ_FIRST(&symbols->jobs);

    symbols->is_asking = false;
    suspects_note(&symbols->suspects, module_hash(job), clock_monotonic_ns());
    job_give_up(symbols, job);
    while (worker_process_losses(symbols->worker) >= LOSSES_MAX && !TAILQ_EMPTY(&symbols->jobs))
        job_give_up(symbols, TAILQ_FIRST(&symbols->jobs));
    next_ask(symbols);
}

/* ---- what is asked ---- */

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
    /* Nobody else is added while this resolve is made, so it is the last one if it is there. */
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

/* Debug information may be installed after it was asked for. */
static bool is_worth_asking(const struct cached_symbol *entry, uint32_t generation)
{
    static const uint64_t again_ns = 600 * NS_PER_S;
    bool has_line = entry->count > 0 && entry->locations[0].line > 0;

    if (entry->job) return false;
    if (entry->is_stale || entry->generation != generation) return true;
    return !has_line && clock_monotonic_ns() - entry->answered_ns > again_ns;
}

/* Gets the cached symbol of a key, and asks for it if need be in the open job, or a new one. */
static struct cached_symbol *resolve_key(struct resolve *resolve, const struct symbol_key *key,
                                         struct job **open)
{
    struct symbols *symbols = resolve->symbols;
    struct cached_symbol *entry;
    bool is_new;

    entry = symbol_cache_ref(symbols->cache, key, &is_new);
    if (is_new || is_worth_asking(entry, *generation_of(symbols, key->build_id))) {
        if (!*open || (*open)->count == BATCH_MAX)
            *open = job_new(symbols, key->path, key->build_id);
        job_add(symbols, *open, key, entry);
    }
    if (entry->job) job_wait(entry->job, resolve);
    return entry;
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
            resolve->cached[index][i] = resolve_key(resolve, &key, &open[frame->module]);
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
        resolve->strings[index][string] = resolve_key(resolve, &key, &open);
    }
}

static void resolve_sample(struct resolve *resolve, size_t index)
{
    const struct stack_table *stacks = &resolve->samples[index]->stacks;
    struct sample_symbols *result = &resolve->results[index];

    resolve->pointers[index] = result;
    result->frame_count = stacks->frame_count;
    result->string_count = stacks->string_count;
    result->frames = mem_zalloc(result->frame_count + 1, sizeof *result->frames);
    result->strings = mem_zalloc(result->string_count + 1, sizeof *result->strings);
    resolve->cached[index] = mem_zalloc(result->frame_count + 1, sizeof(struct cached_symbol *));
    resolve->strings[index] = mem_zalloc(result->string_count + 1, sizeof(struct cached_symbol *));
    resolve_frames(resolve, index);
    resolve_strings(resolve, index);
}

void symbols_resolve(struct symbols *symbols, const struct sample *const *samples, size_t count,
                     symbols_fn then, void *context)
{
    struct resolve *resolve = mem_zalloc(1, sizeof *resolve);

    *resolve =
        (struct resolve){ .symbols = symbols, .then = then, .context = context, .count = count };
    resolve->timer = evtimer_new(symbols->base, on_resolve_time, resolve);
    CHECK(resolve->timer);
    resolve->results = mem_zalloc(count + 1, sizeof *resolve->results);
    resolve->pointers = mem_zalloc(count + 1, sizeof *resolve->pointers);
    resolve->cached = mem_zalloc(count + 1, sizeof *resolve->cached);
    resolve->strings = mem_zalloc(count + 1, sizeof *resolve->strings);
    resolve->samples = mem_zalloc(count + 1, sizeof *resolve->samples);
    TAILQ_INSERT_TAIL(&symbols->resolves, resolve, link);
    for (size_t i = 0; i < count; i++) {
        resolve->samples[i] = samples[i];
        resolve_sample(resolve, i);
    }
    resolve_time(resolve);
    next_ask(symbols);
}

/* A file of this build-id came or went. */
static void on_file_changed(void *context, struct text build_id)
{
    struct symbols *symbols = context;

    ++*generation_of(symbols, build_id);
}

static struct worker_process *worker_make(struct symbols *symbols,
                                          const struct symbols_options *options)
{
    struct worker_process_options worker = {
        .base = symbols->base,
        .program = options->program,
        .debug_roots = { options->debug_root ? options->debug_root : "/usr/lib/debug" },
        .debug_root_count = 1,
        .read_module_paths = options->read_module_paths,
        .context = symbols,
        .on_answer = on_answer,
        .on_lost = on_lost,
    };

    if (symbols->files) {
        const struct symbol_store *store = symbol_files_store(symbols->files);

        worker.debug_roots[1] = symbol_store_root(store, SYMBOL_UPLOADED);
        worker.debug_roots[2] = symbol_store_root(store, SYMBOL_FETCHED);
        worker.debug_root_count = 3;
    }
    return worker_process_new(&worker);
}

struct symbols *symbols_new(struct event_base *base, const struct symbols_options *options,
                            struct problem *problem)
{
    struct symbols *symbols = mem_zalloc(1, sizeof *symbols);

    symbols->base = base;
    symbols->cache = symbol_cache_new(CACHE_SIZE_MAX);
    TAILQ_INIT(&symbols->jobs);
    TAILQ_INIT(&symbols->resolves);
    if (options->store_folder) {
        symbols->files =
            symbol_files_new(&(struct symbol_files_options){ .base = base,
                                                             .symbols = options,
                                                             .on_changed = on_file_changed,
                                                             .context = symbols },
                             problem);
        if (!symbols->files) return symbols_free(symbols);
    }
    symbols->worker = worker_make(symbols, options);
    return symbols;
}

struct symbols *symbols_free(struct symbols *symbols)
{
    if (!symbols) return NULL;
    symbols->files = symbol_files_free(symbols->files);
    symbols->worker = worker_process_free(symbols->worker);
    while (!TAILQ_EMPTY(&symbols->resolves))
        resolve_end(TAILQ_FIRST(&symbols->resolves));
    while (!TAILQ_EMPTY(&symbols->jobs))
        job_give_up(symbols, TAILQ_FIRST(&symbols->jobs));
    symbol_cache_free(symbols->cache);
    free(symbols);
    return NULL;
}

int symbols_worker_pid(const struct symbols *symbols)
{
    return worker_process_pid(symbols->worker);
}

/* ---- the store ---- */

struct symbol_upload *symbols_upload_begin(struct symbols *symbols, uint64_t size,
                                           struct problem *problem)
{
    CHECK(symbols->files);
    return symbol_files_upload(symbols->files, size, problem);
}

const struct symbol_file *symbols_file_at(const struct symbols *symbols, size_t index)
{
    return symbol_store_at(symbol_files_store(symbols->files), index);
}

const struct symbol_file *symbols_file_find(const struct symbols *symbols, struct text build_id_hex)
{
    return symbol_store_find(symbol_files_store(symbols->files), build_id_hex);
}

int symbols_file_remove(struct symbols *symbols, struct text build_id_hex)
{
    return symbol_files_remove(symbols->files, build_id_hex);
}

uint64_t symbols_upload_size_max(const struct symbols *symbols)
{
    return symbol_files_upload_size_max(symbols->files);
}

struct symbols_counts symbols_counts(const struct symbols *symbols)
{
    struct symbols_counts counts = {
        .hits = symbols->hits,
        .misses = symbols->misses,
        .worker_starts = worker_process_start_count(symbols->worker),
        .worker_losses = worker_process_loss_count(symbols->worker),
    };

    if (symbols->files) symbol_files_count(symbols->files, &counts);
    return counts;
}
