/* SPDX-License-Identifier: Apache-2.0 */
/* text.c: no function here reads past `size`, allocates, or knows a locale: all are pure, and
 * the probe calls some of them on the application's threads (probe/hot/allowed_symbols.txt). */
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

enum { DISTANCE_SIZE_MAX = 512 };

struct text text_of(const char *terminated)
{
    return (struct text){ terminated, terminated ? strlen(terminated) : 0 };
}

bool text_is_equal(struct text left, struct text right)
{
    if (left.size != right.size) return false;
    return left.size == 0 || memcmp(left.data, right.data, left.size) == 0;
}

bool text_starts_with(struct text whole, struct text prefix)
{
    if (whole.size < prefix.size) return false;
    return prefix.size == 0 || memcmp(whole.data, prefix.data, prefix.size) == 0;
}

int text_compare(struct text left, struct text right)
{
    size_t size = left.size < right.size ? left.size : right.size;
    int order = size > 0 ? memcmp(left.data, right.data, size) : 0;

    if (order != 0) return order;
    return (left.size > right.size) - (left.size < right.size);
}

/* Reads one character. Returns its size in bytes, or 0 if it is malformed. The table of well-
 * formed sequences is Unicode 15, section 3.9, table 3-7. */
static size_t utf8_next(const unsigned char *at, size_t left, uint32_t *ret)
{
    uint32_t code, least;
    size_t size;

    if (at[0] < 0x80) {
        *ret = at[0];
        return 1;
    }
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        size = 2, least = 0x80, code = at[0] & 0x1fu;
    } else if (at[0] >= 0xe0 && at[0] <= 0xef) {
        size = 3, least = 0x800, code = at[0] & 0x0fu;
    } else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        size = 4, least = 0x10000, code = at[0] & 0x07u;
    } else {
        return 0;
    }
    if (left < size) return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    *ret = code;
    return size;
}

size_t text_next(struct text text, uint32_t *ret)
{
    return utf8_next((const unsigned char *)text.data, text.size, ret);
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x2028 || code == 0x2029;
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Are these eight bytes all from U+0020 to U+007E? Nearly all of what we read is, and this asks
 * once for eight. With no top bit set, a byte below 0x20 makes the difference's top bit, and
 * 0x7f the sum's; no other byte makes either, so nothing is borrowed or carried unseen. */
static bool is_plain_ascii(const unsigned char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return ((word | (word - EACH_BYTE(0x20)) | (word + EACH_BYTE(0x01))) & EACH_BYTE(0x80)) == 0;
}

static bool utf8_check(struct text text, bool refuse_controls)
{
    const unsigned char *at = (const unsigned char *)text.data;
    size_t i = 0;

    while (text.size - i >= 8 && is_plain_ascii(at + i)) {
        i += 8;
    }
    while (i < text.size) {
        uint32_t code;
        size_t size = utf8_next(at + i, text.size - i, &code);

        if (size == 0 || (refuse_controls && is_control(code))) return false;
        i += size;
    }
    return true;
}

bool text_is_utf8(struct text text)
{
    return utf8_check(text, false);
}

bool text_is_printable(struct text text)
{
    return utf8_check(text, true);
}

size_t text_clean(struct text text, char *ret, size_t size_max)
{
    const unsigned char *at = (const unsigned char *)text.data;
    size_t size = 0;

    for (size_t i = 0; i < text.size;) {
        uint32_t code;
        size_t read = utf8_next(at + i, text.size - i, &code);
        bool is_shown = read > 0 && !is_control(code);
        size_t written = is_shown ? read : 1;

        if (written > size_max - size) break;
        if (is_shown) {
            memcpy(ret + size, at + i, written);
        } else {
            ret[size] = '?';
        }
        size += written;
        i += read > 0 ? read : 1;
    }
    return size;
}

int text_to_u64(struct text text, uint64_t *ret)
{
    uint64_t value = 0;

    if (text.size == 0) return -EINVAL;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';

        if (digit > 9) return -EINVAL;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value)) return -EINVAL;
        if (__builtin_add_overflow(value, (uint64_t)digit, &value)) return -EINVAL;
    }
    *ret = value;
    return 0;
}

void text_to_hex(const void *bytes, size_t size, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;

    for (size_t i = 0; i < size; i++) {
        ret[2 * i] = digits[from[i] >> 4];
        ret[2 * i + 1] = digits[from[i] & 15];
    }
    ret[2 * size] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

int text_from_hex(struct text hex, void *ret, size_t size)
{
    unsigned char *to = ret;

    if (hex.size != 2 * size) return -EINVAL;
    for (size_t i = 0; i < hex.size; i++) {
        if (hex_digit(hex.data[i]) < 0) return -EINVAL;
    }
    for (size_t i = 0; i < size; i++) {
        to[i] = (unsigned char)(hex_digit(hex.data[2 * i]) << 4 | hex_digit(hex.data[2 * i + 1]));
    }
    return 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t text_distance(struct text left, struct text right)
{
    size_t rows[3][DISTANCE_SIZE_MAX + 1]; /* the row before last, the last one, this one */
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    left.size = least(left.size, DISTANCE_SIZE_MAX);
    right.size = least(right.size, DISTANCE_SIZE_MAX);
    for (size_t j = 0; j <= right.size; j++) {
        last[j] = j;
    }
    for (size_t i = 1; i <= left.size; i++) {
        size_t *spare = before;

        row[0] = i;
        for (size_t j = 1; j <= right.size; j++) {
            size_t replace = last[j - 1] + (left.data[i - 1] != right.data[j - 1]);

            row[j] = least(least(row[j - 1], last[j]) + 1, replace);
            if (i > 1 && j > 1 && left.data[i - 1] == right.data[j - 2] &&
                left.data[i - 2] == right.data[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        before = last, last = row, row = spare;
    }
    return last[right.size];
}

uint64_t text_hash(struct text text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < text.size; i++) {
        hash = (hash ^ (unsigned char)text.data[i]) * 0x100000001b3u;
    }
    return hash;
}
