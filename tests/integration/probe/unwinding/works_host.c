/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/check.h"
#include "tests/integration/probe/unwinding/works.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 12, BLOCKS = 64, NUMBERS = 512 };

volatile unsigned long works_sink;

/* Calls `then` from some frames down. */
__attribute__((noinline)) static void descend(int depth, void (*then)(unsigned seed), unsigned seed)
{
    if (depth > 0) {
        descend(depth - 1, then, seed);
    } else {
        then(seed);
    }
    works_sink++;
}

static void run(void (*then)(unsigned seed))
{
    target_enter();
    for (unsigned seed = 1; !is_stopped(); seed++) {
        descend(DEPTH, then, seed);
    }
    target_leave();
}

static void malloc_some(unsigned seed)
{
    void *blocks[BLOCKS];

    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(1 + (seed * 977 + i * 7919) % (i % 16 == 0 ? 200000 : 3000));
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        void *larger = realloc(blocks[(i * 7) % BLOCKS], 50 + i * 40);

        CHECK(larger != NULL);
        blocks[(i * 7) % BLOCKS] = larger;
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
}

void work_malloc(void)
{
    run(malloc_some);
}

static int by_value(const void *left, const void *right)
{
    unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;

    return (a > b) - (a < b);
}

static void qsort_some(unsigned seed)
{
    unsigned numbers[NUMBERS];

    for (unsigned i = 0; i < NUMBERS; i++) {
        numbers[i] = (seed + i) * 2654435761u >> 7;
    }
    qsort(numbers, NUMBERS, sizeof *numbers, by_value);
    works_sink += numbers[NUMBERS / 2];
}

void work_qsort(void)
{
    run(qsort_some);
}

static void regex_some(unsigned seed)
{
    char text[64];
    regmatch_t matches[4];
    regex_t regex;

    snprintf(text, sizeof text, "order %u of cart %x: shipped", seed, seed * 31);
    CHECK(regcomp(&regex, "order ([0-9]+) of (cart|basket) ([a-f0-9]+)(: .*)?$", REG_EXTENDED) ==
          0);
    CHECK(regexec(&regex, text, 4, matches, 0) == 0);
    works_sink += (unsigned long)matches[1].rm_eo;
    regfree(&regex);
}

void work_regex(void)
{
    run(regex_some);
}

static void printf_some(unsigned seed)
{
    char text[512];
    double value;

    snprintf(text, sizeof text, "%s %20.9g %La %lc %08x", "text", sqrt(seed), (long double)seed / 3,
             L'x', seed);
    CHECK(sscanf(text, "text %lf", &value) == 1);
    works_sink += strlen(text) + (unsigned long)value;
}

void work_printf(void)
{
    run(printf_some);
}

static void on_own_signal(int number)
{
    (void)number;
    qsort_some((unsigned)works_sink);
}

static void signal_some(unsigned seed)
{
    works_sink += seed;
    raise(SIGUSR1);
}

void work_signal(void)
{
    struct sigaction action = { .sa_handler = on_own_signal };

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    run(signal_some);
}

static void *short_life(void *context)
{
    target_enter();
    descend(DEPTH / 2, qsort_some, (unsigned)(uintptr_t)context);
    descend(DEPTH, malloc_some, (unsigned)(uintptr_t)context);
    target_leave();
    return NULL;
}

void work_threads(void)
{
    for (uintptr_t i = 0; !is_stopped(); i++) {
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, short_life, (void *)i) == 0);
        pthread_join(thread, NULL);
    }
}

static void dlopen_some(unsigned seed)
{
    static const char *const paths[] = { UNLOADED_0, UNLOADED_1 };
    void *library = dlopen(paths[seed % 2], RTLD_NOW | RTLD_LOCAL), *found;
    void (*descend_there)(int depth, void (*then)(void *), void *context);

    CHECK(library != NULL);
    found = dlsym(library, "unwound_descend");
    CHECK(found != NULL);
    memcpy(&descend_there, &found, sizeof descend_there);
    for (int i = 0; i < 2000; i++) {
        descend_there(20, free, malloc(100));
    }
    CHECK(dlclose(library) == 0);
}

void work_dlopen(void)
{
    run(dlopen_some);
}
