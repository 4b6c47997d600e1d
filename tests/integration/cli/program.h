/* SPDX-License-Identifier: Apache-2.0 */
/* program.h: the real `stakeout`, followed from outside while it runs.
 *
 *     program_start(&program, (const char *const[]){ "stakeout", "task", "watch", task, NULL });
 *     program_wait_for(&program, "ACTIVE");
 *     code = program_end(&program);     waits for its end; program.text is all that it printed
 *     buf_done(&program.text);
 *
 * It ends when the test does, however that ends. */
#ifndef STAKEOUT_TESTS_INTEGRATION_CLI_PROGRAM_H
#define STAKEOUT_TESTS_INTEGRATION_CLI_PROGRAM_H

#include "common/base/buf.h"

#include <sys/types.h>

enum { PROGRAM_WAIT_MS = 20000 };

struct program {
    pid_t pid;
    int out; /* reads what it prints, standard error included */
    struct buf text;
    int code; /* once it has ended */
};

void program_start(struct program *program, const char *const *words);

/* On a terminal of its own. */
void program_start_on_terminal(struct program *program, const char *const *words);

/* Fails the test where it does not print this within PROGRAM_WAIT_MS. */
void program_wait_for(struct program *program, const char *text);

/* Returns what it exited with; fails the test where it does not end. */
int program_end(struct program *program);

#endif
