/* SPDX-License-Identifier: Apache-2.0 */
/* run.h: the CLI within the test's process, its two outputs caught. */
#ifndef STAKEOUT_TESTS_UNIT_TOOLS_CLI_RUN_H
#define STAKEOUT_TESTS_UNIT_TOOLS_CLI_RUN_H

enum { RUN_OUTPUT_SIZE = 256 * 1024 };

struct run {
    int code;
    char out[RUN_OUTPUT_SIZE], err[RUN_OUTPUT_SIZE]; /* zero-terminated */
};

/* Runs `stakeout WORDS...`; the words end with NULL. */
void run_cli(struct run *run, const char *const *words);

#endif
