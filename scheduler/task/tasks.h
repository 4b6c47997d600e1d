/* SPDX-License-Identifier: Apache-2.0 */
/* tasks.h: the tasks of this scheduler: their rules, and what probes say of them.
 *
 *  SCHEDULED --start reached--> ACTIVE --duration over-----------> EXPIRED
 *      |                          |-----sample cap reached-------> FILLED
 *      +--------------------------+-----an operator cancelled----> CANCELLED
 *
 * Redis decides (its functions are atomic); this module checks before, words what was refused
 * after, and keeps what polls need in memory: all tasks that are not over, and those that ended
 * within the last ACCEPT_AFTER_END_MS.
 *
 * Every function with a callback calls it exactly once, later, never before it returned; problem
 * is NULL on success, and then everything else is filled. What a callback is given lives until it
 * returns. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_TASK_TASKS_H
#define STAKEOUT_SCHEDULER_TASK_TASKS_H

#include "common/model/application.h"
#include "common/model/problem.h"
#include "common/model/task.h"
#include "common/wire/messages.h"

struct store;
struct tasks;

/* Told of every change, in order: live wakes polls and consoles by it. `sample` is NULL unless a
 * sample came or changed. */
typedef void (*tasks_change_fn)(void *context, const struct task *task,
                                const struct sample_summary *sample);

/* How long tasks, samples, logs and ledgers are kept after a task's end. */
struct tasks_options {
    uint32_t retention_days;  /* 0: RETENTION_DAYS_DEFAULT */
    uint64_t retention_bytes; /* of stored samples, per application; 0: no budget */
    tasks_change_fn on_change;
    /* The settings of an application are others than before; may be NULL. */
    void (*on_settings)(void *context, const struct application_settings *settings);
    void *context;
};

/* Loads what is not over, then calls on_ready(context), once. */
struct tasks *tasks_new(struct store *store, const struct tasks_options *options,
                        void (*on_ready)(void *context));
struct tasks *tasks_free(struct tasks *tasks);

/* Starts and expires what is due by Redis' clock, forgets what need not be polled any more, and
 * trims by retention. Returns in how many ms it wants to be called again, 1 to 1000. */
uint32_t tasks_tick(struct tasks *tasks);
bool tasks_are_ready(const struct tasks *tasks); /* loaded, and Redis answers */

/* How many in memory are in this state: all that are not over, and those that ended lately. */
size_t tasks_count(const struct tasks *tasks, enum task_state state);

typedef void (*tasks_task_fn)(void *context, const struct task *task,
                              const struct problem *problem);

/* Checks the rules of task_spec.h, then creates. Refusals: PROBLEM_BAD_FIELD, _OVERLAP (the
 * detail names the task in the way), _TOO_MANY_TASKS, _STORE_DOWN, _STORE_FULL. */
void tasks_create(struct tasks *tasks, const struct task_spec *spec, tasks_task_fn then,
                  void *context);
void tasks_cancel(struct tasks *tasks, const struct task_id *id, const char *who,
                  tasks_task_fn then, void *context);
void tasks_extend(struct tasks *tasks, const struct task_id *id, const char *who,
                  tasks_task_fn then, void *context);

/* What a probe may be told, from memory: tasks of the application that are active or ended less
 * than ACCEPT_AFTER_END_MS ago and admit the instance. Returns the count, at most `max`; the
 * pointers live until the loop's next turn. left_ms is against now_wall_ms as Redis tells it. */
size_t tasks_for_instance(struct tasks *tasks, struct text application, struct text instance,
                          struct text host_ip, const struct task **ret, size_t max);
uint64_t tasks_now_wall_ms(const struct tasks *tasks); /* Redis' clock, as last measured */
/* Changes with every change of what tasks_for_instance() could answer for the application, and of
 * its settings. Lives until the next call. */
struct text tasks_version(struct tasks *tasks, struct text application);

/* A report: the sample as it was checked, and its bytes, which are stored (compressed). */
typedef void (*tasks_report_fn)(void *context, enum report_outcome outcome,
                                const struct problem *problem);
void tasks_take_report(struct tasks *tasks, const struct sample *sample, struct text bytes,
                       uint64_t at_wall_ms, tasks_report_fn then, void *context);

/* What an operator set for an application; NULL: nothing. From memory; lives until the loop's next
 * turn. Setting: `then` is called when Redis has it, and on_settings before that. */
const struct application_settings *tasks_settings(const struct tasks *tasks,
                                                  struct text application);
typedef void (*tasks_set_fn)(void *context, const struct problem *problem);
void tasks_set_settings(struct tasks *tasks, const struct application_settings *settings,
                        tasks_set_fn then, void *context);

/* False: it is a task of another application. What is not in memory may be of any, and nothing that
 * probes say of it is kept. */
bool tasks_may_be_of(const struct tasks *tasks, const struct task_id *id, struct text application);

/* Ledgers of instances: absolute, so that the last sequence wins. */
typedef void (*tasks_done_fn)(void *context, const struct problem *problem);
void tasks_take_ledgers(struct tasks *tasks, const struct task_ledger *ledgers, size_t count,
                        tasks_done_fn then, void *context);

/* Events that an instance sends; taken once per (incarnation, sequence). */
void tasks_take_events(struct tasks *tasks, const struct task_log_event *events, size_t count,
                       tasks_done_fn then, void *context);

/* Tasks were delivered to an instance; it is gone (no poll and no pulse for 45 s, or it said
 * goodbye). Written to task log and ledger. */
void tasks_delivered(struct tasks *tasks, struct text application, struct text instance,
                     struct text host_ip, uint64_t incarnation);
void tasks_instance_gone(struct tasks *tasks, struct text application, uint64_t incarnation,
                         bool said_goodbye);

/* Told of every instance that is heard here, every TASKS_HEARD_MS, and that this was all: so that
 * of several schedulers none believes an instance gone that has moved to another one. */
enum { TASKS_HEARD_MS = 15000 };
void tasks_hear(struct tasks *tasks, struct text application, uint64_t incarnation,
                uint64_t silent_ms);
void tasks_hear_end(struct tasks *tasks);

/* Instances may have gone while no scheduler ran to notice. Once, when all that live have had the
 * time to come back after a start: those that the ledgers of tasks in memory know, and that are
 * not here, are gone. is_here is asked until the sweep's last answer has come. */
typedef bool (*tasks_is_here_fn)(void *context, struct text application, uint64_t incarnation);
void tasks_sweep_strangers(struct tasks *tasks, tasks_is_here_fn is_here, void *context);

#endif
