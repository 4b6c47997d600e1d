/* SPDX-License-Identifier: Apache-2.0 */
/* cli_fixture.h: the CLI against a real stakeoutd with its Redis, and a probe that speaks the wire.
 *
 *     RUN("task", "show", task);           the latest result is in `run`
 *     assert_code(0);
 *     assert_out("0 of 7 samples");
 *
 * One scheduler serves all tests of a program, in their order; each works under an application of
 * its own. Most commands run within the test's process; those that are followed from outside (task
 * watch) are the real program: program.h. */
#ifndef STAKEOUT_TESTS_INTEGRATION_CLI_FIXTURE_H
#define STAKEOUT_TESTS_INTEGRATION_CLI_FIXTURE_H

#include "common/model/id.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/unit/tools/cli/run.h"

enum { WORDS_MAX = 32, TASK_TEXT_SIZE = 24 };

extern struct run run;

#define RUN(...) run_cli(&run, (const char *const[]){ __VA_ARGS__, NULL })

/* Of the latest run. */
void assert_code(int code);
void assert_out(const char *what);
void assert_err(const char *what);

/* Creates a task of an application, with further words; its id is in `ret`. */
void create_task(const char *application, const char *const *more, char ret[TASK_TEXT_SIZE]);

#define MORE(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_MORE   ((const char *const[]){ NULL })

/* Cancels the task whose id `id` begins with. */
void cancel(const char *id);

/* A probe of the application reports a sample of the task; the last two may be NULL. */
void report(const char *application, const char *task, struct sample_id *ret_id,
            struct trace_id *ret_trace);

/* Of each group of tests; scheduler_teardown() ends it. */
int cli_setup(void **state);

#endif
