/* SPDX-License-Identifier: Apache-2.0 */
/* house.h: all of stakeout for a test: a real scheduler, and hosts that make calls.
 *
 *     struct house house = { 0 };
 *     house_open(&house);
 *     struct host_process *host = house_host(&house, "shop", "host-1");     load_host.c
 *     host_process_ask(host, "run 4 20 GET /x");
 *     struct order order = { .interface = "GET /x", .threshold_ms = 100, .sample_cap = 7 };
 *     house_order(&house, &order, id);
 *     house_wait_state(&house, id, "FILLED");
 *     json_t *ledger = house_get(&house, "/api/v1/tasks/%s/ledger", id);
 *     house_close(&house);
 *
 * Whatever the scheduler refuses fails the test. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SYSTEM_HOUSE_H
#define STAKEOUT_TESTS_INTEGRATION_SYSTEM_HOUSE_H

#include "common/model/id.h"
#include "tests/integration/probe/host_process.h"
#include "tests/support/scheduler_process.h"

#include <jansson.h>

struct house {
    struct scheduler_process scheduler;
    pid_t dead_redis; /* the one that was killed last */
};

/* As many descriptors as this machine lets a process have, for this one and for those it starts. */
void house_allow_descriptors(void);

void house_open(struct house *house);
void house_close(struct house *house);

/* kill -9 of what is named, then its return: the supervisor brings Redis back, the test the
 * scheduler, on the same port. house_kill() returns when it is dead, house_recover() when all is
 * ready again. */
enum house_part { HOUSE_REDIS, HOUSE_SCHEDULER, HOUSE_BOTH, HOUSE_PART_COUNT };
void house_kill(struct house *house, enum house_part part);
void house_recover(struct house *house);

/* Asks the embedded Redis; the first line of its answer, until the next call. */
const char *house_ask_redis(struct house *house, const char *command);

/* A load_host of an application, linked with libstakeout.so, under this instance name. */
struct host_process *house_host(struct house *house, const char *application, const char *instance);

/* The same, with more in its environment: "NAME=VALUE" strings up to a NULL. */
struct host_process *house_host_with(struct house *house, const char *application,
                                     const char *instance, const char *const *more);

/* The same, of another program that reads its orders on stdin. */
struct host_process *house_program(struct house *house, const char *program,
                                   const char *application, const char *instance);

struct order {
    const char *application; /* NULL: "shop" */
    const char *interface;
    int threshold_ms, frequency_ms, sample_cap; /* 0: 100, 10, 10 */
};

/* Creates a task, for five minutes. */
void house_order(struct house *house, const struct order *order, struct task_id *ret);

/* /healthz answers with 200, if not at this moment, in which the machine may be busy, then soon. */
void house_assert_is_alive(struct house *house);

/* GETs a path, which must be answered with 200. The caller json_decref()s the answer. */
json_t *house_get(struct house *house, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, as a path that may fail: NULL unless it was answered with 200. */
json_t *house_try(struct house *house, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void house_cancel(struct house *house, const struct task_id *task);

/* Waits until the task is in the state, or the test fails after `deadline_ms`. */
void house_wait_state(struct house *house, const struct task_id *task, const char *state,
                      uint64_t deadline_ms);

/* Runs the CLI against the house; `words` ends with NULL. Returns its exit code; what it printed
 * (its output, or after a failure its errors) is in *ret until the next call. */
int house_cli(struct house *house, const char *const *words, const char **ret);

/* One figure of the ledger ("seen"), summed over instances; "drops" sums all reasons. */
int64_t house_ledger_sum(struct house *house, const struct task_id *task, const char *figure);

/* How many instances watch for the task, or did; and to wait until so many do. */
size_t house_armed_count(struct house *house, const struct task_id *task);
void house_wait_armed(struct house *house, const struct task_id *task, size_t count);

/* How many samples the API lists of a task: at most PAGE_LIMIT_MAX. */
size_t house_samples_count(struct house *house, const struct task_id *task);

/* Reads the ledger once and fails the test unless both of its sums hold for each instance. */
void house_assert_ledger_adds_up(struct house *house, const struct task_id *task);

#endif
