/* SPDX-License-Identifier: Apache-2.0 */
/* scope.c: a few names behind a count of who holds them. They are looked through one by one: the
 * most are two or three, and comparing a length is what most comparisons are. */
#include "scheduler/access/scope.h"

#include "common/base/check.h"
#include "common/model/limits.h"

#include <stdlib.h>
#include <string.h>

struct name {
    uint8_t size;
    char bytes[APPLICATION_SIZE_MAX];
};
static_assert(APPLICATION_SIZE_MAX <= UINT8_MAX, "a name's size fits");

struct scope {
    size_t holders;
    size_t count;
    struct name names[];
};

struct scope *scope_new(const struct text *names, size_t count)
{
    struct scope *scope = mem_zalloc(1, sizeof *scope + count * sizeof scope->names[0]);

    CHECK(count >= 1 && count <= SCOPE_COUNT_MAX);
    scope->holders = 1;
    scope->count = count;
    for (size_t i = 0; i < count; i++) {
        CHECK(names[i].size >= 1 && names[i].size <= APPLICATION_SIZE_MAX);
        scope->names[i].size = (uint8_t)names[i].size;
        memcpy(scope->names[i].bytes, names[i].data, names[i].size);
    }
    return scope;
}

struct scope *scope_ref(struct scope *scope)
{
    if (scope) scope->holders++;
    return scope;
}

struct scope *scope_unref(struct scope *scope)
{
    if (scope && --scope->holders == 0) free(scope);
    return NULL;
}

bool scope_is_all(const struct scope *scope)
{
    return !scope;
}

struct text scope_at(const struct scope *scope, size_t index)
{
    if (!scope || index >= scope->count) return (struct text){ NULL, 0 };
    return (struct text){ scope->names[index].bytes, scope->names[index].size };
}

bool scope_has(const struct scope *scope, struct text application)
{
    if (!scope) return true;
    for (size_t i = 0; i < scope->count; i++) {
        if (text_is_equal(scope_at(scope, i), application)) return true;
    }
    return false;
}
