/* SPDX-License-Identifier: Apache-2.0 */
/* plain.c: a host that does nothing awkward, but for how it was linked: "static" without a loader,
 * "stripped" without names, "surrounded" among libraries that have the names of those we use, and
 * abort in each of their functions. */
#include "tests/integration/hosts/programs/act.h"

#include <pthread.h>

enum { THREADS = 2 };

__attribute__((noinline)) static void works(void)
{
    act_spin_ms(ACT_CALL_MS);
    __asm__ volatile("");
}

__attribute__((noinline)) static void rests(void)
{
    act_rest_ms(ACT_CALL_MS);
    __asm__ volatile("");
}

static void *caller_main(void *context)
{
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        if (i % 2 == 0)
            works();
        else
            rests();
        act_call_end(&call, ACT_FIRST + i % 2);
    }
    return context;
}

int main(void)
{
    pthread_t threads[THREADS];

#ifdef PLAIN_IS_STATIC
    if (ACT_IS_SANITIZED) act_skip("sanitizers need the loader");
#endif
    act_begin();
    for (int i = 0; i < THREADS; i++) {
        ACT_CHECK(pthread_create(&threads[i], NULL, caller_main, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    return act_end();
}
