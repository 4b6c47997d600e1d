/* SPDX-License-Identifier: Apache-2.0 */
/* tasks_private.h: tasks as their own files see them. */
#ifndef STAKEOUT_SCHEDULER_TASK_TASKS_PRIVATE_H
#define STAKEOUT_SCHEDULER_TASK_TASKS_PRIVATE_H

#include "scheduler/store/store.h"
#include "scheduler/task/cache.h"
#include "scheduler/task/tasks.h"

/* An instance that is gone, of a task, which Redis has yet to be told. */
struct departure {
    struct tasks *tasks;
    struct task_id task;
    uint64_t incarnation;
    bool said_goodbye;
    char application[APPLICATION_SIZE_MAX + 1];
    struct departure *next; /* while Redis is away */
};

struct roll_call;

struct tasks {
    struct store *store;
    struct tasks_options options;
    void (*on_ready)(void *context); /* NULL once it was called */
    struct cache cache;
    bool is_loaded;          /* all of what Redis holds was read, since the last connection */
    bool is_listing;         /* the list of applications is asked for */
    size_t open_loads;       /* applications being loaded */
    uint64_t listed_ns;      /* when the list was last read; monotonic */
    bool is_leasing;         /* the lease is asked for */
    uint64_t lease_asked_ns; /* when it was last asked for; monotonic */
    uint64_t lease_end_ns;   /* 0: it is not ours */
    struct chore {
        bool is_under_way;
        enum chore_stage { CHORE_INDEX, CHORE_TRIM, CHORE_SILENT } stage;
        size_t index;                                 /* the application whose turn it is */
        const struct cached_application *application; /* of the step that is under way */
        struct store_index_walk walk;
        uint64_t due_ns;
    } chore;
    struct store_heard heard[STORE_HEARD_MAX]; /* instances of heard_of, not yet told */
    size_t heard_count;
    const struct cached_application *heard_of;
    struct departure *departures; /* owned; to be told when Redis is back */
    size_t departure_count;
    struct roll_call *roll_calls; /* owned; that Redis did not answer */
    char version[64];             /* as last told */
};

/* Takes over what Redis says of a task, and tells of it. `version` as the answer had it. */
struct cached_task *tasks_learn(struct tasks *tasks, const struct task *task, uint64_t version,
                                const struct sample_summary *sample);

/* The lease, and what is done under it; from every tick. Returns in how many ms it wants to be
 * called again, at the latest. */
bool tasks_have_lease(const struct tasks *tasks);
uint32_t tasks_do_chores(struct tasks *tasks, uint64_t now_ns);

/* Tells Redis of the departures that it missed, and asks it again who was there. */
void tasks_retry_departures(struct tasks *tasks);

/* What is still to be retried is forgotten. */
void tasks_forget_departures(struct tasks *tasks);

#endif
