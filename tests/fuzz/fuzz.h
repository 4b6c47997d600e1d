/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h: what every harness defines: one decoder, any bytes, and what must hold afterwards. */
#ifndef STAKEOUT_TESTS_FUZZ_FUZZ_H
#define STAKEOUT_TESTS_FUZZ_FUZZ_H

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/model/problem.h"

/* Must not crash; a broken promise is a CHECK. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct text fuzz_text(const uint8_t *data, size_t size)
{
    return (struct text){ (const char *)data, size };
}

/* A decoder that refused must have said why; CHECKs that it did. */
static inline void fuzz_check_problem(const struct problem *problem)
{
    CHECK(problem->code != PROBLEM_NONE && problem->code < PROBLEM_COUNT);
    CHECK(problem->detail[0] != '\0' && text_is_utf8(text_of(problem->detail)));
}

#endif
