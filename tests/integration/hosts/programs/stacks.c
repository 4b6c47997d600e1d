/* SPDX-License-Identifier: Apache-2.0 */
/* stacks.c: calls whose stack is not what one expects.
 *
 * "swapped": four coroutines by swapcontext() on stacks of their own, in two threads, switching all
 * the time: each call begins on a coroutine's stack, and most looks are at another one's.
 * "tiny": threads with the least stack that the system allows.
 * "huge": a thread whose stack has 512 MB, and 20,000 frames on it.
 * "overflow": a host that overflows its stack and goes on, by a handler on another one. */
#include "tests/integration/hosts/programs/act.h"

#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    COROUTINES = 4,
    COROUTINE_STACK_SIZE = 64 * 1024,
    FRAMES = 20000,
    HUGE_STACK_MB = 512,
    ROOM_OF_SIGNAL = 1500
};

static volatile unsigned sink;

/* ---- swapped ---- */

struct carousel {
    ucontext_t main, riders[COROUTINES];
    void *stacks[COROUTINES];
    int at, left;
    unsigned sum;
};

static _Thread_local struct carousel *carousel;

static void next_rider(void)
{
    int from = carousel->at;

    carousel->at = (from + 1) % COROUTINES;
    swapcontext(&carousel->riders[from], &carousel->riders[carousel->at]);
}

static void ride(void)
{
    int number = carousel->at;

    for (int i = 0; i < ACT_ROUNDS / 2; i++) {
        struct act_call call = act_call_begin();

        while (act_goes_on(&call)) {
            for (volatile int spins = 0; spins < 2000;) {
                spins = spins + 1;
            }
            next_rider();
        }
        carousel->sum += (unsigned)(number * 10 + i);
        /* On a stack where others ran meanwhile: all of them began within this thread. */
        act_call_end(&call, 0);
    }
    carousel->left--;
    while (carousel->left > 0) {
        next_rider();
    }
    setcontext(&carousel->main);
}

static void *carousel_main(void *context)
{
    struct carousel mine = { .left = COROUTINES };

    carousel = &mine;
    for (int i = 0; i < COROUTINES; i++) {
        ucontext_t *rider = &mine.riders[i];

        ACT_CHECK(getcontext(rider) == 0);
        mine.stacks[i] = malloc(COROUTINE_STACK_SIZE);
        ACT_CHECK(mine.stacks[i] != NULL);
        rider->uc_stack.ss_sp = mine.stacks[i];
        rider->uc_stack.ss_size = COROUTINE_STACK_SIZE;
        makecontext(rider, ride, 0);
    }
    swapcontext(&mine.main, &mine.riders[0]);
    for (int i = 0; i < COROUTINES; i++) {
        free(mine.stacks[i]);
    }
    *(unsigned *)context = mine.sum;
    return NULL;
}

static void run_swapped(void)
{
    pthread_t threads[2];
    unsigned sums[2] = { 0, 0 };

    if (ACT_IS_SANITIZED) act_skip("sanitizers have to be told of swapped stacks");
    for (int i = 0; i < 2; i++) {
        ACT_CHECK(pthread_create(&threads[i], NULL, carousel_main, &sums[i]) == 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        act_say("sum %u", sums[i]);
    }
}

/* ---- tiny and huge ---- */

static void run_on_stack(size_t size, void *(*run)(void *))
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    ACT_CHECK(pthread_attr_setstacksize(&attributes, size) == 0);
    ACT_CHECK(pthread_create(&thread, &attributes, run, NULL) == 0);
    pthread_attr_destroy(&attributes);
    pthread_join(thread, NULL);
}

static void *tiny_main(void *context)
{
    struct act_call call = act_call_begin();

    act_spin_ms(ACT_CALL_MS / 2);
    act_rest_ms(ACT_CALL_MS / 2);
    act_call_end(&call, ACT_FIRST);
    return context;
}

__attribute__((noinline)) static void descend(int depth)
{
    volatile char frame[4096];

    frame[0] = (char)depth;
    if (depth > 0) {
        descend(depth - 1);
    } else {
        act_spin_ms(ACT_CALL_MS / 2);
        act_rest_ms(ACT_CALL_MS / 2);
    }
    sink += (unsigned)frame[0];
}

static void *huge_main(void *context)
{
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        descend(FRAMES);
        act_call_end(&call, ACT_FIRST);
    }
    return context;
}

static void run_tiny(void)
{
    if (ACT_IS_SANITIZED) act_skip("sanitizers need more stack than that");
    for (int i = 0; i < ACT_ROUNDS; i++) {
        run_on_stack((size_t)PTHREAD_STACK_MIN, tiny_main);
    }
}

/* ---- overflow ---- */

static sigjmp_buf before_overflow;
static volatile sig_atomic_t overflows, forced;
static uintptr_t end_of_stack;

/* Where a signal finds no room for its handler, the kernel says so by this one. */
static void on_overflow(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (info->si_code == SI_KERNEL) forced++;
    overflows++;
    siglongjmp(before_overflow, 1);
}

/* The lowest byte of this thread's stack. */
static uintptr_t stack_end(void)
{
    pthread_attr_t attributes;
    size_t size;
    void *low;

    ACT_CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    ACT_CHECK(pthread_attr_getstack(&attributes, &low, &size) == 0);
    pthread_attr_destroy(&attributes);
    return (uintptr_t)low;
}

/* It stays for a while where a signal's handler has no room any more. */
__attribute__((noinline)) static unsigned overflow(unsigned depth)
{
    volatile char frame[512];

    if ((uintptr_t)frame - end_of_stack < ROOM_OF_SIGNAL) {
        for (volatile int spins = 0; spins < 10000;) {
            spins = spins + 1;
        }
    }
    frame[depth % sizeof frame] = (char)depth;
    return depth == UINT_MAX ? 0 : overflow(depth + 1) + (unsigned)frame[0];
}

static void *overflow_main(void *context)
{
    stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };

    ACT_CHECK(stack.ss_sp && sigaltstack(&stack, NULL) == 0);
    end_of_stack = stack_end();
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        while (act_goes_on(&call)) {
            if (sigsetjmp(before_overflow, 1) == 0) sink += overflow(0);
        }
        act_call_end(&call, 0);
    }
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    free(stack.ss_sp);
    return context;
}

static void run_overflow(void)
{
    struct sigaction action = { .sa_sigaction = on_overflow, .sa_flags = SA_ONSTACK | SA_SIGINFO };

    if (ACT_IS_SANITIZED) act_skip("sanitizers take a stack overflow for a bug");
    ACT_CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    run_on_stack(64 * 1024, overflow_main);
    act_say("overflows: %d, by signals: %d", overflows > ACT_ROUNDS, (int)forced);
}

int main(void)
{
    act_begin();
    if (act_mode_is("swapped")) run_swapped();
    if (act_mode_is("tiny")) run_tiny();
    if (act_mode_is("huge")) run_on_stack((size_t)HUGE_STACK_MB << 20, huge_main);
    if (act_mode_is("overflow")) run_overflow();
    return act_end();
}
