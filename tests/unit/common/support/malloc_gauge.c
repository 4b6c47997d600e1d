/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/support/malloc_gauge.h"

#include <stddef.h>

static uint64_t asked_size;
static uint32_t fails_in; /* 0: never */
static bool has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void malloc_gauge_reset(void)
{
    asked_size = 0;
    fails_in = 0;
    has_failed = false;
}

uint64_t malloc_gauge_size(void)
{
    return asked_size;
}

void malloc_gauge_fail(uint32_t n)
{
    fails_in = n;
    has_failed = false;
}

bool malloc_gauge_has_failed(void)
{
    return has_failed;
}

static bool is_refused(size_t size)
{
    asked_size += size;
    if (fails_in == 0 || --fails_in > 0) return false;
    has_failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return is_refused(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused(count * size) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return is_refused(size) ? NULL : __real_realloc(memory, size);
}
