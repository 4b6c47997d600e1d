/* SPDX-License-Identifier: Apache-2.0 */
/* free_port.h: a port of loopback for a program that cannot be given port 0. */
#ifndef STAKEOUT_TESTS_SUPPORT_FREE_PORT_H
#define STAKEOUT_TESTS_SUPPORT_FREE_PORT_H

#include <stdint.h>

/* Nobody listens there now; somebody else may soon: the kernel gives others first. */
uint16_t free_port(void);

#endif
