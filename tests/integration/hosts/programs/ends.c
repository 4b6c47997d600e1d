/* SPDX-License-Identifier: Apache-2.0 */
/* ends.c: a host that ends, in each way there is, while the stacks of its threads are taken. */
#include "tests/integration/hosts/programs/act.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CALLERS = 4, STATUS = 4, LAST_CALLS = 100, STAGGER_MS = 22, TOLD_MS = 1500 };

static _Atomic unsigned callers;

static void *caller_main(void *context)
{
    act_rest_ms((unsigned)atomic_fetch_add(&callers, 1) * STAGGER_MS);
    for (;;) {
        struct act_call call = act_call_begin();

        act_spin_ms(ACT_CALL_MS / 2);
        act_rest_ms(ACT_CALL_MS / 2);
        act_call_end(&call, ACT_FIRST);
    }
    return context;
}

static void *brief_main(void *context)
{
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        act_rest_ms(ACT_CALL_MS);
        act_call_end(&call, ACT_FIRST);
    }
    act_say_calls();
    act_leave(0);
    return context;
}

/* The process ends with its last thread; the main one is gone before. */
static void leave_it_to_threads(void)
{
    pthread_t thread;

    if (ACT_IS_THREAD_SANITIZED) act_skip("it has a thread of its own, which never ends");
    ACT_CHECK(pthread_create(&thread, NULL, brief_main, NULL) == 0);
    pthread_detach(thread);
    act_say("over");
    pthread_exit(NULL);
}

static void on_exit_said(void)
{
    act_say("at exit");
    act_leave(0);
}

/* Nobody but the farewell tells of them. */
static void make_last_calls(void)
{
    for (int i = 0; i < LAST_CALLS; i++) {
        struct act_call call = act_call_begin();

        act_call_end(&call, ACT_FIRST);
    }
}

static bool is_farewell_said(void)
{
    return act_mode_is("exit") || act_mode_is("return");
}

static void start_callers(void)
{
    for (int i = 0; i < CALLERS; i++) {
        pthread_t thread;

        ACT_CHECK(pthread_create(&thread, NULL, caller_main, NULL) == 0);
        pthread_detach(thread);
    }
    while (act_calls_ended() < CALLERS * 2) {
        act_rest_ms(5);
    }
    /* Of one that says no farewell, it was told before, in the middle of calls. */
    act_rest_ms(is_farewell_said() ? STAGGER_MS : TOLD_MS);
}

int main(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    if (!act_mode_is("pthread_exit")) atexit(on_exit_said);
    at_quick_exit(on_exit_said);
    act_begin();
    if (act_mode_is("pthread_exit")) leave_it_to_threads();
    start_callers();
    make_last_calls();
    act_say("over");
    if (act_mode_is("exit")) exit(STATUS);
    if (act_mode_is("_exit")) _exit(STATUS);
    if (act_mode_is("abort")) abort();
    if (act_mode_is("quick_exit")) quick_exit(STATUS);
    if (act_mode_is("killed")) raise(SIGKILL);
    return STATUS;
}
