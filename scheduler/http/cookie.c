/* SPDX-License-Identifier: Apache-2.0 */
/* cookie.c: "a=1; b=2", as browsers send it (RFC 6265, section 4.2.1); what is no pair is passed
 * over. */
#include "scheduler/http/cookie.h"

#include <string.h>

static struct text pair_at(struct text *rest)
{
    const char *end = rest->size > 0 ? memchr(rest->data, ';', rest->size) : NULL;
    struct text pair = { rest->data, end ? (size_t)(end - rest->data) : rest->size };
    size_t used = pair.size + (end != NULL);

    *rest = (struct text){ rest->data + used, rest->size - used };
    while (pair.size > 0 && pair.data[0] == ' ') {
        pair.data++, pair.size--;
    }
    return pair;
}

struct text cookie_find(struct text header, const char *name)
{
    size_t size = strlen(name);

    while (header.size > 0) {
        struct text pair = pair_at(&header);

        if (pair.size > size && pair.data[size] == '=' && memcmp(pair.data, name, size) == 0)
            return (struct text){ pair.data + size + 1, pair.size - size - 1 };
    }
    return (struct text){ NULL, 0 };
}
