/* SPDX-License-Identifier: Apache-2.0 */
/* cancelled.c: threads that are cancelled in the middle of a slow call, in waits that our signal
 * meets all the time: some while its handler waits on in their place. Each unwinds its own stack,
 * and ends its call as it goes. */
#include "tests/integration/hosts/programs/act.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { ROUNDS = 13, AT_ONCE = 6, KINDS = 3, BETWEEN_US = 150 };

static _Atomic unsigned ended, entered[KINDS];

static void end_call(void *context)
{
    act_call_end(context, 0);
    atomic_fetch_add(&ended, 1);
}

static void wait_a_little(unsigned kind)
{
    struct timespec time = { .tv_nsec = 300000 };

    act_spin_us(BETWEEN_US);
    atomic_store(&entered[kind], 1);
    switch (kind) {
    case 0:
        poll(NULL, 0, 1);
        break;
    case 1:
        nanosleep(&time, NULL);
        break;
    default:
        clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
        break;
    }
}

static void *slow_main(void *context)
{
    struct act_call call = act_call_begin();

    pthread_cleanup_push(end_call, &call);
    for (;;) {
        wait_a_little(*(unsigned *)context % KINDS);
    }
    pthread_cleanup_pop(0);
    return NULL;
}

/* They are in slow calls for about as long as a call of the others. */
static void round_make(unsigned *cancelled)
{
    unsigned numbers[AT_ONCE];
    pthread_t threads[AT_ONCE];
    struct act_call call = act_call_begin();

    for (unsigned i = 0; i < AT_ONCE; i++) {
        numbers[i] = i;
        ACT_CHECK(pthread_create(&threads[i], NULL, slow_main, &numbers[i]) == 0);
    }
    while (act_goes_on(&call)) {
        act_rest_ms(1);
    }
    for (unsigned i = 0; i < AT_ONCE; i++) {
        ACT_CHECK(pthread_cancel(threads[i]) == 0);
    }
    for (unsigned i = 0; i < AT_ONCE; i++) {
        void *result;

        ACT_CHECK(pthread_join(threads[i], &result) == 0);
        *cancelled += result == PTHREAD_CANCELED;
    }
    act_call_end(&call, 0);
}

int main(void)
{
    unsigned cancelled = 0;

    if (ACT_IS_SANITIZED) act_skip("a sanitizer does not hear of frames that are unwound by force");
    act_begin();
    for (int i = 0; i < ROUNDS; i++) {
        round_make(&cancelled);
    }
    act_say("cancelled %u, ended %u", cancelled, atomic_load(&ended));
    act_say("waits of each kind: %u %u %u", entered[0], entered[1], entered[2]);
    return act_end();
}
