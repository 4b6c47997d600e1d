/* SPDX-License-Identifier: Apache-2.0 */
/* perf_scene.h: a sampler that looks by perf events, the samples that it hands out, and what is
 * counted of both.
 *
 *     cmocka_unit_test_setup_teardown(claim, perf_start, perf_stop)
 *     interface = perf_arm("running");
 *     ... a slow call of it ...
 *     perf_await_samples(1);
 *     ... perf_samples[0], perf_signals_sent(), perf_ring_count() ...
 *
 * Threads: the test's own. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_PERF_SCENE_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_PERF_SCENE_H

#include "tests/integration/probe/one_task.h"

enum { PERF_THRESHOLD_MS = 50, PERF_FREQUENCY_MS = 5, PERF_SAMPLES_MAX = 64 };

/* What was handed out; freed by perf_stop(). */
extern struct sample *perf_samples[PERF_SAMPLES_MAX];
extern uint32_t perf_sample_count;

/* With STAKEOUT_ENGINE=perf; with other options by one_task_start(), with perf_on_sample(). */
int perf_start(void **state);
int perf_stop(void **state);
void perf_on_sample(void *context, struct sample *take_sample);
void perf_forget(void); /* in a forked child: before it starts */

/* Skips the claim where this machine allows no perf events. */
void perf_need(void);

/* A task of the interface. */
stakeout_interface_id perf_arm(const char *interface);
stakeout_interface_id perf_arm_lookback(const char *interface, bool lookback);

/* `context` is a uint32_t: are there as many samples? Fails, waiting for them, after 10 s. */
bool perf_samples_are(void *context);
void perf_await_samples(uint32_t count);

/* What `stakeout doctor` would be told of, and that has this word in it; NULL: nothing. */
const char *perf_trouble(const char *word);

uint32_t perf_signals_sent(void);
uint32_t perf_ring_count(void); /* rings of events that are mapped */
bool perf_has_no_rings(void *context);

/* Runs for so much CPU time; never inlined, so that it is found in stacks. */
void perf_spin_ms(uint64_t ms);

bool perf_stack_has(const struct sample *sample, uint32_t snapshot, const void *function);
uint32_t perf_count_with(const struct sample *sample, const void *function); /* snapshots */

#endif
