/* SPDX-License-Identifier: Apache-2.0 */
/* truth_program.c: a host that makes the call of truth_work.h when told, and says what it measured.
 *
 * "call" on stdin makes one, watched as "truth"; the answer is one line:
 *
 *     a WALL_NS CPU_NS QUEUE_NS OFFSET b ... c ... queue NS
 *
 * OFFSET is where the function begins in its module. Another thread holds the mutex until c() has
 * waited for it for 200 ms. Built three times: with frame pointers, over a library without, and
 * stripped. */
#include "common/base/clock.h"
#include "tests/integration/probe/truth_work.h"

#include <stakeout/stakeout.h>

#include <dlfcn.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { HELD_MS = 200 };

static pthread_mutex_t cart_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int is_held;

static void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void *hold(void *context)
{
    struct truth *truth = context;

    pthread_mutex_lock(&cart_lock);
    atomic_store(&is_held, 1);
    while (truth->c_begins_ns == 0 ||
           clock_monotonic_ns() - truth->c_begins_ns < HELD_MS * NS_PER_MS) {
        nap();
    }
    pthread_mutex_unlock(&cart_lock);
    return NULL;
}

static void make_call(const struct truth_functions *functions, struct truth *ret)
{
    stakeout_call call;
    pthread_t holder;

    atomic_store(&is_held, 0);
    if (pthread_create(&holder, NULL, hold, ret) != 0) return;
    while (!atomic_load(&is_held)) {
        nap();
    }
    call = stakeout_call_begin(stakeout_interface("truth"));
    functions->call(&cart_lock, ret);
    stakeout_call_end(call, 207);
    pthread_join(holder, NULL);
}

static void print_part(const char *name, const struct truth_part *part, const void *function)
{
    Dl_info info = { .dli_fbase = NULL };

    dladdr(function, &info);
    printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %td ", name, part->wall_ns, part->cpu_ns,
           part->queue_ns, (const char *)function - (const char *)info.dli_fbase);
}

int main(void)
{
    struct truth_functions functions = truth_functions();
    char line[64];

    if (stakeout_start(NULL) < 0) return 1;
    while (fgets(line, sizeof line, stdin) && strcmp(line, "call\n") == 0) {
        struct truth truth = { .queue_ns = 0 };

        make_call(&functions, &truth);
        print_part("a", &truth.a, functions.a);
        print_part("b", &truth.b, functions.b);
        print_part("c", &truth.c, functions.c);
        printf("queue %" PRIu64 "\n", truth.queue_ns);
        fflush(stdout);
    }
    stakeout_stop();
    return 0;
}
