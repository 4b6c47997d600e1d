/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/truth_call.h"

#include "common/base/clock.h"

#include <stakeout/stakeout.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

enum { HELD_MS = 200 };

static pthread_mutex_t cart_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool is_held;

static void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void *hold(void *context)
{
    struct truth *truth = context;

    pthread_mutex_lock(&cart_lock);
    atomic_store(&is_held, true);
    while (truth->c_begins_ns == 0 ||
           clock_monotonic_ns() - truth->c_begins_ns < HELD_MS * NS_PER_MS) {
        nap();
    }
    pthread_mutex_unlock(&cart_lock);
    return NULL;
}

int truth_call_make(const struct truth_functions *functions, struct truth *ret)
{
    stakeout_call call;
    pthread_t holder;
    int rc;

    atomic_store(&is_held, false);
    rc = pthread_create(&holder, NULL, hold, ret);
    if (rc != 0) return -rc;
    while (!atomic_load(&is_held)) {
        nap();
    }
    call = stakeout_call_begin(stakeout_interface("truth"));
    functions->call(&cart_lock, ret);
    stakeout_call_end(call, TRUTH_RESPONSE_CODE);
    pthread_join(holder, NULL);
    return 0;
}
