/* SPDX-License-Identifier: Apache-2.0 */
/* bare_server.h: libevent's HTTP server and nothing else, as a yardstick.
 *
 *     GET /hello    200 and `body`, at once          POST /hello: the same, its body is read
 *     GET /park     the same, after GET /wake
 *
 * A child process, which dies with its parent. */
#ifndef STAKEOUT_TESTS_BENCH_SCHEDULER_BARE_SERVER_H
#define STAKEOUT_TESTS_BENCH_SCHEDULER_BARE_SERVER_H

#include "common/base/text.h"

#include <stdint.h>
#include <sys/types.h>

pid_t bare_server_start(struct text body, uint16_t *ret_port);

#endif
