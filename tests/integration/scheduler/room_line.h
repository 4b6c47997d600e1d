/* SPDX-License-Identifier: Apache-2.0 */
/* room_line.h: the room's clients' end of a connection: plain, or with TLS on it if the environment
 * has ROOM_OVER_TLS, so that each test of a room is run both ways.
 *
 * Over TLS, what is put waits until the server has shaken hands; line_pump() carries on. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SCHEDULER_ROOM_LINE_H
#define STAKEOUT_TESTS_INTEGRATION_SCHEDULER_ROOM_LINE_H

#include "scheduler/http/http.h"

#include <sys/types.h>

bool line_is_tls(void);

/* The server's certificate, made at the first call; NULL if the lines are plain. */
const struct http_tls *line_server_files(void);

void line_begin(int fd); /* of a connection that was made */

/* As send(2) and recv(2) of a socket that does not block. */
ssize_t line_put(int fd, const void *data, size_t size);
ssize_t line_take(int fd, void *data, size_t size);

void line_pump(void);
bool line_is_waiting(int fd); /* what was put has not gone yet */

#endif
