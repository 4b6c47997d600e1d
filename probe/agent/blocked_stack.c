/* SPDX-License-Identifier: Apache-2.0 */
/* blocked_stack.c: one moment of a thread that we do not stop.
 *
 * /proc says where its stack pointer and program counter are, and the stack is read from there. If
 * the CPU clock reads the same before and after, the thread did not run, and both are of one
 * moment. Of the other registers none is known. Where the walk needs the frame pointer, it is found
 * on the stack (frame_pointer.c), or a copy told it in this same wait before (known_waits.c).
 *
 * INVARIANT: a stack that was walked with a remembered frame pointer counts only if the walk passed
 * the frame that called begin or reached the outermost one; else it is shown as cut where it was
 * sure. */
#include "probe/agent/blocked_stack.h"

#include "probe/agent/frame_pointer.h"
#include "probe/agent/self_memory.h"
#include "probe/hot/ticks.h"

#include <errno.h>

enum {
    RED_ZONE_SIZE = 128,
    SYSCALL_LINE_SIZE = 256,
    READ_TRIES = 3,
};

static int wait_read(struct engine *engine, uint32_t tid, struct wait_view *ret)
{
    char line[SYSCALL_LINE_SIZE];
    int rc = thread_files_syscall(&engine->files, tid, line, sizeof line);

    return rc < 0 ? rc : blocked_parse(line, ret);
}

static void stack_read(struct engine *engine, uint64_t sp, uint64_t top, struct stack_view *ret)
{
    uint64_t base = sp - RED_ZONE_SIZE, size = STACK_COPY_SIZE_MAX;

    if (top > base && top - base < size) size = top - base;
    ret->bytes = engine->stack;
    ret->base = base;
    ret->size = self_read(base, engine->stack, size);
}

static void registers_set(struct stack_view *stack, const struct wait_view *wait)
{
    stack->registers[REGISTER_RIP] = wait->pc;
    stack->registers[REGISTER_RSP] = wait->sp;
    stack->known = REGISTER_BIT(REGISTER_RIP) | REGISTER_BIT(REGISTER_RSP);
}

int blocked_stack_read(struct engine *engine, const struct stint *stint, uint64_t clock_ns,
                       struct sighting *ret)
{
    struct stack_thread thread = stint_thread(stint);

    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t before_ns = clock_ns;
        int rc = wait_read(engine, thread.tid, &ret->wait);

        if (rc < 0) return rc;
        stack_read(engine, ret->wait.sp, thread.pointer, &ret->stack);
        clock_ns = thread_cpu_ns(thread.tid);
        if (clock_ns != before_ns) continue;
        if (ret->stack.size <= RED_ZONE_SIZE) return -EFAULT;
        registers_set(&ret->stack, &ret->wait);
        ret->at_ns = clock_monotonic_ns();
        ret->clock_ns = ret->still_clock_ns = clock_ns;
        return 0;
    }
    return -EBUSY;
}

/* Walks with the frame pointer that a copy told. */
static enum blocked_walk walk_remembered(struct engine *engine, uint64_t rbp,
                                         struct stack_view *stack)
{
    stack->registers[REGISTER_RBP] = rbp;
    stack->known |= REGISTER_BIT(REGISTER_RBP);
    unwinder_walk(engine->unwinder, stack, &engine->walk);
    if (engine->walk.is_complete || engine->walk.reached_begin) return BLOCKED_WALK_SURE;
    stack->known &= ~REGISTER_BIT(REGISTER_RBP);
    unwinder_walk(engine->unwinder, stack, &engine->walk);
    return BLOCKED_WALK_CUT;
}

enum blocked_walk blocked_stack_walk(struct engine *engine, const struct known_waits *waits,
                                     struct sighting *sighting)
{
    const struct known_wait *known;
    struct walk *walk = &engine->walk;

    unwinder_walk(engine->unwinder, &sighting->stack, walk);
    if (walk->is_complete || !walk->lacks_register) return BLOCKED_WALK_SURE;
    if (frame_pointer_find(engine->unwinder, &sighting->stack, walk)) return BLOCKED_WALK_SURE;
    known = known_waits_find(waits, &sighting->wait, walk);
    if (known && known->has_rbp) return walk_remembered(engine, known->rbp, &sighting->stack);
    /* Where the walk reached begin, the call itself is seen as a whole: no signal for the rest. */
    return known || walk->reached_begin ? BLOCKED_WALK_CUT : BLOCKED_WALK_WANTS_COPY;
}
