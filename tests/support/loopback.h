/* SPDX-License-Identifier: Apache-2.0 */
/* loopback.h: TCP within this machine, over 127.0.0.1.
 *
 *     fd = loopback_listen(0, &port);
 *     client = loopback_connect(port); */
#ifndef STAKEOUT_TESTS_SUPPORT_LOOPBACK_H
#define STAKEOUT_TESTS_SUPPORT_LOOPBACK_H

#include <stdint.h>

/* Listens on the port, or on one that the kernel finds: 0. `ret_port` may be NULL. The test ends
 * here where that does not work. */
int loopback_listen(uint16_t port, uint16_t *ret_port);

/* A connection, or -errno. */
int loopback_connect(uint16_t port);

#endif
