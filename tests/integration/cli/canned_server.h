/* SPDX-License-Identifier: Apache-2.0 */
/* canned_server.h: a server that says what it is told to, to see what the CLI makes of it.
 *
 *     struct canned_answer answers[] = { { "/healthz", "HTTP/1.1 ..." }, { NULL, "..." } };
 *     canned_server_start(&server, answers);   on 127.0.0.1:server.port, in a process of its own
 *     canned_server_stop(&server);
 *
 * The first row whose path begins the request's is sent as it is, and the connection closed; a
 * row without a path answers everything. A row with `times` does so as often, and is passed over
 * from then on. It ends when the test does. */
#ifndef STAKEOUT_TESTS_INTEGRATION_CLI_CANNED_SERVER_H
#define STAKEOUT_TESTS_INTEGRATION_CLI_CANNED_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct canned_answer {
    const char *path; /* NULL: any; the last row */
    const char *bytes;
    unsigned times; /* 0: always */
};

struct canned_server {
    pid_t pid;
    uint16_t port;
};

void canned_server_start(struct canned_server *server, const struct canned_answer *answers);
void canned_server_stop(struct canned_server *server);

#endif
