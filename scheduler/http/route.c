/* SPDX-License-Identifier: Apache-2.0 */
/* route.c: a pattern and a path are walked twice: first to see whether they agree, then to copy the
 * parameters; most routes do not match, and for those nothing is allocated. */
#include "scheduler/http/route.h"

#include "common/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Decodes into new memory, never longer than what it came from. */
static int decode(struct text text, bool plus_is_space, struct text *ret)
{
    char *to = mem_alloc(text.size + 1);
    size_t size = 0;

    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];

        if (c == '%') {
            int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;

            if (low < 0 || (high == 0 && low == 0)) {
                free(to);
                return -EINVAL;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        to[size++] = c;
    }
    to[size] = '\0';
    *ret = (struct text){ to, size };
    return 0;
}

/* The part before `mark`, or all of it; moves the text behind the mark. */
static struct text cut(struct text *rest, char mark)
{
    const char *at = rest->size > 0 ? memchr(rest->data, mark, rest->size) : NULL;
    struct text part = *rest;

    if (!at) {
        *rest = (struct text){ rest->data + rest->size, 0 };
        return part;
    }
    part.size = (size_t)(at - rest->data);
    *rest = (struct text){ at + 1, rest->size - part.size - 1 };
    return part;
}

/* Walks pattern and path side by side. Calls take() for each variable's segment; false as soon
 * as they differ, or take() fails. */
static bool walk(const char *pattern, struct text path, struct pieces *pieces,
                 bool (*take)(struct pieces *pieces, struct text name, struct text segment))
{
    size_t at = 0;

    while (*pattern != '\0') {
        size_t begin = at;

        if (*pattern != '{') {
            if (at == path.size || path.data[at] != *pattern) return false;
            at++, pattern++;
            continue;
        }
        while (at < path.size && path.data[at] != '/') {
            at++;
        }
        if (at == begin) return false;
        if (!take(pieces, (struct text){ pattern + 1, strcspn(pattern, "}") - 1 },
                  (struct text){ path.data + begin, at - begin }))
            return false;
        pattern += strcspn(pattern, "}") + 1;
    }
    return at == path.size;
}

static bool take_nothing(struct pieces *pieces, struct text name, struct text segment)
{
    (void)pieces, (void)name, (void)segment;
    return true;
}

static bool take_param(struct pieces *pieces, struct text name, struct text segment)
{
    struct piece *piece;

    CHECK(pieces->param_count < ROUTE_PARAMS_MAX);
    if (!pieces->params) pieces->params = mem_zalloc(ROUTE_PARAMS_MAX, sizeof *pieces->params);
    piece = &pieces->params[pieces->param_count];
    if (decode(segment, false, &piece->value) < 0) return false;
    piece->name = name;
    pieces->param_count++;
    return true;
}

bool route_matches(const char *pattern, struct text path, struct pieces *pieces)
{
    if (!walk(pattern, path, pieces, take_nothing)) return false;
    if (walk(pattern, path, pieces, take_param)) return true;
    pieces_done(pieces);
    return false;
}

static int parse_pair(struct text pair, struct piece *ret)
{
    struct text name = cut(&pair, '='), decoded_name, value;

    if (decode(name, true, &decoded_name) < 0) return -EINVAL;
    if (decode(pair, true, &value) < 0) {
        free((char *)decoded_name.data);
        return -EINVAL;
    }
    *ret = (struct piece){ decoded_name, value };
    return 0;
}

int pieces_parse_query(struct text query, struct pieces *pieces)
{
    while (query.size > 0) {
        struct text pair = cut(&query, '&');

        if (pair.size == 0) continue;
        if (pieces->query_count == QUERY_PARAMS_MAX) return -EINVAL;
        if (!pieces->queries)
            pieces->queries = mem_zalloc(QUERY_PARAMS_MAX, sizeof *pieces->queries);
        if (parse_pair(pair, &pieces->queries[pieces->query_count]) < 0) return -EINVAL;
        pieces->query_count++;
    }
    return 0;
}

const struct piece *pieces_find(const struct piece *pieces, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_is_equal(pieces[i].name, text_of(name))) return &pieces[i];
    }
    return NULL;
}

void pieces_done(struct pieces *pieces)
{
    for (size_t i = 0; i < pieces->param_count; i++) {
        free((char *)pieces->params[i].value.data);
    }
    for (size_t i = 0; i < pieces->query_count; i++) {
        free((char *)pieces->queries[i].name.data);
        free((char *)pieces->queries[i].value.data);
    }
    free(pieces->params);
    free(pieces->queries);
    *pieces = (struct pieces){ 0 };
}
