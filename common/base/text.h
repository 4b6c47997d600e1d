/* SPDX-License-Identifier: Apache-2.0 */
/* text.h: strings that are not ours, as (data, size), never assumed to be terminated.
 *
 * A struct text is a loan: it owns nothing, and lives as long as what it points into. */
#ifndef STAKEOUT_COMMON_BASE_TEXT_H
#define STAKEOUT_COMMON_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    const char *data; /* may be NULL if size is 0 */
    size_t size;
};

#define TEXT(literal) ((struct text){ "" literal, sizeof(literal) - 1 })

/* For printf: printf("%.*s", TEXT_ARGS(text)). */
#define TEXT_ARGS(text) (int)(text).size, ((text).data ? (text).data : "")

struct text text_of(const char *terminated); /* NULL: empty */
bool text_is_equal(struct text left, struct text right);
bool text_starts_with(struct text whole, struct text prefix);

/* Orders by bytes, a prefix before what it begins. Returns <0, 0, >0. */
int text_compare(struct text left, struct text right);

/* True for well-formed UTF-8 (no overlong forms, surrogates or values above U+10FFFF). */
bool text_is_utf8(struct text text);

/* True for well-formed UTF-8 without control characters: nothing below U+0020, no U+007F to
 * U+009F, no line and paragraph separators (U+2028, U+2029). Empty text is printable. */
bool text_is_printable(struct text text);

/* Reads the first character of a text that is not empty. Returns its size in bytes, or 0 if it is
 * malformed. */
size_t text_next(struct text text, uint32_t *ret);

/* Copies `text` as printable text of at most `size_max` bytes: each malformed byte and each control
 * character becomes a '?', and what is too long is cut at a character. Returns the size; writes no
 * zero. Threads: any; allocates nothing. */
size_t text_clean(struct text text, char *ret, size_t size_max);

/* Decimal digits alone, no sign or space, at most UINT64_MAX. Returns 0, or -EINVAL. */
int text_to_u64(struct text text, uint64_t *ret);

/* `size` bytes to and from lower-case hex. text_to_hex writes 2 * size characters and a zero.
 * text_from_hex accepts lower case only, exactly 2 * size characters; returns 0 or -EINVAL. */
void text_to_hex(const void *bytes, size_t size, char *ret);
int text_from_hex(struct text hex, void *ret, size_t size);

/* How many single-character edits (insert, delete, replace, swap of neighbours) lead from one
 * to the other; of names longer than 512 bytes only the first 512 are compared. Used to name
 * the nearest known interface. Method: optimal string alignment distance. */
size_t text_distance(struct text left, struct text right);

/* FNV-1a, 64 bit: for hash tables of trusted size, not for anything that must not collide. */
uint64_t text_hash(struct text text);

#endif
