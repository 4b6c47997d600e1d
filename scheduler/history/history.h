/* SPDX-License-Identifier: Apache-2.0 */
/* history.h: looking up what was: tasks by time, samples, traces, logs, ledgers.
 *
 * Lists come in pages, newest first where nothing else is said. A cursor is opaque to callers: it
 * is the `next` of the page before, and a page costs the same wherever it lies.
 *
 * Callbacks as in task/tasks.h: exactly once, later; problem is NULL on success; the page lives
 * until the callback returns. */
#ifndef STAKEOUT_SCHEDULER_HISTORY_HISTORY_H
#define STAKEOUT_SCHEDULER_HISTORY_HISTORY_H

#include "common/model/problem.h"
#include "common/model/task.h"

struct history;
struct scope;
struct store;

enum { CURSOR_SIZE_MAX = 128 };

struct history *history_new(struct store *store);
struct history *history_free(struct history *history);

struct history_query {
    struct text application, interface, author; /* size 0: any; interface as ordered, exact */
    struct scope *scope; /* only of these applications; NULL: of all. A loan, until the call */
    int state;           /* enum task_state, or -1: any */
    uint64_t from_wall_ms, to_wall_ms; /* of `created`; 0: open; from <= created < to */
    struct text cursor;                /* size 0: the first page */
    uint32_t limit;                    /* 1 to PAGE_LIMIT_MAX */
};

struct history_tasks {
    struct task *tasks;
    size_t count;
    char next[CURSOR_SIZE_MAX + 1]; /* empty: no more */
};
typedef void (*history_tasks_fn)(void *context, const struct history_tasks *page,
                                 const struct problem *problem);
void history_tasks(struct history *history, const struct history_query *query,
                   history_tasks_fn then, void *context);

typedef void (*history_task_fn)(void *context, const struct task *task,
                                const struct problem *problem);
void history_task(struct history *history, const struct task_id *id, history_task_fn then,
                  void *context);

struct history_samples {
    struct sample_summary *samples;
    size_t count;
    char next[CURSOR_SIZE_MAX + 1];
};
typedef void (*history_samples_fn)(void *context, const struct history_samples *page,
                                   const struct problem *problem);
/* In the order in which they came. */
void history_samples(struct history *history, const struct task_id *task, struct text cursor,
                     uint32_t limit, history_samples_fn then, void *context);
/* All samples of a trace, of any task; PROBLEM_NO_SUCH_TRACE if none. */
void history_trace(struct history *history, const struct trace_id *trace, history_samples_fn then,
                   void *context);

/* One sample with its stacks; its summary beside it. PROBLEM_NO_SUCH_SAMPLE. Who wants to keep
 * the sample beyond the callback takes it: sample_take(sample). */
typedef void (*history_sample_fn)(void *context, const struct sample_summary *summary,
                                  struct sample **sample, const struct problem *problem);
void history_sample(struct history *history, const struct sample_id *id, history_sample_fn then,
                    void *context);
/* Its summary alone. */
typedef void (*history_summary_fn)(void *context, const struct sample_summary *summary,
                                   const struct problem *problem);
void history_summary(struct history *history, const struct sample_id *id, history_summary_fn then,
                     void *context);
/* All samples of a task with their stacks (at most SAMPLE_CAP_MAX); each may be taken likewise. */
typedef void (*history_whole_fn)(void *context, struct sample **samples, size_t count,
                                 const struct problem *problem);
void history_whole_task(struct history *history, const struct task_id *task, history_whole_fn then,
                        void *context);

struct history_log {
    struct task_log_event *events; /* in the order in which they came in */
    size_t count;
    char next[CURSOR_SIZE_MAX + 1];
};
typedef void (*history_log_fn)(void *context, const struct history_log *page,
                               const struct problem *problem);
void history_log(struct history *history, const struct task_id *task, struct text cursor,
                 uint32_t limit, history_log_fn then, void *context);

struct history_ledger {
    struct task_ledger *instances;
    size_t count;
    uint32_t folded; /* how many ended instances are added up in the last row */
};
typedef void (*history_ledger_fn)(void *context, const struct task *task,
                                  const struct history_ledger *ledger,
                                  const struct problem *problem);
void history_ledger(struct history *history, const struct task_id *task, history_ledger_fn then,
                    void *context);

#endif
