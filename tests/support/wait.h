/* SPDX-License-Identifier: Apache-2.0 */
/* wait.h: tests do not sleep, they wait for something. */
#ifndef STAKEOUT_TESTS_SUPPORT_WAIT_H
#define STAKEOUT_TESTS_SUPPORT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* Asks every few ms until the condition holds or `deadline_ms` have passed. Returns whether it
 * held. */
bool wait_until(bool (*condition)(void *context), void *context, uint64_t deadline_ms);

#endif
