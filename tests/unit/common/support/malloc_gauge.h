/* SPDX-License-Identifier: Apache-2.0 */
/* malloc_gauge.h: how much was asked of the allocator, and what if it had refused.
 *
 * Link stakeout_malloc_gauge: malloc, calloc and realloc of the whole program,
 * archives included, pass through here. */
#ifndef STAKEOUT_TESTS_UNIT_COMMON_SUPPORT_MALLOC_GAUGE_H
#define STAKEOUT_TESTS_UNIT_COMMON_SUPPORT_MALLOC_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

/* Forgets what was counted and refuses nothing. */
void malloc_gauge_reset(void);

/* Bytes asked for since the reset, in all, by whoever. */
uint64_t malloc_gauge_size(void);

/* The n-th request from now fails, 1 is the next; 0: none. */
void malloc_gauge_fail(uint32_t n);

/* Did that request come? */
bool malloc_gauge_has_failed(void);

#endif
