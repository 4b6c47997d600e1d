/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.h: names, files, lines and inlined functions for the frames of samples.
 *
 *     symbols = symbols_new(base, &options, &problem);
 *     symbols_resolve(symbols, samples, count, on_resolved, context);
 *
 * The work is done by a worker process of its own, so that a hostile ELF file harms nothing and
 * the loop never stalls: it is started when first needed, limited in memory, time and system
 * calls, and started again when it dies; what it then did not answer stays unresolved, and the
 * answer says so. Answers are cached by (build-id, offset).
 *
 * Where debug information is looked for: the module's own path, if that may be read (options)
 * and its build-id agrees; /usr/lib/debug, the store's uploads and what was fetched, by build-id;
 * then what the module's debug link names. Nothing of that is remembered longer than it is true:
 * when a file of a build-id comes or goes, its frames are asked for again. C++ names are demangled
 * there, too.
 *
 * The store is a folder of the state directory (symbol_store.h). Files come into it by uploads:
 *
 *     upload = symbols_upload_begin(symbols, size, &problem);
 *     ... `size` bytes to symbols_upload_fd(upload), which may be full, or break ...
 *     symbols_upload_end(upload, on_uploaded, context);       or symbols_upload_drop(upload)
 *
 * and, where debuginfod servers are given, by themselves: a build-id for which nothing was found is
 * fetched after the answer, not before it. Both are written and checked by processes of their own.
 *
 * One event-loop thread. Callbacks come exactly once, later; that of symbols_resolve() with as many
 * entries as samples, in their order; they live until it returns. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_SYMBOLS_H
#define STAKEOUT_SCHEDULER_SYMBOLS_SYMBOLS_H

#include "common/model/problem.h"
#include "common/model/sample.h"

enum {
    SYMBOLS_ROOTS_MAX = 3,   /* folders in which debug files are looked for, by build-id */
    SYMBOLS_UPLOADS_MAX = 2, /* at once; beyond them: busy */
    SYMBOLS_SERVERS_MAX = 8, /* debuginfod servers */
};

struct event_base;
struct symbols;
struct sample_symbols; /* scheduler/analysis/analysis.h has its shape */

/* Where a file of the store is from. */
enum symbol_source {
    SYMBOL_UPLOADED,
    SYMBOL_FETCHED, /* from a debuginfod */
};

/* A file of the store. */
struct symbol_file {
    char build_id[2 * BUILD_ID_SIZE_MAX + 1]; /* lower-case hex */
    enum symbol_source source;
    uint64_t size, stored_ms, used_ms; /* bytes; wall clock */
};

struct symbols_options {
    const char *program;        /* what to execute as the worker: "/proc/self/exe" */
    bool read_module_paths;     /* may paths that probes name be opened? */
    const char *debug_root;     /* default "/usr/lib/debug"; tests use their own */
    const char *store_folder;   /* NULL: there is no store, and nothing is fetched */
    uint64_t store_size_max;    /* bytes; 0: 16 GB */
    uint64_t upload_size_max;   /* bytes of one file; 0: 4 GB */
    const char *const *servers; /* URLs of debuginfod servers, asked in this order */
    size_t server_count;
    uint64_t fetch_ms;       /* for one file, from all servers; 0: 10 minutes */
    uint64_t fetch_again_ms; /* what nobody had is not asked for again so soon; 0: one hour */
};

/* NULL with *problem (which may be NULL without a store) if the store cannot be had. */
struct symbols *symbols_new(struct event_base *base, const struct symbols_options *options,
                            struct problem *problem);

/* Kills the worker; callbacks that are still due come before it returns, with what is known. */
struct symbols *symbols_free(struct symbols *symbols);

typedef void (*symbols_fn)(void *context, const struct sample_symbols *const *symbols,
                           size_t count);

/* The samples must live until the callback. */
void symbols_resolve(struct symbols *symbols, const struct sample *const *samples, size_t count,
                     symbols_fn then, void *context);

/* ---- the store ---- */

struct symbol_upload;

/* NULL with *problem: too large (PROBLEM_TOO_LARGE), too many at once (PROBLEM_BUSY), no room. */
struct symbol_upload *symbols_upload_begin(struct symbols *symbols, uint64_t size,
                                           struct problem *problem);

/* Where its bytes go: a socket that does not block. When it breaks, the rest is not wanted any
 * more: symbols_upload_end() will say why. */
int symbols_upload_fd(const struct symbol_upload *upload);

/* What a file that came in is. */
struct symbol_upload_result {
    const struct symbol_file *file; /* NULL: it was refused, *problem says why */
    bool has_lines, has_names;
    const struct problem *problem;
};

typedef void (*symbol_upload_fn)(void *context, const struct symbol_upload_result *result);

/* All bytes were sent, or the socket broke. Consumes the upload. */
void symbols_upload_end(struct symbol_upload *upload, symbol_upload_fn then, void *context);
void symbols_upload_drop(struct symbol_upload *upload); /* its sender went away */

/* The index-th file of the store, the most recently used first; NULL past the end. */
const struct symbol_file *symbols_file_at(const struct symbols *symbols, size_t index);
const struct symbol_file *symbols_file_find(const struct symbols *symbols,
                                            struct text build_id_hex);
int symbols_file_remove(struct symbols *symbols, struct text build_id_hex); /* 0 or -ENOENT */

uint64_t symbols_upload_size_max(const struct symbols *symbols);

/* ---- what is shown of it ---- */

struct symbols_counts {
    uint64_t store_size, store_size_max, store_files, store_evicted;
    uint64_t hits, misses; /* modules for which the worker had lines, and for which it had none */
    uint64_t worker_starts, worker_losses;
    uint64_t uploads, uploads_refused;
    uint64_t fetches, fetches_failed;
};
struct symbols_counts symbols_counts(const struct symbols *symbols);

/* The worker's pid while it runs, else 0: for what shows the scheduler's state, and tests. */
int symbols_worker_pid(const struct symbols *symbols);

/* The worker's main(): reads requests from descriptor 3, answers there, returns at its end. The
 * program is executed as `program --symbol-worker paths|no-paths ROOT...`, and calls
 * symbols_worker_run() when symbols_worker_is_meant(). */
#define SYMBOLS_WORKER_ARGUMENT "--symbol-worker"
#define SYMBOLS_WORKER_PATHS    "paths"
#define SYMBOLS_WORKER_NO_PATHS "no-paths"
bool symbols_worker_is_meant(int argc, char **argv);
int symbols_worker_run(int argc, char **argv);

#endif
