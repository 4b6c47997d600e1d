/* SPDX-License-Identifier: Apache-2.0 */
/* holes.c: calls on stacks that the host made itself, and beside which nothing lies.
 *
 * "guarded": a coroutine's stack between two pages that nobody may touch.
 * "holes": what lies above the stack comes and goes, by another thread, all the time. The kernel
 * makes one mapping of the two while it is there: so what was the stack's mapping when the probe
 * looked for it has a hole in it when the stack is copied. */
#include "tests/integration/hosts/programs/act.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, STACK_SIZE = 32 * 1024, TOGGLE_SPINS = 5000 };

/* A page that is never there, the stack, and as much above it. */
static char *room;
static ucontext_t caller, rider;
static unsigned sum;
static _Atomic bool is_over;

static char *stack_low(void)
{
    return room + PAGE;
}

static char *stack_high(void)
{
    return stack_low() + STACK_SIZE;
}

static void neighbour_set(int protection)
{
    ACT_CHECK(mprotect(stack_high(), STACK_SIZE, protection) == 0);
}

__attribute__((noinline)) static void rides(const struct act_call *call)
{
    while (act_goes_on(call)) {
        act_spin_ms(1);
    }
    __asm__ volatile("");
}

static void ride(void)
{
    for (unsigned i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        rides(&call);
        sum = sum * 3 + i;
        act_call_end(&call, ACT_FIRST);
        swapcontext(&rider, &caller);
    }
    setcontext(&caller);
}

static void *caller_main(void *context)
{
    ACT_CHECK(getcontext(&rider) == 0);
    rider.uc_stack.ss_sp = stack_low();
    rider.uc_stack.ss_size = STACK_SIZE;
    makecontext(&rider, ride, 0);
    for (int i = 0; i < ACT_ROUNDS; i++) {
        swapcontext(&caller, &rider);
    }
    atomic_store(&is_over, true);
    return context;
}

static void spin_a_little(void)
{
    for (volatile int spins = 0; spins < TOGGLE_SPINS;) {
        spins = spins + 1;
    }
}

static void toggle(void)
{
    while (!atomic_load(&is_over)) {
        neighbour_set(PROT_READ | PROT_WRITE);
        spin_a_little();
        neighbour_set(PROT_NONE);
        spin_a_little();
    }
}

int main(void)
{
    pthread_t thread;

    if (ACT_IS_SANITIZED) act_skip("sanitizers have to be told of swapped stacks");
    room = mmap(NULL, PAGE + 2 * STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ACT_CHECK(room != MAP_FAILED);
    ACT_CHECK(mprotect(stack_low(), STACK_SIZE, PROT_READ | PROT_WRITE) == 0);
    act_begin();
    ACT_CHECK(pthread_create(&thread, NULL, caller_main, NULL) == 0);
    if (act_mode_is("holes")) toggle();
    pthread_join(thread, NULL);
    act_say("sum %u", sum);
    return act_end();
}
