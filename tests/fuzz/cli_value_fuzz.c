/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the value of an option: a number within its bounds, or a sentence. */
#include "common/base/own.h"
#include "tests/fuzz/fuzz.h"
#include "tools/cli/line/value.h"

#include <string.h>

static const uint64_t NOW_MS = 1795311127000;

/* Its words may be the user's own bytes: who prints them escapes them. */
static void check_problem(const struct problem *problem)
{
    CHECK(problem->code != PROBLEM_NONE && *problem->detail);
}

static void read_time(const char *text, struct problem *problem)
{
    int64_t ns, ms;

    if (value_time(text, 1, "nanoseconds", &ns, problem) < 0) {
        check_problem(problem);
    } else if (value_time(text, 1000000, "milliseconds", &ms, problem) == 0) {
        CHECK(ns == ms * 1000000);
    }
}

static void read_when(const char *text, enum value_when side, struct problem *problem)
{
    uint64_t wall_ms;

    if (value_when(text, side, NOW_MS, &wall_ms, problem) < 0)
        check_problem(problem);
    else
        CHECK(wall_ms <= UINT64_C(253402300799999));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(mem_freep) char *text = mem_zalloc(1, size + 1);
    struct problem problem = { 0 };
    double percent;
    int64_t count;

    if (size > 0) memcpy(text, data, size);
    read_time(text, &problem);
    read_when(text, WHEN_PAST, &problem);
    read_when(text, WHEN_FUTURE, &problem);
    if (value_count(text, &count, &problem) < 0) check_problem(&problem);
    if (value_percent(text, &percent, &problem) == 0) CHECK(percent >= 0 && percent <= 100);
    return 0;
}
