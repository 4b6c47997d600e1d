/* SPDX-License-Identifier: Apache-2.0 */
/* truth_program.c: a host that makes the call of truth_work.h when told, and says what it measured.
 *
 * "call" on stdin makes one, watched as "truth"; the answer is one line:
 *
 *     a WALL_NS CPU_NS QUEUE_NS OFFSET b ... c ... queue NS
 *
 * OFFSET is where the function begins in its module. Built three times: with frame pointers, over a
 * library without, and stripped. */
#include "tests/integration/probe/truth_call.h"

#include <stakeout/stakeout.h>

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

        if (truth_call_make(&functions, &truth) < 0) return 2;
        print_part("a", &truth.a, functions.a);
        print_part("b", &truth.b, functions.b);
        print_part("c", &truth.c, functions.c);
        printf("queue %" PRIu64 "\n", truth.queue_ns);
        fflush(stdout);
    }
    stakeout_stop();
    return 0;
}
