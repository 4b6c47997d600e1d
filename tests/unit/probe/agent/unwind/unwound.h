/* SPDX-License-Identifier: Apache-2.0 */
/* unwound.h: code to be interrupted in: recursion, leaves, PLT stubs, the C library, the vdso,
 * system calls. Built twice: with frame pointers, and, as a library, without. */
#ifndef STAKEOUT_TESTS_UNIT_PROBE_AGENT_UNWIND_UNWOUND_H
#define STAKEOUT_TESTS_UNIT_PROBE_AGENT_UNWIND_UNWOUND_H

#include <stdatomic.h>

/* Works until *stop, `depth` calls deep. */
void unwound_work(int depth, _Atomic int *stop) __attribute__((visibility("default")));

/* Calls `then` `depth` calls deep. */
void unwound_descend(int depth, void (*then)(void *context), void *context)
    __attribute__((visibility("default")));

#endif
