/* SPDX-License-Identifier: Apache-2.0 */
/* names.c: functions, durations and system calls, written for people.
 *
 * A demangled C++ name is read once, character by character, with a depth for each kind of
 * bracket; what follows the word `operator` is no bracket. So "std::pair<int, A<1> >
 * Shop::find<int>(Id const&) const" becomes "Shop::find<int>", and "operator<" stays whole. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/private.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PARTS_MAX = 64 };

/* Where the interesting pieces of a name are. */
struct name_parts {
    size_t begin, end;        /* without return type and arguments */
    size_t starts[PARTS_MAX]; /* of the parts between "::" */
    size_t start_count;
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The size of an operator's name at `at` ("operator<<", "operator()"), or 0. */
static size_t operator_size(struct text name, size_t at)
{
    struct text rest = { name.data + at, name.size - at };
    size_t size = strlen("operator");

    if (!text_starts_with(rest, TEXT("operator"))) return 0;
    if (at > 0 && is_word(name.data[at - 1])) return 0;
    if (size < rest.size && is_word(rest.data[size])) return 0;
    if (text_starts_with((struct text){ rest.data + size, rest.size - size }, TEXT("()")))
        return size + 2;
    while (size < rest.size && strchr("<>=!+-*/%^&|~[],", rest.data[size]) != NULL)
        size++;
    return size;
}

static void part_begin(struct name_parts *parts, size_t at)
{
    if (parts->start_count == PARTS_MAX) /* keeps the last ones, which matter */
        memmove(parts->starts, parts->starts + 1, --parts->start_count * sizeof *parts->starts);
    parts->starts[parts->start_count++] = at;
}

/* An opening parenthesis begins the arguments, unless it is "(anonymous namespace)" or stands
 * where a name would begin. */
static bool begins_arguments(struct text name, size_t at, size_t begin)
{
    struct text rest = { name.data + at, name.size - at };

    return at > begin && name.data[at - 1] != ':' &&
           !text_starts_with(rest, TEXT("(anonymous namespace)"));
}

static struct name_parts name_read(struct text name)
{
    struct name_parts parts = { .end = name.size, .start_count = 1 };
    size_t operator_end = 0; /* a space there, as in "operator new", parts nothing */
    int depth = 0;

    for (size_t at = 0; at < name.size; at++) {
        char c = name.data[at];
        size_t skip = operator_size(name, at);

        if (skip > 0) {
            operator_end = at + skip;
            at += skip - 1;
        } else if (c == '(' && depth == 0 && begins_arguments(name, at, parts.begin)) {
            parts.end = at;
            break;
        } else if (c == '<' || c == '(' || c == '{' || c == '[') {
            depth++;
        } else if (c == '>' || c == ')' || c == '}' || c == ']') {
            depth -= depth > 0;
        } else if (c == ' ' && depth == 0 && at != operator_end) {
            parts.begin = at + 1;
            parts.start_count = 0;
            part_begin(&parts, at + 1);
        } else if (c == ':' && depth == 0 && at + 1 < name.size && name.data[at + 1] == ':') {
            part_begin(&parts, at + 2);
            at++;
        }
    }
    return parts;
}

/* Copies with template arguments as <>. */
static void copy_without_templates(struct text name, struct buf *to)
{
    int depth = 0;

    for (size_t at = 0; at < name.size; at++) {
        size_t skip = depth == 0 ? operator_size(name, at) : 0;

        if (skip > 0) {
            buf_append(to, name.data + at, skip);
            at += skip - 1;
            continue;
        }
        if (name.data[at] == '>' && depth > 0) depth--;
        if (depth == 0) buf_append(to, name.data + at, 1);
        if (name.data[at] == '<') depth++;
    }
}

/* Does the rest of a name from `begin` fit, its templates as <>? Then `to` has it. */
static bool name_fits(struct text name, struct text prefix, size_t characters, struct buf *to)
{
    buf_reset(to);
    buf_text(to, prefix);
    copy_without_templates(name, to);
    return text_characters(buf_peek(to)) <= characters;
}

static struct text name_from(struct text name, size_t begin, size_t end)
{
    return (struct text){ name.data + begin, end - begin };
}

/* Only C++ and Rust names are read; a symbol of C may hold anything, a path for one. */
static bool is_plain(struct text name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] == ':' || name.data[i] == '(' || name.data[i] == '<') return false;
    return true;
}

static void name_choose(struct text name, size_t characters, struct buf *to)
{
    struct name_parts parts = is_plain(name)
                                  ? (struct name_parts){ .end = name.size, .start_count = 1 }
                                  : name_read(name);
    struct text whole = name_from(name, parts.begin, parts.end);
    size_t last = parts.starts[parts.start_count - 1];

    if (text_characters(whole) <= characters) {
        buf_text(to, whole);
        return;
    }
    if (name_fits(whole, TEXT(""), characters, to)) return;
    if (parts.start_count >= 2) {
        size_t last_two = parts.starts[parts.start_count - 2];

        if (name_fits(name_from(name, last_two, parts.end), TEXT(""), characters, to)) return;
        if (name_fits(name_from(name, last, parts.end), TEXT("\u2026::"), characters, to)) return;
    }
    buf_reset(to);
    buf_text(to, text_head(name_from(name, last, parts.end), characters > 0 ? characters - 1 : 0));
    buf_text(to, TEXT("\u2026"));
}

void name_shorten(struct text name, size_t characters, struct buf *to)
{
    OWN(buf_done) struct buf chosen = BUF_INIT(name.size + 16);

    name_choose(name, characters, &chosen);
    if (chosen.size == 0) buf_text(&chosen, text_head(name, characters));
    escape_visible(to, buf_peek(&chosen));
}

void duration_text(uint64_t ns, char ret[32])
{
    uint64_t ms = (ns + NS_PER_MS / 2) / NS_PER_MS;
    uint64_t hundredths = (ns + NS_PER_S / 200) / (NS_PER_S / 100);
    uint64_t tenths = (ns + NS_PER_S / 20) / (NS_PER_S / 10);
    uint64_t seconds = (ns + NS_PER_S / 2) / NS_PER_S;

    if (ms < 1000)
        snprintf(ret, 32, "%" PRIu64 " ms", ms);
    else if (hundredths < 1000)
        snprintf(ret, 32, "%" PRIu64 ".%02" PRIu64 " s", hundredths / 100, hundredths % 100);
    else if (tenths < 600)
        snprintf(ret, 32, "%" PRIu64 ".%" PRIu64 " s", tenths / 10, tenths % 10);
    else
        snprintf(ret, 32, "%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
}

void ms_exact(struct buf *to, uint64_t ns)
{
    unsigned fraction = (unsigned)(ns % NS_PER_MS), digits = 6;

    if (fraction == 0) {
        buf_printf(to, "%" PRIu64, ns / NS_PER_MS);
        return;
    }
    for (; fraction % 10 == 0; digits--)
        fraction /= 10;
    buf_printf(to, "%" PRIu64 ".%0*u", ns / NS_PER_MS, (int)digits, fraction);
}

const char *syscall_name(int32_t number)
{
    switch (number) {
#define SYSCALL(value, name) \
    case value:              \
        return #name;
#include "scheduler/analysis/syscalls.def"
#undef SYSCALL
    }
    return NULL;
}
