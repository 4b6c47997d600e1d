/* SPDX-License-Identifier: Apache-2.0 */
/* problem_detail.c: one member of one flat object, found by its name.
 *
 * A JSON reader would be more than a line in a log is worth: of a body that only looks like a
 * problem, a wrong line is shown. */
#include "probe/agent/link/problem_detail.h"

#include <string.h>

enum { SHOWN_SIZE_MAX = 100, RAW_SIZE_MAX = 1024 };

static struct text behind(struct text text, size_t size)
{
    return (struct text){ text.data + size, text.size - size };
}

static struct text without_spaces(struct text text)
{
    while (text.size > 0 && memchr(" \t\r\n", text.data[0], 4)) {
        text = behind(text, 1);
    }
    return text;
}

/* What stands behind the first "detail", a colon and the quote that begins its value. */
static bool find_value(struct text body, struct text *ret)
{
    static const char name[] = "\"detail\"";
    const char *at = body.size > 0 ? memmem(body.data, body.size, name, sizeof name - 1) : NULL;
    struct text rest;

    if (!at) return false;
    rest = without_spaces(behind(body, (size_t)(at - body.data) + sizeof name - 1));
    if (!text_starts_with(rest, TEXT(":"))) return false;
    rest = without_spaces(behind(rest, 1));
    if (!text_starts_with(rest, TEXT("\""))) return false;
    *ret = behind(rest, 1);
    return true;
}

/* Up to the closing quote. Of escapes, those of a quote, a backslash and a slash are resolved;
 * the others stand for what cannot be shown in a line, and are a '?'. */
static size_t unquote(struct text from, char *ret, size_t size_max)
{
    size_t size = 0;

    for (size_t i = 0; i < from.size && size < size_max && from.data[i] != '"'; i++) {
        char c = from.data[i];

        if (c == '\\' && ++i < from.size) {
            c = memchr("\"\\/", from.data[i], 3) ? from.data[i] : '?';
            if (from.data[i] == 'u') i += from.size - i > 4 ? 4 : from.size - i - 1;
        }
        ret[size++] = c;
    }
    return size;
}

size_t problem_detail(struct text body, char *ret, size_t size_max)
{
    char raw[RAW_SIZE_MAX];
    struct text value, shown = body;

    if (find_value(body, &value))
        shown = (struct text){ raw, unquote(value, raw, sizeof raw) };
    else if (shown.size > SHOWN_SIZE_MAX)
        shown.size = SHOWN_SIZE_MAX;
    return text_clean(shown, ret, size_max);
}
