/* SPDX-License-Identifier: Apache-2.0 */
/* cache.h: the tasks that polls may be told of, in memory: those that are not over, and those
 * that ended within CACHE_AFTER_END_MS.
 *
 * A task in here is as Redis last said, or further by what is only a matter of time. Pointers to
 * tasks are good until they are dropped; pointers to applications for ever: an application that
 * had a task stays known. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_TASK_CACHE_H
#define STAKEOUT_SCHEDULER_TASK_CACHE_H

#include "common/model/task.h"

enum {
    /* Polls are told of an ended task for ACCEPT_AFTER_END_MS. An instance that dies then is
     * noticed 45 s later, and still goes into its ledger. */
    CACHE_AFTER_END_MS = BOOKS_AFTER_END_MS,
    TASKS_VERSION_SIZE = 16
};

struct cached_application;

struct cached_task {
    struct task task;
    struct cached_application *application;
    uint64_t stamp; /* when it was put, in puts of the cache */
    bool is_asking; /* Redis was asked to settle it */
    bool is_ahead;  /* of Redis, which has yet to be asked: we moved our copy */
    uint64_t *told; /* incarnations that it was delivered to; sorted, owned */
    size_t told_count, told_capacity;
};

struct cached_application {
    char name[APPLICATION_SIZE_MAX + 1];
    char version[TASKS_VERSION_SIZE + 1]; /* of what polls may be told; see cache_version() */
    uint64_t store_version;               /* of Redis, as last loaded */
    bool is_loading, is_loaded;
    struct cached_task **tasks; /* owned, each too; by id */
    size_t task_count, task_capacity;
};

struct cache {
    struct cached_application **applications; /* owned, each too; by name */
    size_t application_count, application_capacity;
    uint64_t stamp;
};

void cache_done(struct cache *cache);

struct cached_application *cache_application_find(const struct cache *cache, struct text name);
struct cached_application *cache_application_open(struct cache *cache, struct text name);
struct cached_task *cache_task_find(const struct cache *cache, const struct task_id *id);

/* Puts it in, or in place of what was known of it. *ret_changed: polls or people see a change. */
struct cached_task *cache_task_put(struct cache *cache, const struct task *task, bool *ret_changed);
void cache_task_drop(struct cached_task *task);

/* Is what was said now older than what we know, if both are of one Redis? */
bool cache_task_has_overtaken(const struct cached_task *cached, const struct task *said);

/* Moves a task on as far as that is a matter of time. Returns whether it moved. */
bool task_advance(struct task *task, uint64_t now_ms);
bool task_is_due(const struct task *task, uint64_t now_ms);
/* May polls be told of it? */
bool task_is_visible(const struct task *task, uint64_t now_ms);

/* A hash of what polls may be told, so that it is the same in every scheduler and after every
 * restart, and another one in an older Redis that says something else. */
struct text cache_version(struct cached_application *application, uint64_t now_ms);
struct text cache_version_empty(void); /* of an application that has no tasks */

/* Notes that the incarnation has it. False if that was known. */
bool cache_task_tell(struct cached_task *task, uint64_t incarnation);
void cache_task_untell(struct cached_task *task, uint64_t incarnation);

#endif
