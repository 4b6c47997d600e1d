/* SPDX-License-Identifier: Apache-2.0 */
/* name.c: forms of a demangled name.
 *
 * A name is tidied first, by replacing fixed spellings. Then one walk gives each byte its depth
 * in brackets, with the brackets of operators' names not counted; every other form is a choice
 * of bytes by depth. A name with brackets that do not match is still a name: depths never go
 * below zero, and a form that would be empty is not taken. */
#include "tools/cli/screen/name.h"

#include "common/base/check.h"
#include "common/base/own.h"
#include "common/model/limits.h"

#include <string.h>

enum { NAME_SIZE_MAX = 2 * STRING_SIZE_MAX };

struct walk {
    struct text name;
    unsigned char depth[NAME_SIZE_MAX]; /* of each byte; an opening bracket is inside itself */
};

static bool is_identifier(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool stands_at(struct text name, size_t at, const char *what)
{
    size_t size = strlen(what);

    return at + size <= name.size && memcmp(name.data + at, what, size) == 0;
}

/* The size of an operator's name at `at` ("operator<<"), without a conversion's type; or 0. */
static size_t operator_size(struct text name, size_t at)
{
    size_t size = strlen("operator");

    if (!stands_at(name, at, "operator")) return 0;
    if (at > 0 && is_identifier(name.data[at - 1])) return 0;
    if (stands_at(name, at + size, "()") || stands_at(name, at + size, "[]")) return size + 2;
    while (at + size < name.size && strchr("<>=!+-*/%^&|~,", name.data[at + size])) {
        size++;
    }
    return at + size < name.size && is_identifier(name.data[at + size]) ? 0 : size;
}

static void walk_name(struct text name, struct walk *ret)
{
    unsigned depth = 0;

    ret->name = name;
    for (size_t at = 0; at < name.size; at++) {
        size_t operator_name = depth == 0 ? operator_size(name, at) : 0;

        if (operator_name > 0) {
            memset(ret->depth + at, 0, operator_name);
            at += operator_name - 1;
            continue;
        }
        if (strchr("<([{", name.data[at]) && depth < 255) depth++;
        ret->depth[at] = (unsigned char)depth;
        if (name.data[at] == '>' && at > 0 && name.data[at - 1] == '-') continue;
        if (strchr(">)]}", name.data[at]) && depth > 0) depth--;
    }
}

/* Copies "{lambda(int)#1}" as "{lambda 1}"; returns how many bytes it read, or 0. */
static size_t tidy_lambda(struct text name, size_t at, struct buf *to)
{
    size_t depth = 0, number = 0;

    if (!stands_at(name, at, "{lambda(")) return 0;
    for (size_t i = at; i < name.size; i++) {
        if (name.data[i] == '{') depth++;
        if (name.data[i] == '#' && depth == 1) number = i + 1;
        if (name.data[i] != '}' || --depth > 0) continue;
        (void)buf_text(to, TEXT("{lambda"));
        if (number > 0) (void)buf_printf(to, " %.*s", (int)(i - number), name.data + number);
        (void)buf_text(to, TEXT("}"));
        return i + 1 - at;
    }
    return 0;
}

static void tidy(struct text name, struct buf *to)
{
    static const struct {
        const char *from, *to;
    } spellings[] = {
        { "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
          "std::string" },
        { "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char>>",
          "std::string" },
        { "std::__cxx11::", "std::" },
        { "std::__1::", "std::" },
        { "(anonymous namespace)", "(anon)" },
        { "{anonymous}", "(anon)" },
        { "> >", ">>" },
        { "[clone .", "[" },
    };

    for (size_t at = 0; at < name.size;) {
        size_t read = tidy_lambda(name, at, to);

        for (size_t i = 0; read == 0 && i < ARRAY_COUNT(spellings); i++) {
            if (!stands_at(name, at, spellings[i].from)) continue;
            (void)buf_text(to, text_of(spellings[i].to));
            read = strlen(spellings[i].from);
        }
        if (read == 0) (void)buf_append(to, name.data + at, read = 1);
        at += read;
    }
}

/* Where the arguments begin: the first bracket at depth 1 that is no "(anon)". */
static size_t arguments_begin(const struct walk *walk)
{
    for (size_t at = 1; at < walk->name.size; at++) {
        if (walk->name.data[at] != '(' || walk->depth[at] != 1) continue;
        if (stands_at(walk->name, at, "(anon)")) continue;
        return at;
    }
    return walk->name.size;
}

/* Behind a return type: the last blank at depth 0 before the arguments and before "operator". */
static size_t name_begin(const struct walk *walk, size_t end)
{
    size_t begin = 0;

    for (size_t at = 0; at < end; at++) {
        if (walk->depth[at] != 0) continue;
        if (stands_at(walk->name, at, "operator") &&
            (at == 0 || !is_identifier(walk->name.data[at - 1]))) {
            break;
        }
        if (walk->name.data[at] == ' ' && at + 1 < end && walk->name.data[at + 1] != '[') {
            begin = at + 1;
        }
    }
    return begin;
}

/* Where the last `parts` parts of the name begin. */
static size_t parts_begin(const struct walk *walk, size_t begin, size_t end, unsigned parts)
{
    for (size_t at = end; at-- > begin + 1;) {
        if (walk->depth[at] != 0 || walk->name.data[at] != ':') continue;
        if (walk->name.data[at - 1] != ':') continue;
        if (--parts == 0) return at + 1;
    }
    return begin;
}

/* Copies a group in round or curly brackets, "(anon)" or "{lambda 1}"; returns its last byte. */
static size_t write_group(const struct walk *walk, size_t at, size_t end, struct buf *to)
{
    size_t last = at;

    while (last + 1 < end && !(walk->depth[last] == 1 && strchr(")}", walk->name.data[last]))) {
        last++;
    }
    (void)buf_append(to, walk->name.data + at, last + 1 - at);
    return last;
}

static void write_plain(const struct walk *walk, size_t begin, size_t end, struct buf *to)
{
    for (size_t at = begin; at < end; at++) {
        char byte = walk->name.data[at];

        if (walk->depth[at] == 1 && strchr("({", byte)) {
            at = write_group(walk, at, end, to);
        } else if (walk->depth[at] == 0 || (walk->depth[at] == 1 && strchr("<>", byte))) {
            (void)buf_append(to, &byte, 1);
        }
    }
}

void name_write(struct text name, enum name_form form, struct buf *to)
{
    OWN(buf_done) struct buf tidied = BUF_INIT(NAME_SIZE_MAX);
    struct walk walk;
    size_t begin, end;

    tidy(name, &tidied);
    if (tidied.failed || tidied.size == 0) {
        (void)buf_text(to, name);
        return;
    }
    walk_name(buf_peek(&tidied), &walk);
    end = arguments_begin(&walk);
    begin = name_begin(&walk, end);
    if (form == NAME_LAST_TWO) begin = parts_begin(&walk, begin, end, 2);
    if (form == NAME_LAST) begin = parts_begin(&walk, begin, end, 1);
    if (form == NAME_TIDY || begin >= end) {
        (void)buf_text(to, buf_peek(&tidied));
    } else if (form == NAME_BARE) {
        (void)buf_append(to, tidied.data + begin, end - begin);
    } else {
        write_plain(&walk, begin, end, to);
    }
}

size_t name_fit(const struct screen *screen, struct text name, enum name_form from, size_t columns,
                struct buf *to)
{
    OWN(buf_done) struct buf form = BUF_INIT(NAME_SIZE_MAX);
    OWN(buf_done) struct buf shown = BUF_INIT(8 * NAME_SIZE_MAX);
    size_t before = to->size;

    for (enum name_form i = from; i < NAME_FORM_COUNT; i++) {
        buf_reset(&form);
        buf_reset(&shown);
        name_write(name, i, &form);
        screen_put(screen, buf_peek(&form), &shown);
        if (screen_columns(screen, buf_peek(&shown)) <= columns) break;
    }
    screen_fit(screen, buf_peek(&shown), columns, FIT_END, to);
    return screen_columns(screen, (struct text){ buf_peek(to).data + before, to->size - before });
}
