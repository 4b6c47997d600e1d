/* SPDX-License-Identifier: Apache-2.0 */
/* watched_call.h: the engine without a scheduler, one slow call at a time, and its sample.
 *
 *     return cmocka_run_group_tests(tests, watched_start, watched_stop);
 *
 * and in a test
 *
 *     interface = watched_interface("a name");
 *     ... stakeout_call_begin(interface), be slow, stakeout_call_end() ...
 *     sample = watched_sample();                        owned by the caller
 *
 * Threshold and interval are THRESHOLD_MS and FREQUENCY_MS. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_OWNERS_WATCHED_CALL_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_OWNERS_WATCHED_CALL_H

#include "common/model/sample.h"
#include "probe/include/stakeout/stakeout.h"

#include <stdbool.h>

enum { THRESHOLD_MS = 50, FREQUENCY_MS = 5 };

int watched_start(void **state);
int watched_stop(void **state);
stakeout_interface_id watched_interface(const char *name);

/* The sample of the call that ended last; fails the test if none comes. */
struct sample *watched_sample(void);

/* Is a function of this program, or of a library of it, in a stack of the sample? */
bool stack_has(const struct sample *sample, uint32_t stack, const void *function);

/* Does the stack end before the outermost frame? */
bool stack_is_cut(const struct sample *sample, uint32_t stack);

/* Keeps the thread on a CPU, in a loop of its own, for so much of its CPU time. */
void spin_ms(uint64_t ms);

#endif
