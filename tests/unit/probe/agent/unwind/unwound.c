/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/agent/unwind/unwound.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;

static int by_value(const void *left, const void *right)
{
    int a = *(const int *)left, b = *(const int *)right;

    return (a > b) - (a < b);
}

__attribute__((noinline)) static void leaf(uint64_t seed)
{
    uint64_t sum = seed;

    for (int i = 0; i < 300; i++) {
        sum = sum * 6364136223846793005u + 1442695040888963407u;
    }
    sink += sum;
}

__attribute__((noinline)) static void sort_some(uint64_t seed)
{
    int values[64];

    for (int i = 0; i < 64; i++) {
        values[i] = (int)((seed * (uint64_t)(i + 1) * 2654435761u) & 0xffff);
    }
    qsort(values, 64, sizeof *values, by_value);
    sink += (uint64_t)values[3];
}

__attribute__((noinline)) static void print_some(uint64_t seed)
{
    char text[256];

    snprintf(text, sizeof text, "%g %s %lu", sqrt((double)seed), "some text", (unsigned long)seed);
    sink += strlen(text);
}

/* A frame whose size is known only at run time: its row needs a frame pointer. */
__attribute__((noinline)) static void variable_frame(uint64_t seed)
{
    char *bytes = __builtin_alloca(64 + seed % 500);

    memset(bytes, (int)seed, 64);
    leaf(seed);
    sink += (uint64_t)bytes[7];
}

__attribute__((noinline)) static void system_calls(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now); /* the vdso */
    sink += (uint64_t)now.tv_nsec + (uint64_t)getppid();
    free(malloc(100 + sink % 1000));
}

__attribute__((noinline)) void unwound_work(int depth, _Atomic int *stop)
{
    if (depth > 0) {
        unwound_work(depth - 1, stop); /* through the PLT in the library: the symbol is exported */
        sink++;
        return;
    }
    for (uint64_t seed = 1; !atomic_load(stop); seed++) {
        leaf(seed);
        sort_some(seed);
        print_some(seed);
        variable_frame(seed);
        system_calls();
    }
}

__attribute__((noinline)) void unwound_descend(int depth, void (*then)(void *context),
                                               void *context)
{
    if (depth > 0) {
        unwound_descend(depth - 1, then, context);
    } else {
        then(context);
    }
    sink++;
}
