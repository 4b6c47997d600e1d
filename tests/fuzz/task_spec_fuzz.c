/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the texts of a task: accepted, or refused by a field and a sentence. */
#include "common/model/task_spec.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int (*const checks[])(struct text, struct problem *) = {
        application_check, interface_check, interface_name_check, note_check, instance_check,
    };
    struct text text = fuzz_text(data, size), half = { text.data, size / 2 };

    for (size_t i = 0; i < ARRAY_COUNT(checks); i++) {
        struct problem problem = { 0 };

        if (checks[i](text, &problem) < 0)
            fuzz_check_problem(&problem);
        else
            CHECK(text_is_printable(text));
    }
    CHECK(interfaces_overlap(text, half) == interfaces_overlap(half, text));
    CHECK(!interface_matches(half, text) || interfaces_overlap(half, text));
    return 0;
}
