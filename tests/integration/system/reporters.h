/* SPDX-License-Identifier: Apache-2.0 */
/* reporters.h: threads that send samples of a test's own to a task of cap 100, each again and again
 * until it is answered; so what was acknowledged is known by who was told so.
 *
 *     reporters_start(&reporters, &house, "reports");
 *     reporters_allow(&reporters, 20);
 *     reporters_await_allowed(&reporters);
 *     ... what should break breaks, and is mended ...
 *     reporters_allow(&reporters, REPORTERS_ALL);
 *     reporters_await_full(&reporters);                its cap is reached
 *     reporters_stop(&reporters);
 *     reporters_assert_nothing_was_lost(&reporters); */
#ifndef STAKEOUT_TESTS_INTEGRATION_SYSTEM_REPORTERS_H
#define STAKEOUT_TESTS_INTEGRATION_SYSTEM_REPORTERS_H

#include "tests/integration/system/house.h"
#include "tests/support/fake_probe.h"

#include <pthread.h>
#include <stdatomic.h>

enum { REPORTERS_COUNT = 4, REPORTERS_CAP = 100 };

#define REPORTERS_ALL UINT32_MAX

struct reporters {
    struct house *house;
    struct fake_probe probe;
    struct task_id task;
    pthread_t threads[REPORTERS_COUNT];
    _Atomic unsigned allowed; /* how many may have been taken by now */
    _Atomic unsigned taken_count, refused_count, again_count;
    struct sample_id taken[REPORTERS_CAP + REPORTERS_COUNT];
    _Atomic bool is_stopping;
};

/* Orders a task for an application of their own. Nothing is sent yet. */
void reporters_start(struct reporters *reporters, struct house *house, const char *application);

/* So many may be taken, from now on; and have they? */
void reporters_allow(struct reporters *reporters, unsigned count);
bool reporters_have_come_on(struct reporters *reporters);

/* Its cap is reached, as they were told. */
bool reporters_are_refused(struct reporters *reporters);

/* The same two, waited for; and that so many reports were not acknowledged. False: they did not
 * come within a minute and a half, which is more than anybody's patience. */
bool reporters_await_allowed(struct reporters *reporters);
bool reporters_await_full(struct reporters *reporters);
bool reporters_await_again(struct reporters *reporters, unsigned again_count);

/* They stop when their last report is answered. */
void reporters_stop(struct reporters *reporters);

/* Those that are known to be taken are there, once each, with their stacks; no others. */
void reporters_assert_nothing_was_lost(struct reporters *reporters);

#endif
