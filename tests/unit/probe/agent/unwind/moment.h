/* SPDX-License-Identifier: Apache-2.0 */
/* moment.h: what a copy of the interrupted thread would be: its registers and its stack.
 *
 *     moment.high = an address beyond the outermost frame that is wanted;
 *     moment_take(context);                    in a handler of SA_SIGINFO
 *     unwinder_walk(unwinder, &moment.view, &walk);
 *
 * There is one; whoever takes it again writes over it. moment_take() is async-signal-safe. */
#ifndef STAKEOUT_TESTS_UNIT_PROBE_AGENT_UNWIND_MOMENT_H
#define STAKEOUT_TESTS_UNIT_PROBE_AGENT_UNWIND_MOMENT_H

#include "probe/agent/unwind/unwinder.h"

struct moment {
    struct stack_view view;
    unsigned char bytes[STACK_COPY_SIZE_MAX];
    uint64_t high; /* the copy ends before this address */
};

extern struct moment moment;

/* `context` is the third argument of the handler. */
void moment_take(const void *context);

/* The same numbers in each run. */
uint64_t moment_random(void);

/* Finds a function in UNWOUND_LIBRARY, which is unwound.c without frame pointers; NULL without. */
void *moment_library_symbol(const char *name);

#endif
