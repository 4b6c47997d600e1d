/* SPDX-License-Identifier: Apache-2.0 */
/* check.h: assertions that are always on, for the scheduler, the tools and the tests.
 *
 * A failed CHECK is a programmer's error: it prints the expression and its place and aborts.
 * The probe never uses it (nothing of ours may abort a host): see probe/agent/base/invariant.h
 * for what stands there instead. */
#ifndef STAKEOUT_COMMON_BASE_CHECK_H
#define STAKEOUT_COMMON_BASE_CHECK_H

#include <stddef.h>

#define CHECK(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__))

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Prints and aborts. Threads: any. */
_Noreturn void check_failed(const char *expression, const char *file, int line);

/* malloc, calloc and realloc that abort when there is no memory: for programs whose inputs are
 * all limited before they are stored. The caller owns the result and frees it with free(). */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t count, size_t size);
void *mem_grow(void *memory, size_t size);

/* Copies `size` bytes of data and a terminating zero. Owned by the caller. */
char *mem_text(const char *data, size_t size);

#endif
