/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.h: names, files, lines and inlined functions for the frames of samples.
 *
 *     symbols = symbols_new(base, &options);
 *     symbols_resolve(symbols, samples, count, on_resolved, context);
 *
 * The work is done by a worker process of its own, so that a hostile ELF file harms nothing and
 * the loop never stalls: it is started when first needed, limited in memory, time and system
 * calls, and started again when it dies; what it then did not answer stays unresolved. Answers
 * are cached by (build-id, offset).
 *
 * Where debug information is looked for: the module's own path, if that may be read (options)
 * and its build-id agrees; then /usr/lib/debug by build-id. C++ names are demangled there, too.
 *
 * One event-loop thread. The callback comes exactly once, later, with as many entries as samples,
 * in their order; they live until it returns. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_SYMBOLS_H
#define STAKEOUT_SCHEDULER_SYMBOLS_SYMBOLS_H

#include "common/model/sample.h"

struct event_base;
struct symbols;
struct sample_symbols; /* scheduler/analysis/analysis.h has its shape */

struct symbols_options {
    const char *program;    /* what to execute as the worker: "/proc/self/exe" */
    bool read_module_paths; /* may paths that probes name be opened? */
    const char *debug_root; /* default "/usr/lib/debug"; tests use their own */
};

struct symbols *symbols_new(struct event_base *base, const struct symbols_options *options);

/* Kills the worker; callbacks that are still due come before it returns, with what is known. */
struct symbols *symbols_free(struct symbols *symbols);

typedef void (*symbols_fn)(void *context, const struct sample_symbols *const *symbols,
                           size_t count);

/* The samples must live until the callback. */
void symbols_resolve(struct symbols *symbols, const struct sample *const *samples, size_t count,
                     symbols_fn then, void *context);

/* The worker's pid while it runs, else 0: for what shows the scheduler's state, and tests. */
int symbols_worker_pid(const struct symbols *symbols);

/* The worker's main(): reads requests from descriptor 3, answers there, returns at its end. The
 * program is executed as `program --symbol-worker DEBUG_ROOT paths|no-paths`, and calls
 * symbols_worker_run() when argv[1] is SYMBOLS_WORKER_ARGUMENT. */
#define SYMBOLS_WORKER_ARGUMENT "--symbol-worker"
#define SYMBOLS_WORKER_PATHS    "paths"
#define SYMBOLS_WORKER_NO_PATHS "no-paths"
int symbols_worker_main(const char *debug_root, bool read_module_paths);
int symbols_worker_run(int argc, char **argv);

#endif
