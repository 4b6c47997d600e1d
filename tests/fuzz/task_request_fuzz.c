/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the JSON of a new task: an order that keeps the rules, or a sentence. */
#include "scheduler/api/task_request.h"
#include "tests/fuzz/fuzz.h"

static int percentile_of(void *context, struct text application, struct text interface,
                         unsigned percent, uint64_t *ret_ns)
{
    (void)context;
    *ret_ns = (application.size + interface.size) * percent * 1000000; /* some are in range */
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct threshold_source source = { .percentile_ns = percentile_of };
    struct problem problem = { 0 };
    struct task_spec spec;

    if (task_request_parse(fuzz_text(data, size), &source, 1795311127000, &spec, &problem) < 0)
        fuzz_check_problem(&problem);
    else
        CHECK(task_spec_check(&spec, 1795311127000, &problem) == 0);
    return 0;
}
