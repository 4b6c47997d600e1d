/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler_fixture.h: the one stakeoutd of a test program, and the words of its operator.
 *
 *     scheduler.options[0] = ...;                  if it needs any, before the group is run
 *     return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
 *
 *     scheduler_create_task("shop", ",\"sample_cap\":3", id);
 *     json_t *task = scheduler_get_task(id, "/ledger");
 *
 * It serves all tests of the program, in their order; so each works under an application of its
 * own. What is not answered as it should be fails the test; answers are for the caller to
 * json_decref(). */
#ifndef STAKEOUT_TESTS_SUPPORT_SCHEDULER_FIXTURE_H
#define STAKEOUT_TESTS_SUPPORT_SCHEDULER_FIXTURE_H

#include "common/model/id.h"
#include "common/model/problem.h"
#include "tests/support/api_client.h"
#include "tests/support/redis_process.h"
#include "tests/support/scheduler_process.h"

extern struct scheduler_process scheduler;

int scheduler_setup(void **state);
int scheduler_teardown(void **state);

/* The same with a Redis of the test's own, which it may stop, kill and restart. */
extern struct redis_process scheduler_redis;

int scheduler_setup_with_redis(void **state);
int scheduler_teardown_with_redis(void **state);

/* And with another stakeoutd on that Redis. */
extern struct scheduler_process scheduler_other;

int scheduler_setup_with_other(void **state);
void scheduler_start_other(void); /* the second half of it */
int scheduler_teardown_with_other(void **state);

/* Fills in the port, and checks the status; a refusal is also checked to be a problem object. */
json_t *scheduler_ask(const struct api_call *call, int status);
json_t *scheduler_get(const char *path); /* 200 */
json_t *scheduler_post(const char *path, const char *body, int status);

/* The status of the answer alone; the port is filled in. */
int scheduler_status(struct api_call call);

/* `stakeoutd token create`, for one application, or NULL: all. */
enum { SCHEDULER_TOKEN_SIZE = 128 };
void scheduler_make_token(const char *name, const char *role, const char *application,
                          char ret[SCHEDULER_TOKEN_SIZE]);

/* Waits until who comes with this token, or with headers of its own ("Cookie: ...\r\n"), or with
 * neither, is answered so when it asks who it is. */
void scheduler_wait_session(const char *token, const char *headers, int status);

/* For "POST /checkout" from 100 ms on, for 5 minutes, with `more` (",\"note\":\"x\"", or ""). */
void scheduler_create_task(const char *application, const char *more, char ret[TASK_ID_SIZE + 1]);

/* /api/v1/tasks/ID and what follows it: "", "/ledger", "/log?limit=1". */
json_t *scheduler_get_task(const char *id, const char *rest);

/* The value of a series of /metrics ("stakeout_http_connections", labels and all); it must be
 * there. */
double scheduler_metric(const char *series);

/* Has its log these words, since its first start? */
bool scheduler_log_has(const char *words);

/* The detail of a check of /readyz, "(ok)" in front of it if it is well; until the next call. */
const char *scheduler_check(const char *name);

/* A member of an object: its text, or "(no text)"; its number, which must be an integer. */
const char *text_at(const json_t *object, const char *name);
int64_t number_at(const json_t *object, const char *name);

/* The method of HTTP that an OpenAPI document calls "get", "post" or "delete". */
const char *method_of(const char *operation);

void check_problem(const json_t *problem, enum problem_code code, const char *says);

#endif
