/* SPDX-License-Identifier: Apache-2.0 */
/* signals.c: hosts that have ideas of their own about signals.
 *
 * "blocked": all are blocked, in each thread.
 * "altstack": each thread has another stack for handlers, on which handlers run often and for long.
 * "before": a handler of the host's stands where ours comes; it goes on to get its signals.
 * "after": the host puts its own in our place.
 * "resets": the host sets it back to the default, and again and again. */
#include "tests/integration/hosts/programs/act.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { THREADS = 3, RAISED = 200, RAISES_MAX = 5, LINGER_MS = 20, STACK_SIZE = 65536, PAGE = 4096 };

static _Atomic unsigned heard, taken_back;
static _Thread_local volatile unsigned heard_here;
static _Thread_local volatile bool is_to_linger;

static void on_signal(int number)
{
    volatile char frame[2048];

    if (is_to_linger) act_spin_ms(LINGER_MS);
    is_to_linger = false;
    frame[number] = 1;
    atomic_fetch_add(&heard, frame[number]);
    heard_here = heard_here + 1;
}

static void handle(int number, int flags)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

    ACT_CHECK(sigaction(number, &action, NULL) == 0);
}

/* What a host sets stays as it is set, but for who sets it again: the probe, at its start. */
static void reset(int number)
{
    static _Atomic bool is_reset;
    struct sigaction action = { .sa_handler = SIG_DFL }, before;
    bool was_reset = atomic_load(&is_reset);

    ACT_CHECK(sigaction(number, &action, &before) == 0);
    atomic_store(&is_reset, true);
    if (was_reset && before.sa_handler != SIG_DFL) atomic_fetch_add(&taken_back, 1);
}

static bool is_handled(void)
{
    return act_mode_is("before") || act_mode_is("after") || act_mode_is("altstack");
}

/* To the kernel a signal is one with another of its number that is pending: what is raised in the
 * moment of ours may be lost, and is raised again. */
static void raise_until_heard(int number)
{
    unsigned before = heard_here;
    int raises = 0;

    do {
        raise(number);
    } while (is_handled() && heard_here == before && ++raises < RAISES_MAX);
}

/* Above it lies a page that nobody may touch. */
static stack_t stack_make(void)
{
    stack_t stack = { .ss_size = STACK_SIZE };

    stack.ss_sp = mmap(NULL, STACK_SIZE + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ACT_CHECK(stack.ss_sp != MAP_FAILED);
    ACT_CHECK(mprotect(stack.ss_sp, STACK_SIZE, PROT_READ | PROT_WRITE) == 0);
    return stack;
}

/* A thread that blocks signals gets none of ours, which would wait for the moment when it lets them
 * in again. */
static bool has_pending(void)
{
    sigset_t pending;

    ACT_CHECK(sigpending(&pending) == 0);
    return sigismember(&pending, SIGURG) == 1;
}

static stack_t thread_prepare(void)
{
    stack_t stack = { .ss_flags = SS_DISABLE };
    sigset_t all;

    if (act_mode_is("blocked")) {
        sigfillset(&all);
        ACT_CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    }
    if (act_mode_is("altstack")) {
        stack = stack_make();
        ACT_CHECK(sigaltstack(&stack, NULL) == 0);
    }
    return stack;
}

static void *caller_main(void *context)
{
    stack_t stack = thread_prepare();

    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        act_spin_ms(ACT_CALL_MS / 2);
        is_to_linger = act_mode_is("altstack"); /* into the slow part */
        for (int j = 0; j < RAISED && !act_mode_is("blocked"); j++) {
            if (act_mode_is("resets")) reset(SIGURG);
            raise_until_heard(act_mode_is("altstack") ? SIGUSR1 : SIGURG);
        }
        act_rest_ms(ACT_CALL_MS / 2);
        ACT_CHECK(!act_mode_is("blocked") || !has_pending());
        act_call_end(&call, ACT_FIRST);
    }
    stack.ss_flags = SS_DISABLE;
    if (stack.ss_sp) {
        sigaltstack(&stack, NULL);
        munmap(stack.ss_sp, STACK_SIZE + PAGE);
    }
    return context;
}

int main(void)
{
    pthread_t threads[THREADS];

    if (act_mode_is("before")) handle(SIGURG, SA_RESTART);
    act_start();
    if (act_mode_is("after")) handle(SIGURG, SA_RESTART);
    if (act_mode_is("altstack")) handle(SIGUSR1, SA_RESTART | SA_ONSTACK);
    act_await_go();
    for (int i = 0; i < THREADS; i++) {
        ACT_CHECK(pthread_create(&threads[i], NULL, caller_main, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    act_say("heard %u, taken back %u", atomic_load(&heard), atomic_load(&taken_back));
    return act_end();
}
