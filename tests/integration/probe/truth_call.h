/* SPDX-License-Identifier: Apache-2.0 */
/* truth_call.h: the call of truth_work.h, as a host makes it: watched as "truth", with the response
 * code 207, while another thread holds the mutex until c() has waited for it for 200 ms.
 *
 * Threads: one call at a time. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_TRUTH_CALL_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_TRUTH_CALL_H

#include "tests/integration/probe/truth_work.h"

enum { TRUTH_RESPONSE_CODE = 207 };

/* Returns 0 and what the host measured, or -errno where there is no other thread to be had. */
int truth_call_make(const struct truth_functions *functions, struct truth *ret);

#endif
