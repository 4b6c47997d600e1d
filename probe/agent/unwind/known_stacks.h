/* SPDX-License-Identifier: Apache-2.0 */
/* known_stacks.h: the bounds of threads' own stacks.
 *
 *     known_stacks_init(&stacks);
 *     rc = known_stacks_find(&stacks, &thread, sp, &bounds);
 *
 * They are a thread's for life: kept, because a look into /proc/self/maps takes as long as there
 * are mappings. A thread is known again by its tid, and by where the C library keeps it, which is
 * the end of its stack: so it is this very stack, and not one of a thread that had the tid before.
 *
 * Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_KNOWN_STACKS_H
#define STAKEOUT_PROBE_AGENT_UNWIND_KNOWN_STACKS_H

#include <stdbool.h>
#include <stdint.h>

enum { KNOWN_STACKS = 64 }; /* by slot, modulo this */

struct stack_bounds {
    uint64_t low, high; /* high 0: not known */
    /* The thread's own stack, which is there as long as the thread is. Another's bounds are those
     * of a mapping, any part of which may go at any time. */
    bool is_own;
};

struct stack_thread {
    uint32_t tid, slot;
    uint64_t pointer; /* where the C library keeps it */
};

struct known_stacks {
    uint64_t main_stack_end; /* above it are the environment's strings */
    struct known_stack {
        uint32_t tid;
        struct stack_bounds bounds;
    } places[KNOWN_STACKS];
};

void known_stacks_init(struct known_stacks *stacks);

/* The bounds of the stack that holds `sp`, as far as it may be read. Returns 0, or -errno. */
int known_stacks_find(struct known_stacks *stacks, const struct stack_thread *thread, uint64_t sp,
                      struct stack_bounds *ret);

/* The same, remembering nothing; the thread's slot does not matter. */
int known_stacks_read(const struct known_stacks *stacks, const struct stack_thread *thread,
                      uint64_t sp, struct stack_bounds *ret);

#endif
