/* SPDX-License-Identifier: Apache-2.0 */
/* known_stacks.c: the mapping that holds a stack pointer, cut where the stack itself ends.
 *
 * A stack that is not the thread's own (swapped by the host, of a coroutine) is a mapping like
 * another; it is not kept, because it may be gone the next time. */
#include "probe/agent/unwind/known_stacks.h"

#include "probe/agent/unwind/self_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAIN_STACK_MAX (UINT64_C(128) << 20) /* however large its limit is */

void known_stacks_init(struct known_stacks *stacks)
{
    memset(stacks, 0, sizeof *stacks);
    stacks->main_stack_end = getauxval(AT_RANDOM);
}

/* The main stack grows: what is below it may be mapped by now. */
static uint64_t main_stack_low(const struct mapping *mapping)
{
    uint64_t size = MAIN_STACK_MAX;
    struct rlimit limit;

    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < size) size = limit.rlim_cur;
    return mapping->high - size < mapping->low ? mapping->high - size : mapping->low;
}

/* Without /proc the pages themselves are asked. */
static int mapping_find(const struct known_stacks *stacks, uint64_t sp, struct mapping *ret)
{
    int rc = self_mapping(sp, ret);

    if (rc != -EACCES) return rc;
    rc = self_probe(sp, ret);
    if (rc < 0) return rc;
    ret->is_main_stack = ret->low <= stacks->main_stack_end && stacks->main_stack_end < ret->high;
    return 0;
}

int known_stacks_read(const struct known_stacks *stacks, const struct stack_thread *thread,
                      uint64_t sp, struct stack_bounds *ret)
{
    /* The C library keeps the main thread elsewhere, in a mapping that may have neighbours. */
    uint64_t top = thread->tid == (uint32_t)getpid() ? 0 : thread->pointer;
    struct mapping mapping;
    int rc = mapping_find(stacks, sp, &mapping);

    if (rc < 0) return rc;
    *ret = (struct stack_bounds){ mapping.low, mapping.high, false };
    if (mapping.is_main_stack) {
        ret->low = main_stack_low(&mapping);
        top = stacks->main_stack_end;
    }
    if (top > sp && top <= ret->high) {
        ret->high = top;
        ret->is_own = true;
    }
    return 0;
}

int known_stacks_find(struct known_stacks *stacks, const struct stack_thread *thread, uint64_t sp,
                      struct stack_bounds *ret)
{
    struct known_stack *known = &stacks->places[thread->slot % KNOWN_STACKS];
    int rc;

    if (known->tid == thread->tid && known->bounds.high == thread->pointer &&
        sp >= known->bounds.low && sp < known->bounds.high) {
        *ret = known->bounds;
        return 0;
    }
    rc = known_stacks_read(stacks, thread, sp, ret);
    if (rc == 0 && ret->is_own && ret->high == thread->pointer)
        *known = (struct known_stack){ thread->tid, *ret };
    return rc;
}
