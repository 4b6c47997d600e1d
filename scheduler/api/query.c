/* SPDX-License-Identifier: Apache-2.0 */
/* query.c: a parameter that a route does not have, or that stands there twice, is refused like a
 * bad value: whoever mistyped "treshold" must not get an answer that looks right. */
#include "scheduler/api/query.h"

#include "common/base/wall_time.h"
#include "common/model/task_spec.h"

#include <stdio.h>

enum { SHOWN_SIZE_MAX = 64 }; /* a longer value is not shown in the sentence that refuses it */

int query_refuse(const char *name, struct text value, const char *accepts, struct problem *problem)
{
    if (!value.data)
        return problem_set_field(problem, name, "'%s' is missing; it must be %s.", name, accepts);
    if (value.size > SHOWN_SIZE_MAX || !text_is_printable(value))
        return problem_set_field(problem, name, "'%s' is not acceptable; it must be %s.", name,
                                 accepts);
    return problem_set_field(problem, name, "'%s' is '%.*s'; it must be %s.", name,
                             TEXT_ARGS(value), accepts);
}

static bool is_listed(const char *list, struct text name)
{
    struct text left = text_of(list);

    while (left.size > 0) {
        size_t size = 0;

        while (size < left.size && left.data[size] != ' ') {
            size++;
        }
        if (text_is_equal((struct text){ left.data, size }, name)) return true;
        if (size < left.size) size++;
        left = (struct text){ left.data + size, left.size - size };
    }
    return false;
}

static bool is_repeated(struct http_request *request, size_t index, struct text name)
{
    struct text other, value;

    for (size_t i = 0; i < index; i++) {
        if (http_query_at(request, i, &other, &value) && text_is_equal(other, name)) return true;
    }
    return false;
}

int query_check(struct http_request *request, const char *known, struct problem *problem)
{
    struct text name, value;
    char field[PROBLEM_FIELD_SIZE];

    for (size_t i = 0; http_query_at(request, i, &name, &value); i++) {
        bool is_short = name.size < sizeof field && text_is_printable(name);

        snprintf(field, sizeof field, "%.*s", is_short ? (int)name.size : 0,
                 name.data ? name.data : "");
        if (!is_listed(known, name))
            return problem_set_field(problem, field, "'%s' is not a parameter here; %s%s.",
                                     is_short ? field : "...",
                                     *known ? "it must be one of: " : "there are none", known);
        if (is_repeated(request, i, name))
            return problem_set_field(problem, field, "'%s' is given twice.", field);
        if (value.size == 0)
            return problem_set_field(problem, field, "'%s' is empty; leave it out, or say what.",
                                     field);
        if (!text_is_utf8(value))
            return problem_set_field(problem, field, "'%s' is not UTF-8.", field);
    }
    return 0;
}

int limit_parse(struct text text, uint32_t *ret, struct problem *problem)
{
    uint64_t limit;

    static_assert(PAGE_LIMIT_MAX == 1000, "the sentence says so");
    if (text_to_u64(text, &limit) < 0 || limit < 1 || limit > PAGE_LIMIT_MAX)
        return query_refuse("limit", text, "1 to 1000", problem);
    *ret = (uint32_t)limit;
    return 0;
}

int query_limit(struct http_request *request, uint32_t *ret, struct problem *problem)
{
    struct text text = http_query(request, "limit");

    return text.data ? limit_parse(text, ret, problem) : 0;
}

static int query_time_ms(struct http_request *request, const char *name, uint64_t *ret,
                         struct problem *problem)
{
    struct text text = http_query(request, name);

    if (!text.data || wall_time_parse(text, ret) == 0) return 0;
    return query_refuse(name, text, "a time (RFC 3339, or ms since 1970)", problem);
}

int query_times(struct http_request *request, uint64_t *ret_from, uint64_t *ret_to,
                struct problem *problem)
{
    struct text from = http_query(request, "from"), to = http_query(request, "to");

    if (query_time_ms(request, "from", ret_from, problem) < 0) return -1;
    if (query_time_ms(request, "to", ret_to, problem) < 0) return -1;
    if (!from.data || !to.data || *ret_from <= *ret_to) return 0;
    return problem_set_field(problem, "from", "'from' is '%.*s', which is after 'to', '%.*s'.",
                             TEXT_ARGS(from), TEXT_ARGS(to));
}

int query_state(struct http_request *request, int *ret, struct problem *problem)
{
    struct text text = http_query(request, "state");
    enum task_state state;

    if (!text.data) return 0;
    if (task_state_parse(text, &state) < 0)
        return query_refuse("state", text, "SCHEDULED, ACTIVE, EXPIRED, FILLED or CANCELLED",
                            problem);
    *ret = (int)state;
    return 0;
}
