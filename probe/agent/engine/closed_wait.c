/* SPDX-License-Identifier: Apache-2.0 */
/* closed_wait.c: what tells a wait that was interrupted and goes on.
 *
 * A thread that the signal met in a system call stands behind the call's instruction with -EINTR,
 * or on the instruction with the call's number, because the kernel is about to make it again.
 * Whatever else its registers say, it may have been running, and nothing is concluded from it.
 *
 * It was interrupted, so it ran on: back to sleep in the same call, as a rule; or somewhere else.
 * It is taken to be back if all of this holds when it is looked at the next time:
 *
 * - since the copy it used no more CPU time than the way back needs;
 * - it sleeps: its state says so, and its clock stands still while we look;
 * - its stack, walked from the registers of the copy, leads through the same return addresses. A
 *   sleep that was called from somewhere else would have put others there. */
#include "probe/agent/engine/closed_wait.h"

#include "common/base/clock.h"
#include "probe/agent/look/thread_files.h"
#include "probe/agent/unwind/self_memory.h"
#include "probe/hot/ticks.h"

#include <errno.h>
#include <string.h>

enum {
    CALL_NUMBERS = 1024, /* the kernel's end below 500 */
    CODE_BEFORE = 28,    /* bytes in which the number is loaded */
    LOAD_SIZE = 5,       /* mov $number, %eax */
    CALL_SIZE = 2,       /* syscall */
};

#define WAY_BACK_NS (200 * NS_PER_US) /* a signal's return and the call again, on a busy machine */

static bool is_call(const unsigned char *code)
{
    return code[0] == 0x0f && code[1] == 0x05;
}

/* The number of the call at the end of `code`, or SYSCALL_NONE. */
static int32_t call_number(const unsigned char *code, size_t size)
{
    for (size_t at = size - LOAD_SIZE + 1; at-- > 0;) {
        int32_t number;

        if (code[at] != 0xb8) continue;
        memcpy(&number, code + at + 1, sizeof number);
        if (number >= 0 && number < CALL_NUMBERS) return number;
    }
    return SYSCALL_NONE;
}

static void arguments_read(const uint64_t registers[REGISTERS], struct wait_view *ret)
{
    static const int places[] = { REGISTER_RDI, REGISTER_RSI, REGISTER_RDX,
                                  REGISTER_R10, REGISTER_R8,  REGISTER_R9 };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        ret->arguments[i] = registers[places[i]];
    }
}

bool closed_wait_read(const struct stack_view *stack, struct wait_view *ret_wait)
{
    unsigned char code[CODE_BEFORE + 2 * CALL_SIZE];
    unsigned char *here = code + CODE_BEFORE + CALL_SIZE, *before = code + CODE_BEFORE;
    uint64_t pc = stack->registers[REGISTER_RIP], result = stack->registers[REGISTER_RAX];
    struct wait_view wait = { .sp = stack->registers[REGISTER_RSP], .pc = pc };

    if (self_read(pc - CODE_BEFORE - CALL_SIZE, code, sizeof code) != sizeof code) return false;
    if (is_call(here) && result < CALL_NUMBERS) {
        wait.syscall = (int32_t)result;
        wait.pc = pc + CALL_SIZE;
    } else if (is_call(before) && result == (uint64_t)-EINTR) {
        wait.syscall = call_number(code, CODE_BEFORE);
    } else {
        return false;
    }
    arguments_read(stack->registers, &wait);
    *ret_wait = wait;
    return true;
}

static uint64_t frames_hash(const struct walk *walk)
{
    uint64_t hash = walk->count;

    for (uint32_t i = 0; i < walk->count; i++) {
        hash = (hash ^ walk->frames[i].pc) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void closed_wait_note(struct closed_wait *wait, const struct engine *engine,
                      const struct sighting *sighting)
{
    *wait = (struct closed_wait){ 0 };
    if (sighting->wait.sp == 0) return;
    *wait = (struct closed_wait){ .clock_ns = sighting->clock_ns,
                                  .frames = frames_hash(&engine->walk),
                                  .stack = sighting->stack,
                                  .wait = sighting->wait };
    wait->stack.bytes = NULL;
}

/* The walk of the copy again, over what is on the stack now. */
static bool walks_alike(const struct closed_wait *wait, struct engine *engine,
                        struct stack_view *ret)
{
    *ret = wait->stack;
    ret->bytes = engine->stack;
    if (self_read(ret->base, engine->stack, ret->size) != ret->size) return false;
    unwinder_walk(engine->unwinder, ret, &engine->walk);
    return frames_hash(&engine->walk) == wait->frames;
}

bool closed_wait_sight(struct closed_wait *wait, struct engine *engine, uint32_t tid,
                       uint64_t clock_ns, struct sighting *ret)
{
    struct closed_wait asked = *wait;

    wait->clock_ns = 0;
    if (asked.clock_ns == 0 || clock_ns < asked.clock_ns) return false;
    if (clock_ns - asked.clock_ns > WAY_BACK_NS) return false;
    if (thread_files_state(tid) == 'R' || !walks_alike(&asked, engine, &ret->stack)) return false;
    if (thread_cpu_ns(tid) != clock_ns) return false;
    ret->wait = asked.wait;
    ret->at_ns = clock_monotonic_ns();
    ret->clock_ns = ret->still_clock_ns = clock_ns;
    return true;
}
