/* SPDX-License-Identifier: Apache-2.0 */
/* symbols_private.h: the side of the loop as its own files see it: resolves.c, jobs.c, symbols.c.
 *
 *     resolve    one symbols_resolve(): references to the cached symbol of each of its frames
 *     job        up to BATCH_MAX frames of one module that the cache did not have: one question
 *                to the worker, and the resolves that wait for it
 *
 * INVARIANTS
 *
 * (1) A cached symbol's `job` is set while, and only while, that job exists and will answer it.
 * (2) A resolve looks at one sample in a turn of the loop: of a hundred large ones that would take
 *     a second. It ends by its timer alone: at once when nothing is left to wait for, else at its
 *     deadline; so its callback never comes from within symbols_resolve(), and comes once.
 * (3) A module that the worker died over twice is not asked about for a while: one hostile file
 *     does not keep the worker busy dying. What it was asked then stays unresolved. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_SYMBOLS_PRIVATE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_SYMBOLS_PRIVATE_H

#include "scheduler/symbols/suspects.h"
#include "scheduler/symbols/symbol_cache.h"
#include "scheduler/symbols/symbol_wire.h"
#include "scheduler/symbols/symbols.h"

#include <sys/queue.h>

enum { GENERATIONS = 1024 /* build-ids of one hash share one: they are asked for once more */ };

struct event;
struct symbol_files;
struct worker_process;

struct resolve {
    TAILQ_ENTRY(resolve) link;
    struct symbols *symbols;
    symbols_fn then;
    void *context;
    struct event *timer;
    size_t count, looked_count; /* of samples; how many were looked at */
    const struct sample **samples;
    struct sample_symbols *results; /* by sample */
    const struct sample_symbols **pointers;
    struct cached_symbol ***cached;  /* by sample and frame; NULL: not asked */
    struct cached_symbol ***strings; /* by sample and string, likewise */
    uint32_t jobs_left;              /* one more while there are samples to look at */
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

/* The generation of a build-id's files. */
uint32_t *symbols_generation(struct symbols *symbols, struct text build_id);

/* ---- jobs.c ---- */

/* Gets the cached symbol of a key, a reference more; and asks for it if need be, in the open job or
 * a new one, for which the resolve then waits. */
struct cached_symbol *jobs_symbol(struct resolve *resolve, const struct symbol_key *key,
                                  struct job **open);

/* Asks the worker the next question, unless one is under way. */
void jobs_ask(struct symbols *symbols);

/* A resolve that ends at its deadline is still on the lists of its jobs. */
void jobs_forget(struct symbols *symbols, const struct resolve *resolve);

/* All of them: what was asked stays unresolved. */
void jobs_give_up(struct symbols *symbols);

/* Of the worker's process: `context` is the symbols. */
bool jobs_on_answer(void *context, struct text answer);
void jobs_on_lost(void *context);

/* ---- resolves.c ---- */

/* One of the jobs that it waits for is over. */
void resolve_job_over(struct resolve *resolve);

/* Tells what is known, and is gone. */
void resolve_end(struct resolve *resolve);

#endif
