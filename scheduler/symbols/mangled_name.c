/* SPDX-License-Identifier: Apache-2.0 */
/* mangled_name.c: looks for "_Z" where a word begins, and takes what can be part of a symbol. */
#include "scheduler/symbols/mangled_name.h"

#include "common/base/buf.h"
#include "common/base/check.h"

#include <ctype.h>

static bool is_of_symbol(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$';
}

struct text mangled_name_find(struct text text)
{
    for (size_t i = 0; i + 2 < text.size; i++) {
        size_t end = i;

        if (text.data[i] != '_' || text.data[i + 1] != 'Z') continue;
        if (i > 0 && is_of_symbol(text.data[i - 1])) continue;
        while (end < text.size && is_of_symbol(text.data[end]))
            end++;
        return (struct text){ text.data + i, end - i };
    }
    return (struct text){ "", 0 };
}

struct text mangled_name_replace(struct text text, struct text name, struct text with)
{
    size_t before = (size_t)(name.data - text.data), after = before + name.size;
    struct buf replaced = BUF_INIT(text.size + with.size + 1);
    struct text result;

    CHECK(after <= text.size);
    buf_append(&replaced, text.data, before);
    buf_text(&replaced, with);
    buf_append(&replaced, text.data + after, text.size - after);
    CHECK(!replaced.failed);
    result.data = buf_take(&replaced, &result.size);
    return result;
}
