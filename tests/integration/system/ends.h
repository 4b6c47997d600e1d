/* SPDX-License-Identifier: Apache-2.0 */
/* ends.h: does a task end on time, at its scheduler and at its instance?
 *
 *     uint64_t ends_ms = ends_order(&house, &task);
 *     ends_await(ends_ms - 100);                        and then something happens
 *     late_ms = ends_assert_on_time(&house, &task, ends_ms);
 *
 * The least duration is five minutes, so the end is moved near, in Redis, where the scheduler reads
 * it at its next start. Times are of the wall clock of this process. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SYSTEM_ENDS_H
#define STAKEOUT_TESTS_INTEGRATION_SYSTEM_ENDS_H

#include "tests/integration/system/house.h"

enum { ENDS_LATE_MS_MAX = 500 }; /* how late an instance may stop, on a machine that is busy */

/* A task of "shop" that ends in some seconds, as its one instance, which polls, was told. */
uint64_t ends_order(struct house *house, struct task_id *ret);

void ends_await(uint64_t wall_ms);

/* Waits for both ends. Returns how late the instance was. */
int64_t ends_assert_on_time(struct house *house, const struct task_id *task, uint64_t ends_ms);

#endif
