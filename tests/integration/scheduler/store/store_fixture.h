/* SPDX-License-Identifier: Apache-2.0 */
/* store_fixture.h: a Redis, a store, tasks and history on one loop, asked as if they answered at
 * once: each verb runs the loop until its callback came, or fails the test. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SCHEDULER_STORE_STORE_FIXTURE_H
#define STAKEOUT_TESTS_INTEGRATION_SCHEDULER_STORE_STORE_FIXTURE_H

#include "scheduler/history/history.h"
#include "scheduler/store/store.h"
#include "scheduler/task/tasks.h"
#include "tests/support/redis_process.h"

struct event;
struct event_base;

struct fixture {
    struct redis_process redis;
    struct event_base *base;
    struct event *turn; /* keeps the loop turning */
    struct store *store;
    struct tasks *tasks;
    struct history *history;
    unsigned ready_count, change_count, sample_count;
    struct task last_change;
};

/* Starts everything on a Redis of this configuration, and waits until the tasks are ready. With
 * STAKEOUT_TEST_CLUSTER in the environment it is a Cluster of three masters instead. */
struct fixture *fixture_new(const char *redis_config);
/* Another scheduler on the same Redis. */
struct fixture *fixture_join(const struct fixture *other);
/* On one that is there, by these options; the loop is the fixture's own. */
struct fixture *fixture_join_by(const struct store_options *options);
struct fixture *fixture_free(struct fixture *fixture);

/* What redis-cli says to this command, as a number; of a Cluster the sum of all masters. */
uint64_t fixture_sum(const struct fixture *fixture, const char *command);
/* The key of a sample's bytes, of its first revision. */
void fixture_blob_key(const struct fixture *fixture, const struct sample_id *sample, char *ret,
                      size_t size);
/* Ends a test that is about one Redis, where that is a Cluster. */
void fixture_skip_on_cluster(const struct fixture *fixture);

/* For each test its own, in *state: with a Redis in memory alone, or one that keeps everything. */
int fixture_setup(void **state);
int fixture_setup_durable(void **state);
int fixture_teardown(void **state);

/* Turns the loop until the condition holds; fails the test after 45 s. Ticks the tasks. */
typedef bool (*fixture_condition_fn)(struct fixture *fixture, void *context);
void fixture_wait(struct fixture *fixture, fixture_condition_fn condition, void *context);
void fixture_wait_ready(struct fixture *fixture);
void fixture_wait_down(struct fixture *fixture);

/* What was answered; code is PROBLEM_NONE for success. */
struct told {
    bool done;
    enum problem_code code;
    struct problem problem;
    struct task task;
    enum report_outcome outcome;
};

struct task_spec spec_of(const char *application, const char *interface);
struct told create(struct fixture *fixture, const struct task_spec *spec);
struct told cancel(struct fixture *fixture, const struct task_id *id);
struct told extend(struct fixture *fixture, const struct task_id *id);
struct told find(struct fixture *fixture, const struct task_id *id);
struct task create_ok(struct fixture *fixture, const struct task_spec *spec);

/* A sample of the task with stacks, owned by the caller; and its report. */
struct sample *sample_of(const struct task *task);
struct told report(struct fixture *fixture, const struct sample *sample);
void report_send(struct fixture *fixture, const struct sample *sample, tasks_report_fn then,
                 void *context);

/* Sets the clock of the task's own fields back in Redis, as if that much time had passed, and gives
 * news of it, as another scheduler would. */
void pass_time(struct fixture *fixture, const struct task *task, uint64_t ms);

#endif
