/* SPDX-License-Identifier: Apache-2.0 */
/* crowd.h: a machine on which others want every core as well.
 *
 *     struct crowd crowd;
 *     crowd_start(&crowd);
 *     ...
 *     crowd_stop(&crowd);
 *
 * Processes that do nothing but compute. They die with the test, however it ends. */
#ifndef STAKEOUT_TESTS_SUPPORT_CROWD_H
#define STAKEOUT_TESTS_SUPPORT_CROWD_H

#include <sys/types.h>

enum { CROWD_SIZE = 4 };

struct crowd {
    pid_t pids[CROWD_SIZE];
};

void crowd_start(struct crowd *crowd);
void crowd_stop(struct crowd *crowd);

#endif
