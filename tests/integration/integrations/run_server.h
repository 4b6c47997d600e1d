/* SPDX-License-Identifier: Apache-2.0 */
/* run_server.h: a server of the tests, as a child, alone or behind `stakeout run`.
 *
 *     struct run_server server = { .application = "shop", .scheduler_port = port };
 *     run_server_start(&server, (const char *[]){ STAKEOUT, "run", "--", PROGRAM, "loop", NULL });
 *     ... server.said: its first line ...
 *     code = run_server_wait(&server);      once it was told to end; kills it after 20 s: -1
 *
 * It dies with the test. */
#ifndef STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_RUN_SERVER_H
#define STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_RUN_SERVER_H

#include <stdint.h>
#include <sys/types.h>

enum { RUN_SAID_SIZE = 4096 };

struct run_server {
    const char *application; /* STAKEOUT_APPLICATION; NULL: not set */
    uint16_t scheduler_port; /* STAKEOUT_SERVER; 0: not set */
    const char *errors_path; /* its standard error; NULL: the test's own */
    pid_t pid;
    int output;
    int code;
    char said[RUN_SAID_SIZE];
};

void run_server_start(struct run_server *server, const char *const *words);
int run_server_wait(struct run_server *server);

/* Starts it, reads all that it prints, and waits. */
int run_server_hear(struct run_server *server, const char *const *words);

#endif
