/* SPDX-License-Identifier: Apache-2.0 */
/* one_task.h: the engine in this process, without a scheduler, and the one task that it has.
 *
 *     interface = one_task_arm(&(struct one_task){ .interface = "slow", .threshold_ms = 50,
 *                                                  .frequency_ms = 5 });
 *     ... calls; each sample that comes is answered by one_task_accept(sample) ...
 *     ledger = one_task_ledger();
 *
 * A test starts the sampler with the options that it wants: by one_task_start(), which gives it no
 * budget, so that each look counts; or by itself, where a budget is what it is about. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_ONE_TASK_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_ONE_TASK_H

#include "common/model/ledger.h"
#include "common/model/sample.h"
#include "probe/agent/engine/sampler.h"
#include "probe/include/stakeout/stakeout.h"

/* What sampler_start() returns. */
int one_task_start(const struct sampler_options *options);

/* The teardown of a group or of a test: stops the sampler. */
int one_task_stop(void **state);

struct one_task {
    const char *interface;
    uint64_t threshold_ms, frequency_ms;
    bool lookback;
};

/* Its order, as a scheduler would give it: active, for ten minutes, of 100 samples. */
struct task_order one_task_order(const struct one_task *task);

/* Watches for it, and for nothing else any more. */
stakeout_interface_id one_task_arm(const struct one_task *task);

/* Of the task that was armed last; also when it is over. It is sound, or the program ends here. */
struct ledger one_task_ledger(void);

/* As a scheduler that takes the sample. */
void one_task_accept(const struct sample *sample);

#endif
