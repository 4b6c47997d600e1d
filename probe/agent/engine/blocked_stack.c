/* SPDX-License-Identifier: Apache-2.0 */
/* blocked_stack.c: one moment of a thread that we do not stop.
 *
 * /proc says where its stack pointer and program counter are, and the stack is read from there. If
 * the CPU clock reads the same before and after, the thread did not run, and both are of one
 * moment. Of the other registers none is known. Where the walk needs the frame pointer, it is found
 * on the stack and verified (frame_pointer.c); else the stack is shown as cut where it was sure.
 *
 * To spend one signal on a wait whose frame pointer cannot be found was tried: the host saw EINTR
 * in a call that had waited for long, and a restart would have begun its time-out anew. */
#include "probe/agent/engine/blocked_stack.h"

#include "probe/agent/unwind/frame_pointer.h"
#include "probe/agent/unwind/self_memory.h"
#include "probe/hot/ticks.h"
#include "probe/hot/unfinished.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

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

int blocked_stack_read(struct engine *engine, const struct stack_thread *thread, uint64_t clock_ns,
                       struct sighting *ret)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t before_ns = clock_ns;
        int rc = wait_read(engine, thread->tid, &ret->wait);

        if (rc < 0) return rc;
        stack_read(engine, ret->wait.sp, thread->pointer, &ret->stack);
        clock_ns = thread_cpu_ns(thread->tid);
        if (clock_ns != before_ns) continue;
        if (ret->stack.size <= RED_ZONE_SIZE) return -EFAULT;
        registers_set(&ret->stack, &ret->wait);
        ret->at_ns = clock_monotonic_ns();
        ret->clock_ns = ret->still_clock_ns = clock_ns;
        return 0;
    }
    return -EBUSY;
}

void blocked_stack_walk(struct engine *engine, struct sighting *sighting)
{
    struct walk *walk = &engine->walk;

    unwinder_walk(engine->unwinder, &sighting->stack, walk);
    if (!walk->is_complete && walk->lacks_register)
        frame_pointer_find(engine->unwinder, &sighting->stack, walk);
}

/* Is the thread in its handler, as the view says? Not if it sleeps somewhere else: in a handler of
 * the host's on top of ours, or where that one jumped to. */
static bool is_in_handler(struct engine *engine, uint32_t tid)
{
    struct wait_view wait;

    if (wait_read(engine, tid, &wait) < 0) return true;
    return wait.syscall == SYS_restart_syscall || wait.syscall == SYS_ppoll;
}

bool blocked_stack_of_unfinished(struct engine *engine, const struct stack_thread *thread,
                                 struct sighting *ret)
{
    uint64_t before_ns = thread_cpu_ns(thread->tid);
    struct unfinished_view view;

    if (!unfinished_read(thread->tid, &view) || !is_in_handler(engine, thread->tid)) return false;
    ret->wait = (struct wait_view){ .syscall = view.call.number,
                                    .sp = view.registers[REGISTER_RSP],
                                    .pc = view.registers[REGISTER_RIP] };
    memcpy(ret->wait.arguments, view.call.arguments, sizeof ret->wait.arguments);
    stack_read(engine, ret->wait.sp, thread->pointer, &ret->stack);
    if (!unfinished_read(thread->tid, &view) || ret->stack.size <= RED_ZONE_SIZE) return false;
    memcpy(ret->stack.registers, view.registers, sizeof ret->stack.registers);
    ret->stack.known = REGISTERS_ALL;
    ret->at_ns = clock_monotonic_ns();
    ret->clock_ns = thread_cpu_ns(thread->tid);
    ret->still_clock_ns = ret->clock_ns == before_ns ? before_ns : 0;
    return true;
}
