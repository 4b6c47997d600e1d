/* SPDX-License-Identifier: Apache-2.0 */
/* nothing.h: a begin and an end of a shared library that do nothing: what no probe can be below. */
#ifndef STAKEOUT_TESTS_BENCH_SYSTEM_NOTHING_H
#define STAKEOUT_TESTS_BENCH_SYSTEM_NOTHING_H

#include <stakeout/stakeout.h>

STAKEOUT_API stakeout_call nothing_begin(stakeout_interface_id interface_id);
STAKEOUT_API void nothing_end(stakeout_call call, int response_code);

#endif
