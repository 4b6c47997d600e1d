/* SPDX-License-Identifier: Apache-2.0 */
/* problem.h: why not, for a person: a code of problem.def, the field, and one sentence.
 *
 * A function that takes a struct problem * leaves it untouched on success and fills it once on
 * failure. The sentence names the field, the value and what is accepted. */
#ifndef STAKEOUT_COMMON_MODEL_PROBLEM_H
#define STAKEOUT_COMMON_MODEL_PROBLEM_H

enum problem_code {
#define PROBLEM(name, slug, status, title) name,
#include "common/model/problem.def"
#undef PROBLEM
    PROBLEM_COUNT
};

enum { PROBLEM_DETAIL_SIZE = 640, PROBLEM_FIELD_SIZE = 32 };

struct problem {
    enum problem_code code;
    char field[PROBLEM_FIELD_SIZE];   /* the field to blame; may be empty */
    char detail[PROBLEM_DETAIL_SIZE]; /* one sentence; longer ones are cut at a character */
};

/* Fill *problem; `field` may be NULL. All return -1, so that a check can end with
 *     return problem_set(problem, PROBLEM_..., "...", ...); */
int problem_set(struct problem *problem, enum problem_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int problem_set_field(struct problem *problem, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* PROBLEM_BAD_FIELD */
int problem_set_body(struct problem *problem, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* PROBLEM_BAD_BODY */

const char *problem_slug(enum problem_code code);
const char *problem_title(enum problem_code code);
int problem_status(enum problem_code code); /* of HTTP */

#endif
