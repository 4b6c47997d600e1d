/* SPDX-License-Identifier: Apache-2.0 */
/* threads.c: five thousand threads come and go, more than the probe has slots for at once, a few of
 * them in slow calls at any time; some end in the middle of a call, which is then over. */
#include "tests/integration/hosts/programs/act.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 5000, AT_ONCE = 20, SLOW_EACH = 125 };

static _Atomic unsigned sum;

static void *short_main(void *context)
{
    unsigned number = *(unsigned *)context;
    struct act_call call = act_call_begin();

    atomic_fetch_add(&sum, number);
    if (number % SLOW_EACH == 0) act_rest_ms(60);
    if (number % SLOW_EACH == 1) act_spin_ms(60);
    if (number % 3 == 0) pthread_exit(NULL);
    act_call_end(&call, 0);
    return NULL;
}

int main(void)
{
    unsigned numbers[AT_ONCE];
    pthread_t threads[AT_ONCE];

    act_begin();
    for (unsigned first = 0; first < THREADS; first += AT_ONCE) {
        for (unsigned i = 0; i < AT_ONCE; i++) {
            numbers[i] = first + i;
            ACT_CHECK(pthread_create(&threads[i], NULL, short_main, &numbers[i]) == 0);
        }
        for (unsigned i = 0; i < AT_ONCE; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    act_say("sum %u", atomic_load(&sum));
    return act_end();
}
