/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: this must hold and does not: %s\n", file, line, expression);
    abort();
}

void *mem_alloc(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);

    CHECK(memory != NULL);
    return memory;
}

void *mem_zalloc(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);

    CHECK(memory != NULL);
    return memory;
}

void *mem_grow(void *memory, size_t size)
{
    void *grown = realloc(memory, size > 0 ? size : 1);

    CHECK(grown != NULL);
    return grown;
}

char *mem_text(const char *data, size_t size)
{
    char *copy = mem_alloc(size + 1);

    if (size > 0) memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}
