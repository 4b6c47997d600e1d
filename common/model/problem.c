/* SPDX-License-Identifier: Apache-2.0 */
/* problem.c: the table of problem.def, and the filling of one problem. A sentence that is too
 * long is cut between characters, so that it stays UTF-8 wherever it is shown. */
#include "common/model/problem.h"

#include "common/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *slug;
    const char *title;
    int status;
} problems[] = {
#define PROBLEM(name, slug, status, title) { slug, title, status },
#include "common/model/problem.def"
#undef PROBLEM
};

/* A detail that was cut must still be UTF-8: drops a last character that lost its end. */
static void trim_cut_character(char *text, size_t size)
{
    size_t at = size;

    while (at > 0 && size - at < 3 && ((unsigned char)text[at - 1] & 0xc0) == 0x80) {
        at--;
    }
    if (at > 0 && !text_is_utf8((struct text){ text + at - 1, size - at + 1 })) text[at - 1] = '\0';
}

static void fill(struct problem *problem, enum problem_code code, const char *field,
                 const char *format, va_list args)
{
    int size;

    problem->code = code;
    snprintf(problem->field, sizeof problem->field, "%s", field ? field : "");
    size = vsnprintf(problem->detail, sizeof problem->detail, format, args);
    if (size >= (int)sizeof problem->detail)
        trim_cut_character(problem->detail, sizeof problem->detail - 1);
}

int problem_set(struct problem *problem, enum problem_code code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(problem, code, NULL, format, args);
    va_end(args);
    return -1;
}

int problem_set_field(struct problem *problem, const char *field, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(problem, PROBLEM_BAD_FIELD, field, format, args);
    va_end(args);
    return -1;
}

int problem_set_body(struct problem *problem, const char *field, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(problem, PROBLEM_BAD_BODY, field, format, args);
    va_end(args);
    return -1;
}

const char *problem_slug(enum problem_code code)
{
    return code < PROBLEM_COUNT ? problems[code].slug : "unknown";
}

const char *problem_title(enum problem_code code)
{
    return code < PROBLEM_COUNT ? problems[code].title : "Unknown problem";
}

int problem_status(enum problem_code code)
{
    return code < PROBLEM_COUNT ? problems[code].status : 500;
}
