/* SPDX-License-Identifier: Apache-2.0 */
/* host_process.h: host.c as a child process, command by command.
 *
 *     struct host_process *host = host_process_start(program, variables);
 *     const char *answer = host_process_ask(host, "call GET /a 300");     "called"
 *     status = host_process_end(host);      closes its input, waits; kills it after 10 s
 *
 * `variables`: "NAME=VALUE" strings up to a NULL, beside PATH. The child dies with its parent. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_HOST_PROCESS_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_HOST_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct host_process;

struct host_process *host_process_start(const char *program, const char *const *variables);

/* Sends a command without waiting; reads one line, valid until the next, "" at its end. */
void host_process_tell(struct host_process *host, const char *command);
const char *host_process_hear(struct host_process *host);
const char *host_process_ask(struct host_process *host, const char *command); /* both */

/* The same, or NULL if nothing comes for so long; and whether it has said, or ended. */
const char *host_process_hear_within(struct host_process *host, int ms);
bool host_process_has_word(const struct host_process *host);

pid_t host_process_pid(const struct host_process *host);

/* Ends one that reads no commands. Frees it. */
void host_process_kill(struct host_process *host);

/* Its exit code; 128 + a signal's number. Frees it. */
int host_process_end(struct host_process *host);

#endif
