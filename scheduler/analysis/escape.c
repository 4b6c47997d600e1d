/* SPDX-License-Identifier: Apache-2.0 */
/* escape.c: one loop over the characters of a text, and a function for each that is special. */
#include "scheduler/analysis/escape.h"

#include <stdbool.h>

enum { REPLACEMENT = 0xfffd };

/* Reads one character and returns its size; a malformed byte is U+FFFD of size 1. */
static size_t character_read(struct text text, size_t at, uint32_t *ret)
{
    const unsigned char *bytes = (const unsigned char *)text.data + at;
    size_t size = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;

    *ret = REPLACEMENT;
    if (size > text.size - at) return 1;
    if (!text_is_utf8((struct text){ text.data + at, size })) return 1;
    *ret = size == 1 ? bytes[0] : bytes[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++)
        *ret = *ret << 6 | (bytes[i] & 0x3fu);
    return size;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/* Characters that are not seen but change what is: direction marks, joiners, separators, tags. */
static bool is_invisible(uint32_t code)
{
    return (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0x061c || code == 0xfeff ||
           (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe007f);
}

/* Of the noncharacters XML forbids these two; no font shows the others. */
static bool is_noncharacter(uint32_t code)
{
    return (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
}

/* Writes what a special character becomes and returns true; false: it is copied. */
typedef bool (*special_fn)(struct buf *to, uint32_t code);

static void escape_with(struct buf *to, struct text text, special_fn special)
{
    uint32_t code;
    size_t size;

    for (size_t at = 0; at < text.size; at += size) {
        size = character_read(text, at, &code);
        if (special(to, code)) continue;
        if (code == REPLACEMENT && size == 1)
            buf_append(to, "\xef\xbf\xbd", 3);
        else
            buf_append(to, text.data + at, size);
    }
}

static bool special_none(struct buf *to, uint32_t code)
{
    (void)to;
    (void)code;
    return false;
}

static bool special_json(struct buf *to, uint32_t code)
{
    if (code == '"' || code == '\\') {
        buf_printf(to, "\\%c", (int)code);
    } else if (is_control(code) || (code <= 0xffff && is_invisible(code))) {
        buf_printf(to, "\\u%04x", code);
    } else if (is_invisible(code)) {
        buf_printf(to, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
    } else {
        return false;
    }
    return true;
}

static bool special_visible(struct buf *to, uint32_t code)
{
    if (code < 0x20) {
        const char picture[3] = { '\xe2', '\x90', (char)(0x80 + code) }; /* U+2400 and on */

        buf_append(to, picture, sizeof picture);
    } else if (code == 0x7f) {
        buf_append(to, "\xe2\x90\xa1", 3); /* U+2421 */
    } else if (is_control(code) || is_invisible(code) || is_noncharacter(code)) {
        buf_printf(to, "<U+%04X>", code);
    } else {
        return false;
    }
    return true;
}

static bool special_xml(struct buf *to, uint32_t code)
{
    switch (code) {
    case '&':
        buf_text(to, TEXT("&amp;"));
        return true;
    case '<':
        buf_text(to, TEXT("&lt;"));
        return true;
    case '>':
        buf_text(to, TEXT("&gt;"));
        return true;
    case '"':
        buf_text(to, TEXT("&quot;"));
        return true;
    case '\'':
        buf_text(to, TEXT("&#39;"));
        return true;
    }
    if (!is_control(code) && !is_invisible(code) && !is_noncharacter(code)) return false;
    if (code < 0x20 || code == 0x7f) return special_visible(to, code);
    buf_printf(to, "&lt;U+%04X&gt;", code);
    return true;
}

static bool special_folded(struct buf *to, uint32_t code)
{
    if (code != ';') return special_visible(to, code);
    buf_text(to, TEXT(":"));
    return true;
}

void escape_invalid(struct buf *to, struct text text)
{
    escape_with(to, text, special_none);
}

void escape_json(struct buf *to, struct text text)
{
    escape_with(to, text, special_json);
}

void escape_visible(struct buf *to, struct text text)
{
    escape_with(to, text, special_visible);
}

void escape_xml(struct buf *to, struct text text)
{
    escape_with(to, text, special_xml);
}

void escape_folded(struct buf *to, struct text text)
{
    escape_with(to, text, special_folded);
}

size_t text_characters(struct text text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

struct text text_head(struct text text, size_t characters)
{
    size_t at = 0;

    while (at < text.size) {
        if (((unsigned char)text.data[at] & 0xc0) != 0x80 && characters-- == 0) break;
        at++;
    }
    return (struct text){ text.data, at };
}
