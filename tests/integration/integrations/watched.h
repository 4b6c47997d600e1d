/* SPDX-License-Identifier: Apache-2.0 */
/* watched.h: what the scheduler says of a server that a test drove.
 *
 *     house_wait_armed(&house, &task, 2);          both instances watch
 *     watched_wait_sample(&house, &task, &sample);
 *     watched_assert_share(&sample, "slow_lookup", 80);    80 % or more of it was in there
 *     watched_assert_counts(&house, "shop", counts);      of each interface
 *
 * Whatever does not come in time fails the test. */
#ifndef STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_WATCHED_H
#define STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_WATCHED_H

#include "tests/integration/system/house.h"

struct watched_sample {
    char interface[256], trace[40];
    int64_t response_code, elapsed_ms;
    json_t *analysis;
};

/* So many snapshots were taken of the calls that it watches. */
void watched_wait_snapshots(struct house *house, const struct task_id *task, unsigned count);

/* The task's first sample. */
void watched_wait_sample(struct house *house, const struct task_id *task,
                         struct watched_sample *ret);
void watched_sample_done(struct watched_sample *sample);

/* How many percent of the time listened to the function was on the stack; the call was detached
 * and waiting for this. */
int watched_share(const struct watched_sample *sample, const char *function);
int watched_detached_share(const struct watched_sample *sample, const char *waiting_for);
void watched_assert_share(const struct watched_sample *sample, const char *function, int percent);

/* The application's interfaces are these, no others, with so many calls. */
struct watched_count {
    const char *interface; /* NULL: the end */
    int64_t calls;
};
void watched_assert_counts(struct house *house, const char *application,
                           const struct watched_count *expected);

#endif
