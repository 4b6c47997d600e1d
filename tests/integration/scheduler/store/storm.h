/* SPDX-License-Identifier: Apache-2.0 */
/* storm.h: a task whose cap is filled by several senders, each of which sends a sample until it is
 * acknowledged, whatever happens to Redis meanwhile.
 *
 *     struct storm *storm = storm_new(fixture);
 *     storm_until(storm, 40);        40 are acknowledged, and up to STORM_SENDERS are under way
 *     ... kill something ...
 *     storm_end(storm);              fills the cap, and asserts that nothing was lost or twice */
#ifndef STAKEOUT_TESTS_INTEGRATION_SCHEDULER_STORE_STORM_H
#define STAKEOUT_TESTS_INTEGRATION_SCHEDULER_STORE_STORM_H

#include "tests/integration/scheduler/store/store_fixture.h"

enum { STORM_SENDERS = 8, STORM_CAP = 100 };

struct storm;

/* Creates the task. */
struct storm *storm_new(struct fixture *fixture);
void storm_until(struct storm *storm, unsigned taken);
/* Goes on for some turns of the loop, whatever is acknowledged meanwhile. */
void storm_turn(struct storm *storm, unsigned turns);

/* Frees it. Those that were acknowledged are exactly those that are there, with all their stacks,
 * and as many as the cap. */
void storm_end(struct storm *storm);

/* Another scheduler whose loop turns with ours from now on, until it ends. */
void storm_beside(struct storm *storm, struct fixture *other);

/* How many reports were answered with a problem, and sent again. */
unsigned storm_again(const struct storm *storm);

#endif
