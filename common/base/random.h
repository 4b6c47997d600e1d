/* SPDX-License-Identifier: Apache-2.0 */
/* random.h: random bytes of the kernel's generator, good for tokens and ids alike. */
#ifndef STAKEOUT_COMMON_BASE_RANDOM_H
#define STAKEOUT_COMMON_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills `size` bytes (at most 256). Returns 0, or -errno where getrandom(2) is refused. Does not
 * block once the kernel's generator is ready. Threads: any. */
int random_bytes(void *ret, size_t size);

/* Never 0. Falls back to clocks and addresses where getrandom(2) is refused: unique enough for
 * an incarnation, not for a secret. */
uint64_t random_u64(void);

#endif
