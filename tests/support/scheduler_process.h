/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler_process.h: a real stakeoutd with a private Redis, for tests.
 *
 *     struct scheduler_process scheduler = { 0 };
 *     scheduler_process_start(&scheduler);       ready, on scheduler.port
 *     scheduler_process_kill(&scheduler);        kill -9; start again: the same state and port
 *     scheduler_process_done(&scheduler);        nothing is left, neither process nor file
 *
 * It, and its Redis with it, ends when the test does, however that ends. */
#ifndef STAKEOUT_TESTS_SUPPORT_SCHEDULER_PROCESS_H
#define STAKEOUT_TESTS_SUPPORT_SCHEDULER_PROCESS_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SCHEDULER_OPTIONS_MAX = 8, SCHEDULER_LOG_SIZE_MAX = 16 * 1024 * 1024 };

struct scheduler_process {
    pid_t pid;          /* 0: it does not run */
    uint16_t port;      /* 0 before the first start: a free one */
    char directory[64]; /* made by the first start; holds `state/` and `log` */
    const char *options[SCHEDULER_OPTIONS_MAX + 1]; /* more for its command line; set before */
    const char *program;                            /* NULL: the one that was built with the test */
    const char *ready_path; /* what answers 200 once it has started; NULL: /readyz */
    /* What its parent may give it; all set before, and kept over restarts. */
    const char *environment[SCHEDULER_OPTIONS_MAX + 1]; /* "NAME=VALUE" */
    bool is_tls;   /* --tls-cert is among its options: it is ready when its log says so */
    int error_fd;  /* its standard error instead of `log`, with a port set before; 0: none */
    int listen_fd; /* a socket that listens, as systemd gives it, with its port; 0: none */
};

/* Fails the test, and shows the log, if it is not ready within 30 s. */
void scheduler_process_start(struct scheduler_process *scheduler);

/* SIGTERM; returns its exit code, or -1 if a signal ended it. */
int scheduler_process_stop(struct scheduler_process *scheduler);
void scheduler_process_kill(struct scheduler_process *scheduler);
void scheduler_process_done(struct scheduler_process *scheduler);

/* Runs `stakeoutd ARGUMENTS --state-dir ...` to its end; what it printed to standard output is in
 * `ret_output` (zero-terminated, its last newline cut). Returns its exit code. `words` ends with
 * NULL. */
int scheduler_process_command(struct scheduler_process *scheduler, const char *const *words,
                              char *ret_output, size_t output_size);

/* Appends what it has logged since its first start. */
void scheduler_process_read_log(const struct scheduler_process *scheduler, struct buf *ret);

#endif
