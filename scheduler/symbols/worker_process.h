/* SPDX-License-Identifier: Apache-2.0 */
/* worker_process.h: the symbol worker, seen from the loop: one question at a time.
 *
 *     process = worker_process_new(&options);
 *     worker_process_ask(process, request);     then one of on_answer and on_lost, once, later
 *
 * The process is started by the first question, ended when none came for a while, killed when an
 * answer takes too long, and started again after a pause when it died. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_PROCESS_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_PROCESS_H

#include "common/base/text.h"
#include "scheduler/symbols/symbols.h"

struct worker_process;

struct worker_process_options {
    struct event_base *base;
    const char *program;                        /* copied, as are */
    const char *debug_roots[SYMBOLS_ROOTS_MAX]; /* folders with .build-id/, in this order */
    size_t debug_root_count;
    bool read_module_paths;
    void *context;
    /* A frame without its size, which lives until the next question is asked. False: this is no
     * answer to the question; it is lost then. May ask the next one, if it returns true. */
    bool (*on_answer)(void *context, struct text answer);
    void (*on_lost)(void *context); /* the worker died or was killed over it */
};

struct worker_process *worker_process_new(const struct worker_process_options *options);
struct worker_process *worker_process_free(struct worker_process *process); /* calls nobody */

/* Asks; `request` is copied. Only when no question is open. */
void worker_process_ask(struct worker_process *process, struct text request);

/* How often in a row it was lost without an answer in between. */
unsigned worker_process_losses(const struct worker_process *process);

/* How often a process was started, and how often a question was lost with one. */
uint64_t worker_process_start_count(const struct worker_process *process);
uint64_t worker_process_loss_count(const struct worker_process *process);

/* The pid while it runs, else 0: for tests, which kill it. */
int worker_process_pid(const struct worker_process *process);

#endif
