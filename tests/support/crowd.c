/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/crowd.h"

#include "common/base/check.h"

#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile uint64_t spun;

void crowd_start(struct crowd *crowd)
{
    for (int i = 0; i < CROWD_SIZE; i++) {
        crowd->pids[i] = fork();
        CHECK(crowd->pids[i] >= 0);
        if (crowd->pids[i] > 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            spun++;
        }
    }
}

void crowd_stop(struct crowd *crowd)
{
    for (int i = 0; i < CROWD_SIZE; i++) {
        kill(crowd->pids[i], SIGKILL);
        waitpid(crowd->pids[i], NULL, 0);
    }
}
